//! The model's node: two cards with two regions each, a store, and what is really in the regions.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::bitstream::ImageId;
use fpga::ledger::{Entry, Ledger};
use fpga::program::Target;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::store::Store;
use fpga_emulator::{bitstream_writer as writer, tree};
use fpga_hook::session::Session;
use fpga_hook::{Blank, Report};

use crate::driver::{self, PER_CARD, PORTS, Region};

pub(crate) const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
/// OpenCL images, which show the function of another image, too.
const HASHES: [&str; 2] =
    ["40007c0623210742000ebc58df6f5343e668b03a", "50007c0623210742000ebc58df6f5343e668b03b"];

const MACHINE: &str = r#"
[[card]]
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "hello"

[[card]]
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "hello"
"#;

/// What the store has, by name and function. Three of them show the same one.
pub(crate) const IMAGES: [(&str, &str); 4] =
    [(HELLO, HELLO), (HASHES[0], HELLO), (HASHES[1], HELLO), (NLB0, NLB0)];

pub(crate) struct Node {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) root: Root,
    pub(crate) targets: Vec<Target>,
    /// The builds that the store has.
    pub(crate) builds: Vec<u64>,
    last_build: u64,
    pub(crate) blank: Vec<Blank>,
}

impl Node {
    pub(crate) fn new() -> Self {
        // Its files are many, and none is to last.
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let machine = fpga_emulator::machine::Machine::parse(MACHINE).unwrap();
        tree::create(&machine, &directory.path().join("root")).unwrap();
        let root = Root::at(directory.path().join("root"));
        let inventory = scan(&root);
        let targets: Vec<_> =
            inventory.slots().map(|(card, slot)| Target::new(&root, card, slot)).collect();
        assert_eq!(targets.len(), PORTS.len());
        for (index, (target, device)) in targets.iter().zip(PORTS).enumerate() {
            assert_eq!(target.slot.name, format!("dfl-port.{index}"));
            fs::remove_file(&target.slot.node).unwrap();
            symlink(device, &target.slot.node).unwrap();
        }
        let blank = vec![format!("{A10}={HELLO}").parse().unwrap()];
        let mut node =
            Self { directory, root, targets, builds: vec![0; IMAGES.len()], last_build: 0, blank };
        driver::serve(node.path());
        (0..IMAGES.len()).for_each(|image| node.rebuild(image));
        node.forget();
        node
    }

    /// As it was made, with nothing known and the regions as a card comes up.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_dir_all(self.root.ledger().directory());
        for index in 0..PORTS.len() {
            driver::load(self.path(), index, &driver::payload(HELLO, 0));
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.root.ledger()
    }

    pub(crate) fn entry(&self, index: usize) -> Option<Entry> {
        self.ledger().read(self.targets[index].id()).unwrap()
    }

    /// Whose the region is as the ledger has it.
    pub(crate) fn owner(&self, index: usize) -> Option<String> {
        Some(self.entry(index)?.owner?.id)
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(self.path().join("store"))
    }

    pub(crate) fn image(&self, image: usize) -> PathBuf {
        let name: ImageId = IMAGES[image].0.parse().unwrap();
        self.store().path(A10.parse().unwrap(), name)
    }

    fn new_build(&mut self) -> u64 {
        self.last_build += 1;
        self.last_build
    }

    /// A new build takes the place of the image in the store.
    pub(crate) fn rebuild(&mut self, image: usize) {
        let build = self.new_build();
        let (name, function) = IMAGES[image];
        let gbs = writer::gbs(&writer::metadata(A10, function), &driver::payload(function, build));
        let bytes = if name == function { gbs } else { writer::aocx(name, &gbs) };
        let path = self.image(image);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.path().join("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, path).unwrap();
        self.builds[image] = build;
    }

    /// Somebody loads a build that is in no file here, and says nothing.
    pub(crate) fn load_foreign(&mut self, index: usize) {
        let build = self.new_build();
        driver::load(self.path(), index, &driver::payload(HELLO, build));
    }

    /// A container used the region, or might have.
    pub(crate) fn soil(&self, index: usize) {
        Region { is_dirty: true, ..Region::read(index) }.write(index);
    }

    /// The driver of a card is bound again. What is loaded stays.
    pub(crate) fn rebind(&self, card: usize) {
        for target in &self.targets[card * PER_CARD..][..PER_CARD] {
            let (link, new) = (target.slot.dir.join("driver"), target.slot.dir.join("new"));
            let driver = fs::read_link(&link).unwrap_or_else(|_| "dfl-afu".into());
            symlink(driver, &new).unwrap();
            fs::rename(new, link).unwrap();
        }
    }

    /// A card is taken away and comes back with what its flash memory has.
    pub(crate) fn replug(&self, card: usize) {
        self.rebind(card);
        for index in card * PER_CARD..(card + 1) * PER_CARD {
            driver::load(self.path(), index, &driver::payload(HELLO, 0));
        }
    }

    /// Work for which nothing is waited for.
    pub(crate) fn session(&self, with_blank: bool) -> Session<'_> {
        let blank = if with_blank { &self.blank[..] } else { &[] };
        Session::new(&self.root, self.store(), Duration::ZERO, blank)
    }
}

pub(crate) fn report() -> Report {
    Report::new("model", false, |_| {})
}
