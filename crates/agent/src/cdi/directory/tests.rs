//! Fault 8: a write failure is only logged, and specs are never refreshed or cleaned.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use fpga::names::Use;
use tempfile::TempDir;

use super::*;
use crate::cdi::{Hook, device_spec};
use crate::plugin::device::Device;
use crate::testing::{device, nodes};

/// Only against hanging forever.
const LIMIT: Duration = Duration::from_secs(30);

struct Fixture {
    temp: TempDir,
    directory: PathBuf,
    specs: Specs,
}

fn fixture() -> Fixture {
    fixture_in("cdi")
}

fn fixture_in(directory: &str) -> Fixture {
    let temp = TempDir::new().unwrap();
    let directory = temp.path().join(directory);
    Fixture { temp, specs: Specs::new(directory.clone(), Orphans::default()), directory }
}

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn spec(&self, device: &str) -> PathBuf {
        self.path(&spec_file(device))
    }

    /// The names in the directory, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Takes the whole directory away in one step, as nobody could with a directory that is being filled.
    fn take_away(&self) {
        let aside = tempfile::tempdir_in(self.temp.path()).unwrap().keep();
        fs::rename(self.path(""), aside).unwrap();
    }

    fn set(&self, devices: &[&str]) {
        self.specs.set(devices.iter().map(|id| region(id, "dfl-port.0")).collect(), true);
    }

    async fn eventually(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < LIMIT, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn region(id: &str, port: &str) -> (String, Vec<u8>) {
    let hook = Hook { path: "/x/fpgactl".to_owned(), arguments: Vec::new(), timeout: LIMIT };
    let device = Device { nodes: nodes(&[port]), ..device(id, 0, None) };
    (id.to_owned(), device_spec(&device, Use::Region, &hook))
}

fn ensure(fixture: &Fixture, device: &str) -> Result<(), Error> {
    fixture.specs.ensure(&[device.to_owned()])
}

#[test]
fn specs_come_and_go_with_their_devices() {
    let fixture = fixture();
    fixture.set(&[]);
    assert!(!fixture.path("").exists(), "a directory is made for nothing");
    fixture.set(&["dfl-fme.0", "dfl-fme.1-port0"]);
    assert_eq!(
        fixture.names(),
        ["intel.cdi.k8s.io-fpga-dfl-fme.0.json", "intel.cdi.k8s.io-fpga-dfl-fme.1-port0.json"]
    );
    fixture.set(&["dfl-fme.0"]);
    assert_eq!(fixture.names(), ["intel.cdi.k8s.io-fpga-dfl-fme.0.json"]);
    let Err(Error::NoSpec(device)) = ensure(&fixture, "dfl-fme.1-port0") else { panic!() };
    assert_eq!(device, "dfl-fme.1-port0");
    fixture.set(&[]);
    assert!(fixture.names().is_empty());
}

/// An agent that cannot ask who holds what must not take a running pod's spec away.
#[test]
fn what_an_earlier_run_left_stays_until_it_is_sure_that_nobody_needs_it() {
    let fixture = fixture();
    fs::create_dir(fixture.path("")).unwrap();
    fs::write(fixture.spec("dfl-fme.9"), "x").unwrap();
    fixture.specs.set(BTreeMap::new(), false);
    assert_eq!(fixture.names(), ["intel.cdi.k8s.io-fpga-dfl-fme.9.json"]);
    fixture.specs.set(BTreeMap::new(), true);
    assert!(fixture.names().is_empty());
}

#[test]
fn what_an_earlier_run_left_goes_and_what_others_wrote_stays() {
    let fixture = fixture();
    fs::create_dir(fixture.path("")).unwrap();
    let others = [
        "intel.cdi.k8s.io-fpga-custom.json",
        "intel.cdi.k8s.io-fpga-dfl-fme.8.yaml",
        "nvidia.yaml",
    ];
    let stale = [
        "intel.cdi.k8s.io-fpga-dfl-fme.9.json",
        ".intel.cdi.k8s.io-fpga-dfl-fme.0.json.7-7.tmp",
        // Intel's plugin's; with ours beside it the device would be defined twice.
        "intel.cdi.k8s.io-fpga-dfl-fme.0.yaml",
    ];
    for name in others.iter().chain(&stale) {
        fs::write(fixture.path(name), "x").unwrap();
    }
    fixture.set(&["dfl-fme.0"]);
    let mut expected = others.map(str::to_owned).to_vec();
    expected.push(spec_file("dfl-fme.0"));
    expected.sort();
    assert_eq!(fixture.names(), expected);
}

#[test]
fn a_spec_follows_its_device() {
    let fixture = fixture();
    fixture.specs.set([region("dfl-fme.0", "dfl-port.0")].into(), true);
    let before = fs::read_to_string(fixture.spec("dfl-fme.0")).unwrap();
    fixture.specs.set([region("dfl-fme.0", "dfl-port.7")].into(), true);
    let after = fs::read_to_string(fixture.spec("dfl-fme.0")).unwrap();
    assert!(before.contains("/dev/dfl-port.0") && after.contains("/dev/dfl-port.7"), "{after}");
}

#[test]
fn an_allocation_makes_sure_of_its_spec() {
    let fixture = fixture();
    fixture.set(&["dfl-fme.0"]);
    let right = fs::read(fixture.spec("dfl-fme.0")).unwrap();
    for damage in ["", "{}", "stale"] {
        fs::write(fixture.spec("dfl-fme.0"), damage).unwrap();
        ensure(&fixture, "dfl-fme.0").unwrap();
        assert_eq!(fs::read(fixture.spec("dfl-fme.0")).unwrap(), right);
    }
    fixture.take_away();
    ensure(&fixture, "dfl-fme.0").unwrap();
    assert_eq!(fs::read(fixture.spec("dfl-fme.0")).unwrap(), right);
}

#[test]
fn an_allocation_without_a_spec_fails_and_says_why() {
    let fixture = fixture();
    // Something that no user may replace by a file.
    fs::create_dir_all(fixture.spec("dfl-fme.0").join("full")).unwrap();
    fixture.set(&["dfl-fme.0", "dfl-fme.1"]);
    let error = ensure(&fixture, "dfl-fme.0").unwrap_err().to_string();
    assert!(
        error.starts_with("device dfl-fme.0 cannot be given to a container: CDI spec /"),
        "{error}"
    );
    assert!(error.contains("intel.cdi.k8s.io-fpga-dfl-fme.0.json: "), "{error}");
    ensure(&fixture, "dfl-fme.1").unwrap();
    fs::remove_dir_all(fixture.spec("dfl-fme.0")).unwrap();
    ensure(&fixture, "dfl-fme.0").unwrap();
}

/// Keeps the specs as a running agent does.
fn keep(fixture: &Fixture) {
    let (paths, _) = Paths::new().unwrap();
    tokio::spawn(fixture.specs.clone().keep(paths));
}

#[tokio::test]
async fn what_others_do_to_the_specs_is_put_right() {
    let fixture = fixture();
    keep(&fixture);
    fixture.set(&["dfl-fme.0"]);
    let right = fs::read(fixture.spec("dfl-fme.0")).unwrap();
    let is_right =
        |fixture: &Fixture| fs::read(fixture.spec("dfl-fme.0")).is_ok_and(|found| found == right);
    fs::remove_file(fixture.spec("dfl-fme.0")).unwrap();
    fixture.eventually("a removed spec is written", is_right).await;
    fs::write(fixture.spec("dfl-fme.0"), "edited").unwrap();
    fixture.eventually("an edited spec is written", is_right).await;
    for _ in 0..2 {
        fixture.take_away();
        fixture.eventually("an emptied directory is filled", is_right).await;
    }
    fs::write(fixture.path("intel.cdi.k8s.io-fpga-dfl-fme.0.yaml"), "intel's").unwrap();
    fixture.eventually("a second spec of the device goes", |f| f.names().len() == 1).await;
}

#[tokio::test]
async fn a_directory_that_others_make_anew_is_filled_again() {
    let fixture = fixture_in("run/cdi");
    keep(&fixture);
    fixture.set(&["dfl-fme.0"]);
    let spec = fixture.spec("dfl-fme.0");
    let inode = |path: &Path| fs::metadata(path).map(|metadata| metadata.ino()).ok();
    for level in ["run/cdi", "run"] {
        let top = fixture.temp.path().join(level);
        // What is held open keeps its inode, so that a new directory is told from the old one.
        let old = fs::File::open(&top).unwrap();
        fs::rename(&top, fixture.temp.path().join("old")).unwrap();
        // The agent may be first; either way there is a directory now that it did not watch before.
        let _ = fs::create_dir_all(fixture.path(""));
        fixture.eventually("a new directory is filled", |_| spec.exists()).await;
        assert_ne!(inode(&top), Some(old.metadata().unwrap().ino()), "{level}");
        fs::remove_dir_all(fixture.temp.path().join("old")).unwrap();
        fs::remove_file(&spec).unwrap();
        fixture.eventually("the new directory is watched", |_| spec.exists()).await;
    }
}
