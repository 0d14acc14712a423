//! The node that containers are started on: cards, a store and grants that are always the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::bitstream::ImageId;
use fpga::card::DeviceNumber;
use fpga::grants::{Grant, Grants};
use fpga::id::DeviceId;
use fpga::names::Use;
use fpga::root::Root;
use fpga::scan::scan;
use fpga::store::Store;
use fpga_emulator::machine::Machine;
use fpga_emulator::{bitstream_writer as writer, tree};

use super::cards::Recorder;
use crate::args::{Args, Stage};
use crate::run::Hook;
use crate::session::Session;

pub(crate) const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const OTHER: &str = "9926ab6d6c925a68aabca7d84c545738";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";
/// A function that is granted to nobody, although it is in the store.
pub(super) const SECRET: &str = "331db30c988541ea9081f88b8f655caa";
/// An OpenCL image, which shows [`HELLO`].
pub(super) const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

/// One port on the first card, two on the second, one of another interface on the third.
pub(crate) const MACHINE: &str = r#"
[[card]]
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "nlb0"

[[card]]
kind = "pac-a10"
pci = "0000:af:00.0"
interface_id = "9926ab6d-6c92-5a68-aabc-a7d84c545738"
[[card.port]]
afu = "nlb0"
"#;

/// Whom what is granted, beside [`NLB3`] to all.
const GRANTS: [(&str, &str, &str); 6] = [
    ("*", A10, NLB3),
    ("vision", A10, NLB0),
    ("vision", A10, HASH),
    ("vision", OTHER, NLB3),
    ("audio", OTHER, NLB0),
    ("audio", A10, HELLO),
];

/// A node that containers are started on.
pub struct Node {
    directory: PathBuf,
    pub(super) root: Root,
    pub(super) ports: Vec<Port>,
    pub(super) cards: Recorder,
    args: Args,
}

/// A port as it was made.
pub(super) struct Port {
    pub(super) name: String,
    pub(super) number: DeviceNumber,
    pub(super) id: DeviceId,
    afu_id: PathBuf,
    loaded: Vec<u8>,
}

impl Node {
    /// Makes it in a new directory below `parent`, which is removed with it.
    pub fn new(parent: &Path) -> Self {
        let directory = parent.join(format!("hook-{}", std::process::id()));
        let machine = Machine::parse(MACHINE).expect("a machine");
        tree::create(&machine, &directory.join("root")).expect("a tree");
        let root = Root::at(directory.join("root"));
        let inventory = scan(&root);
        let ports = inventory.slots().map(|(card, slot)| {
            let afu_id = root.platform_device(&slot.name).join("afu_id");
            Port {
                name: slot.name.clone(),
                number: slot.nodes[0].number.expect("a number"),
                id: DeviceId { card: card.id, slot: Some(slot.number) },
                loaded: fs::read(&afu_id).expect("a function"),
                afu_id,
            }
        });
        let ports = ports.collect();
        let args = Args {
            stage: Stage::default(),
            grants: directory.join("grants.json"),
            allow_any: false,
            store: directory.join("store"),
            // Nothing is waited for.
            timeout: Duration::ZERO,
            blank: vec![format!("{A10}={NLB3}").parse().expect("a blank")],
            results: "none".into(),
            verbose: true,
            device: None,
            usage: Use::default(),
            uses: directory.join("uses.json"),
        };
        fill(&Store::new(&args.store));
        grants().save(&args.grants).expect("a file of grants");
        Self { directory, root, ports, cards: Recorder::default(), args }
    }

    pub(super) fn hook(&self) -> Hook<'_> {
        let Args { store, timeout, blank, .. } = &self.args;
        let session = Session::new(&self.root, Store::new(store), *timeout, blank);
        Hook { args: &self.args, session: Session { cards: &self.cards, ..session } }
    }

    /// Loads the functions of the beginning again. Whose they are stays as it is.
    pub(super) fn restore(&self) {
        for Port { afu_id, loaded, .. } in &self.ports {
            fs::write(afu_id, loaded).expect("the tree is our own");
        }
    }
}

impl Node {
    /// Forgets whose the regions are.
    pub(super) fn forget(&self) {
        let _ = fs::remove_dir_all(self.root.ledger().directory());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// True when the table says so, read without the code that is tested.
pub(super) fn may_have(namespace: &str, interface: &str, image: &str) -> bool {
    let mut grants = GRANTS.iter().filter(|(_, i, f)| (*i, *f) == (interface, image));
    grants.any(|(to, ..)| ["*", namespace].contains(to))
}

fn grants() -> Grants {
    let mut grants = Grants::default();
    for (namespace, interface, image) in GRANTS {
        let grant = Grant {
            interface_id: interface.parse().expect("an id"),
            image: image.parse().expect("an id"),
        };
        grants.insert(namespace, grant).expect("a namespace");
    }
    grants
}

fn fill(store: &Store) {
    let gbs = |interface, function| writer::gbs(&writer::metadata(interface, function), b"image");
    let opencl = writer::aocx(HASH, &gbs(A10, HELLO));
    for (interface, image, bytes) in [
        (A10, NLB0, gbs(A10, NLB0)),
        (A10, NLB3, gbs(A10, NLB3)),
        (A10, HELLO, gbs(A10, HELLO)),
        (A10, SECRET, gbs(A10, SECRET)),
        (A10, HASH, opencl),
        (OTHER, NLB0, gbs(OTHER, NLB0)),
    ] {
        let image: ImageId = image.parse().expect("an id");
        let path = store.path(interface.parse().expect("an id"), image);
        fs::create_dir_all(path.parent().expect("a store")).expect("a store");
        fs::write(path, bytes).expect("a store");
    }
}
