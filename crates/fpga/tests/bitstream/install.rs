//! Installing: complete, verified, once; and what a crash leaves.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use fpga::store::{Error, Existing, Store};
use tempfile::TempDir;

use crate::store::gbs_name;
use crate::writer::{Class, aocx, aocx_around, elf, gbs, gzip, metadata};
use crate::{HASH, INTERFACE, NLB0, good_gbs};

/// A directory with a file to install, and a store in it that does not exist yet.
fn setup(name: &str, bytes: &[u8]) -> (TempDir, PathBuf, Store) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    fs::write(&file, bytes).unwrap();
    let store = Store::new(dir.path().join("srv/intel.com/fpga"));
    (dir, file, store)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_is_installed_under_its_ids() {
    let (_dir, file, store) = setup("nlb_mode_0.gbs", &good_gbs());
    let path = store.install(&file, Existing::Keep).unwrap();
    assert_eq!(path, store.root().join(gbs_name(NLB0)));
    assert_eq!(fs::read(&path).unwrap(), good_gbs());
    assert_eq!(names(path.parent().unwrap()), [format!("{NLB0}.gbs")]);
    assert_eq!(mode(&path), 0o644);
    for directory in path.ancestors().skip(1).take(4) {
        assert_eq!(mode(directory), 0o755, "{}", directory.display());
    }
    assert!(store.find(INTERFACE.parse().unwrap(), NLB0.parse().unwrap()).is_ok());
}

#[test]
fn an_opencl_image_is_installed_under_its_hash() {
    let (_dir, file, store) = setup("kernel.aocx", &aocx(HASH, &good_gbs()));
    let path = store.install(&file, Existing::Keep).unwrap();
    assert_eq!(path, store.root().join(format!("{INTERFACE}/{HASH}.aocx")));
}

#[test]
fn what_is_installed_is_replaced_only_if_asked() {
    let (dir, file, store) = setup("old.gbs", &good_gbs());
    let new = dir.path().join("new.gbs");
    let new_bytes = gbs(&metadata(INTERFACE, NLB0), b"another image");
    fs::write(&new, &new_bytes).unwrap();
    let path = store.install(&file, Existing::Keep).unwrap();
    let in_use = store.find(INTERFACE.parse().unwrap(), NLB0.parse().unwrap()).unwrap();
    let payload = in_use.payload().unwrap();

    assert_eq!(
        store.install(&new, Existing::Keep).unwrap_err().to_string(),
        format!("{}: exists already, and replacing it was not asked for", path.display())
    );
    assert_eq!(fs::read(&path).unwrap(), good_gbs());

    assert_eq!(store.install(&new, Existing::Replace).unwrap(), path);
    assert_eq!(fs::read(&path).unwrap(), new_bytes);
    assert_eq!(&*payload, b"image", "who has the old one goes on with it");
    assert_eq!(names(path.parent().unwrap()), [format!("{NLB0}.gbs")]);
}

#[test]
fn the_destination_is_known_without_installing() {
    let (_dir, file, store) = setup("x.gbs", &good_gbs());
    let bitstream = fpga::bitstream::Bitstream::open(&file).unwrap();
    assert_eq!(store.destination(&bitstream).unwrap(), store.root().join(gbs_name(NLB0)));
    assert!(!store.root().exists());
}

/// Upstream installed files without ids to "".
#[test]
fn files_without_ids_are_not_installed() {
    let (_dir, file, store) = setup("x.gbs", &gbs(&metadata(INTERFACE, ""), b"image"));
    let fault = store.install(&file, Existing::Keep).unwrap_err().to_string();
    assert!(fault.contains("accelerator-type-uuid: found nothing"), "{fault}");
    assert!(!store.root().exists());
}

#[test]
fn a_damaged_image_is_not_installed() {
    let mut stream = gzip(&gbs(&metadata(INTERFACE, NLB0), &[7; 100_000]));
    let checksum = stream.len() - 8;
    stream[checksum] ^= 1;
    let damaged = aocx_around(HASH, &elf(Class::Elf64, &[(".acl.gbs.gz", &stream)]));
    let (_dir, file, store) = setup("x.aocx", &damaged);
    let fault = store.install(&file, Existing::Keep).unwrap_err().to_string();
    assert!(fault.starts_with(&format!("{}: .acl.gbs.gz: ", file.display())), "{fault}");
    assert!(names(&store.root().join(INTERFACE)).is_empty());
}

/// A killed installer leaves its temporary file, in whatever state, and no lock.
#[test]
fn what_a_crash_left_goes_with_the_next_installation() {
    let (_dir, file, store) = setup("x.gbs", &good_gbs());
    let region = store.root().join(INTERFACE);
    fs::create_dir_all(&region).unwrap();
    fs::write(region.join(".install-4711-0"), b"").unwrap();
    fs::write(region.join(".install-4711-1"), &good_gbs()[..40]).unwrap();
    // Killed between giving the file its name and taking the temporary name away.
    fs::write(region.join(".install-4711-2"), good_gbs()).unwrap();
    fs::hard_link(region.join(".install-4711-2"), region.join("linked")).unwrap();
    fs::write(region.join(".other"), b"").unwrap();
    store.install(&file, Existing::Keep).unwrap();
    assert_eq!(names(&region), [".other".to_owned(), format!("{NLB0}.gbs"), "linked".to_owned()]);
}

