//! A node for one test: emulated cards in a directory, a directory for sockets, and the agent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga_demo::kubelet::{Kubelet, What};
use fpga_demo::process::Process;
use fpga_emulator::host::Host;
use fpga_emulator::machine::Machine;
use fpga_emulator::tree::Tree;
use kubelet_api::v1beta1::Device;
use nix::errno::Errno;
use tempfile::TempDir;
use tokio::process::Command;

/// Only against hanging for ever.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const AF_NLB0: &str = "fpga.intel.com/af-d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const AF_NLB3: &str = "fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const REGION: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
pub(crate) const REGIONDEVEL: &str = "fpga.intel.com/regiondevel-69528db6eb31577a8c3668f9faa081f6";

pub(crate) struct Node {
    temp: TempDir,
    host: Host,
    tree: Option<Tree>,
}

impl Node {
    /// A node with the cards of a description; the socket directory does not exist yet.
    pub(crate) fn new(machine: &str) -> Self {
        let mut node = Self::without_driver(machine);
        node.load_driver();
        node
    }

    /// A node whose `sys` and `dev` are empty until [`Node::load_driver`].
    pub(crate) fn without_driver(machine: &str) -> Self {
        let machine = Machine::parse(machine).unwrap();
        let temp = TempDir::new().unwrap();
        for name in ["root/sys/class", "root/dev"] {
            std::fs::create_dir_all(temp.path().join(name)).unwrap();
        }
        Self { temp, host: Host::new(&machine), tree: None }
    }

    pub(crate) fn load_driver(&mut self) {
        let root = self.root();
        std::fs::remove_dir_all(&root).unwrap();
        let mut tree = Tree::claim(&root).unwrap();
        tree.show_machine(&self.host).unwrap();
        tree.sync(&self.host).unwrap();
        self.tree = Some(tree);
    }

    /// Changes the cards and then the files.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Host)) {
        change(&mut self.host);
        self.tree.as_mut().unwrap().sync(&self.host).unwrap();
    }

    /// Makes the id of the function behind a port unreadable, or readable again.
    pub(crate) fn deny_function(&mut self, port: &str, error: Option<Errno>) {
        let attribute = self.root().join("sys/bus/platform/devices").join(port).join("afu_id");
        let resolved = attribute.canonicalize().unwrap();
        let (card, path) = self.tree.as_ref().unwrap().locate(&resolved).unwrap();
        self.change(|host| host.slots[card].deny(&path, error));
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.temp.path().join("root")
    }

    pub(crate) fn sockets(&self) -> PathBuf {
        self.temp.path().join("sockets")
    }

    pub(crate) fn cdi(&self) -> PathBuf {
        self.temp.path().join("cdi")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// The socket of a resource.
    pub(crate) fn socket(&self, resource: &str) -> PathBuf {
        self.sockets().join(format!("{}.sock", resource.replace('/', "-")))
    }

    /// The names in the socket directory that end in `.sock`, without the kubelet's.
    pub(crate) fn plugin_sockets(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.sockets()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != fpga_demo::kubelet::SOCKET).collect()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fpga-agent"));
        command.arg("--root").arg(self.root()).arg("--socket-dir").arg(self.sockets());
        command.arg("--cdi-dir").arg(self.cdi());
        command.arg("--grants-file").arg(self.file("run/grants.json"));
        command.arg("--mode-file").arg(self.file("run/mode"));
        command.arg("--hook-results").arg(self.file("run/hook-results"));
        command.arg("--pod-resources-socket").arg(self.file("pod-resources/kubelet.sock"));
        if !arguments.contains(&"--health-address") {
            command.args(["--health-address", "none"]);
        }
        command.args(arguments).env_remove("NODE_NAME");
        command
    }

    pub(crate) fn agent(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments)).unwrap()
    }

    pub(crate) fn kubelet(&self) -> Kubelet {
        Kubelet::start(&self.sockets()).unwrap()
    }
}

/// A PAC Arria 10 in TOML, for each of the given PCI buses.
pub(crate) fn cards(cards: &[(u8, &[&str])]) -> String {
    let port = |function: &&str| format!("[[card.port]]\nafu = \"{function}\"\n");
    let card = |(bus, functions): &(u8, &[&str])| {
        let ports: String = functions.iter().map(port).collect();
        let numa = u8::from(*bus >= 0x80);
        format!(
            "[[card]]\nname = \"card{bus}\"\nkind = \"pac-a10\"\npci = \"0000:{bus:02x}:00.0\"\n\
             numa_node = {numa}\n{ports}"
        )
    };
    format!("name = \"test\"\n{}", cards.iter().map(card).collect::<String>())
}

pub(crate) fn one_card() -> String {
    cards(&[(0x10, &["nlb3"])])
}

/// Waits until the kubelet could give `count` devices of `resource` to containers.
pub(crate) async fn allocatable(kubelet: &Kubelet, resource: &str, count: usize) {
    let found = kubelet.wait_for(LIMIT, |node| node.allocatable(resource) == count).await;
    assert!(found.is_some(), "no {count} {resource}: {:?}", kubelet.node());
}

/// `id health` of each device of a list.
pub(crate) fn devices(list: &[Device]) -> Vec<String> {
    list.iter().map(|device| format!("{} {}", device.id, device.health)).collect()
}

/// How often a resource was registered.
pub(crate) fn registrations(kubelet: &Kubelet, resource: &str) -> usize {
    let events = kubelet.events();
    let ours = events.iter().filter(|event| event.resource == resource);
    ours.filter(|event| matches!(event.what, What::Registered { .. })).count()
}

/// Waits until something that no event tells of is so.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Removes a directory tree, however its content changes meanwhile.
pub(crate) fn remove(directory: &Path) {
    while let Err(error) = std::fs::remove_dir_all(directory) {
        assert_ne!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
        if error.kind() == std::io::ErrorKind::NotFound {
            return;
        }
    }
}