#[test]
fn an_installation_under_way_is_left_alone() {
    let (_dir, file, store) = setup("x.gbs", &good_gbs());
    let region = store.root().join(INTERFACE);
    fs::create_dir_all(&region).unwrap();
    let busy = region.join(".install-4711-0");
    let mut other = File::create(&busy).unwrap();
    other.lock().unwrap();
    store.install(&file, Existing::Keep).unwrap();
    other.write_all(b"still there").unwrap();
    assert_eq!(fs::read(&busy).unwrap(), b"still there");
    drop(other);
    store.install(&file, Existing::Replace).unwrap();
    assert!(!busy.exists());
}

#[test]
fn links_in_the_store_are_not_followed() {
    let (dir, file, store) = setup("x.gbs", &good_gbs());
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(store.root()).unwrap();
    let region = store.root().join(INTERFACE);
    symlink(&elsewhere, &region).unwrap();
    assert!(matches!(store.install(&file, Existing::Replace), Err(Error::SymbolicLink { .. })));
    assert!(names(&elsewhere).is_empty());

    // A link in the place of the file is replaced, or kept, but what it shows is never written.
    fs::remove_file(&region).unwrap();
    fs::create_dir(&region).unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let path = store.root().join(gbs_name(NLB0));
    symlink(&victim, &path).unwrap();
    assert!(matches!(store.install(&file, Existing::Keep), Err(Error::Exists { .. })));
    store.install(&file, Existing::Replace).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
}

#[test]
fn a_directory_in_the_place_of_the_file_is_an_error() {
    let (_dir, file, store) = setup("x.gbs", &good_gbs());
    fs::create_dir_all(store.root().join(gbs_name(NLB0))).unwrap();
    assert!(matches!(store.install(&file, Existing::Keep), Err(Error::Exists { .. })));
    assert!(matches!(store.install(&file, Existing::Replace), Err(Error::Io { .. })));
    assert_eq!(names(&store.root().join(INTERFACE)), [format!("{NLB0}.gbs")]);
}

/// Every writer has an image of its own, so that a mixture of two would be seen.
#[test]
fn of_concurrent_installations_exactly_one_wins() {
    const WRITERS: u8 = 16;
    let (dir, _, store) = setup("x", b"");
    let files: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let path = dir.path().join(format!("{writer}.gbs"));
            let bytes = gbs(&metadata(INTERFACE, NLB0), &vec![writer; 3 << 20]);
            fs::write(&path, &bytes).unwrap();
            (path, bytes)
        })
        .collect();
    let (start, store) = (&Barrier::new(files.len() + 1), &store);
    let won: Vec<bool> = thread::scope(|scope| {
        let writers: Vec<_> = files
            .iter()
            .map(|(path, _)| {
                scope.spawn(move || {
                    start.wait();
                    match store.install(path, Existing::Keep) {
                        Ok(_) => true,
                        Err(Error::Exists { .. }) => false,
                        Err(fault) => panic!("{fault}"),
                    }
                })
            })
            .collect();
        start.wait();
        // Who looks meanwhile sees nothing or a whole file.
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            match store.find(INTERFACE.parse().unwrap(), NLB0.parse().unwrap()) {
                Ok(bitstream) => assert_eq!(bitstream.verify().unwrap(), 3 << 20),
                Err(fault) => assert!(matches!(fault, Error::NotFound { .. }), "{fault}"),
            }
        }
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    let winner = won.iter().position(|won| *won).unwrap();
    assert!(fs::read(store.root().join(gbs_name(NLB0))).unwrap() == files[winner].1);
    assert_eq!(names(&store.root().join(INTERFACE)), [format!("{NLB0}.gbs")]);
}

/// Names the directory for [`install_without_end`] to work in; the test below sets it in a child.
const WORK_DIRECTORY: &str = "FPGA_TEST_INSTALL_DIRECTORY";

/// What the next test kills: replaces one installed file by either of two, until killed.
#[test]
#[ignore = "runs until killed, in a child of the next test"]
fn install_without_end() {
    let Some(directory) = env::var_os(WORK_DIRECTORY).map(PathBuf::from) else { return };
    let store = Store::new(directory.join("store"));
    loop {
        for name in ["a.gbs", "b.gbs"] {
            store.install(directory.join(name), Existing::Replace).unwrap();
        }
    }
}

#[test]
fn a_killed_installation_leaves_a_whole_file_and_nothing_for_long() {
    const KILLS: u64 = 30;
    let dir = tempfile::tempdir().unwrap();
    let files = [1, 2].map(|byte| gbs(&metadata(INTERFACE, NLB0), &vec![byte; 1 << 20]));
    fs::write(dir.path().join("a.gbs"), &files[0]).unwrap();
    fs::write(dir.path().join("b.gbs"), &files[1]).unwrap();
    let store = Store::new(dir.path().join("store"));
    let path = store.install(dir.path().join("a.gbs"), Existing::Keep).unwrap();
    let mut leftovers = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "install::install_without_end"])
            .env(WORK_DIRECTORY, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Long enough for the child to start, and then some different moment of its loop each time.
        thread::sleep(Duration::from_micros(60_000 + kill * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = fs::read(&path).unwrap();
        assert!(files.contains(&now), "a mixture after kill {kill}: {} bytes", now.len());
        leftovers += names(path.parent().unwrap()).len() - 1;
        store.install(dir.path().join("a.gbs"), Existing::Replace).unwrap();
        assert_eq!(names(path.parent().unwrap()), [format!("{NLB0}.gbs")]);
    }
    assert!(leftovers > 0, "no kill hit an installation, so that nothing was tested");
}
