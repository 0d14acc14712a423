//! `doctor`, on nodes with one thing wrong each: it must name that, and nothing else.

mod agent;
mod cards;
mod host;
mod output;
mod region;
mod runtime;

use std::fs::{self, DirBuilder, File, Permissions};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::machine::{Answer, INTERFACE, NLB3, Node};
use agent::Agent;

const SOCKETS: &str = "var/lib/kubelet/device-plugins";
const STORE: &str = "srv/intel.com/fpga";
const GRANTS: &str = "run/kube-fpga/grants.json";
const CDI: &str = "run/cdi";
const HOOK: &str = "opt/intel/fpga-sw/fpga-hook";
const CONTAINERD: &str = "etc/containerd/config.toml";

/// A node on which everything is as it should be, all of it below one root.
struct Sound {
    node: Node,
    listeners: Vec<(PathBuf, UnixListener)>,
    agent: Agent,
}

impl Sound {
    /// One card in region mode, with containerd.
    fn region() -> Self {
        let mut sound = Self::bare(Node::preset("pac-a10"));
        sound.listen(&format!("{SOCKETS}/fpga.intel.com-region-{INTERFACE}.sock"));
        sound.install();
        sound
    }

    /// One card in af mode.
    fn af() -> Self {
        let mut sound = Self::bare(Node::preset("pac-a10"));
        sound.listen(&format!("{SOCKETS}/fpga.intel.com-af-{NLB3}.sock"));
        sound
    }

    /// What is there in every mode.
    fn bare(node: Node) -> Self {
        let agent = Agent::answers(200, "ok\n");
        let mut sound = Self { node, listeners: Vec::new(), agent };
        // As on every distribution.
        sound.dir("run");
        sound.dir("var/lib");
        std::os::unix::fs::symlink("/run", sound.path("var/run")).unwrap();
        sound.listen(&format!("{SOCKETS}/kubelet.sock"));
        sound.listen("var/lib/kubelet/pod-resources/kubelet.sock");
        sound.listen("run/containerd/containerd.sock");
        sound.write(CONTAINERD, "version = 3\n");
        sound.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "20\n");
        sound.write("proc/812/comm", "containerd\n");
        sound.write("proc/812/limits", "Max locked memory  unlimited  unlimited  bytes\n");
        sound
    }

    /// The hook, its spec, a bitstream, and the right to it.
    fn install(&self) {
        let bin = self.path(HOOK);
        let bin = bin.parent().unwrap().to_str().unwrap();
        self.node.run(&["install-host", "--bin-dir", bin]).ended(0);
        // The loader of the build that is tested, which may be linked against any C library.
        for loader in
            ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1", "lib/ld-musl-x86_64.so.1"]
        {
            self.write(loader, "");
        }
        self.spec("intel.cdi.k8s.io-fpga-dfl-fme.0.json", &self.described());
        self.install_store();
    }

    /// A bitstream, and the right to it.
    fn install_store(&self) {
        self.node.gbs("nlb3.gbs", INTERFACE, NLB3);
        let store = self.dir(STORE);
        let store = store.to_str().unwrap();
        self.node.run(&["bitstream", "install", "--store", store, "nlb3.gbs"]).ended(0);
        let grant = json!({"interfaceId": INTERFACE, "afuId": NLB3});
        self.write(GRANTS, &json!({"version": 1, "namespaces": {"vision": [grant]}}).to_string());
    }

    /// The spec of the only card, as the agent writes it.
    fn described(&self) -> Value {
        let number = fs::read_to_string(self.node.attribute("dfl-port.0", "dev")).unwrap();
        let (major, minor) = number.trim().split_once(':').unwrap();
        let hook = |stage: &str| {
            json!({
                "hookName": stage, "path": format!("/{HOOK}"), "timeout": 40,
                "args": ["fpga-hook", "oci-hook", "--stage", stage],
            })
        };
        json!({
            "cdiVersion": "0.5.0", "kind": "intel.cdi.k8s.io/fpga",
            "devices": [{"name": "dfl-fme.0", "containerEdits": {
                "deviceNodes": [{
                    "path": "/dev/dfl-port.0", "hostPath": "/dev/dfl-port.0", "type": "c",
                    "major": major.parse::<u32>().unwrap(), "minor": minor.parse::<u32>().unwrap(),
                    "permissions": "rw",
                }],
                "hooks": [hook("createRuntime"), hook("poststop")],
            }}],
        })
    }

    fn spec(&self, name: &str, spec: &Value) {
        self.write(&format!("{CDI}/{name}"), &spec.to_string());
    }

    fn path(&self, path: &str) -> PathBuf {
        self.node.root().join(path)
    }

    fn dir(&self, path: &str) -> PathBuf {
        let dir = self.path(path);
        DirBuilder::new().recursive(true).mode(0o755).create(&dir).unwrap();
        // Whatever the umask is.
        for parent in Path::new(path).ancestors().filter(|parent| parent.as_os_str() != "") {
            fs::set_permissions(self.path(parent.to_str().unwrap()), Permissions::from_mode(0o755))
                .unwrap();
        }
        dir
    }

    fn write(&self, path: &str, text: &str) {
        self.dir(Path::new(path).parent().unwrap().to_str().unwrap());
        let file = self.path(path);
        fs::write(&file, text).unwrap();
        self.mode(path, 0o644);
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// Listens on a socket, by way of its directory: the path may be longer than a socket's may.
    fn listen(&mut self, path: &str) {
        let directory =
            File::open(self.dir(Path::new(path).parent().unwrap().to_str().unwrap())).unwrap();
        let short = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let name = Path::new(path).file_name().unwrap();
        let listener = UnixListener::bind(Path::new(&short).join(name)).unwrap();
        self.listeners.push((path.into(), listener));
    }

    /// Ends the process behind a socket, which stays.
    fn kill(&mut self, path: &str) {
        let before = self.listeners.len();
        self.listeners.retain(|(other, _)| other != Path::new(path));
        assert_eq!(self.listeners.len(), before - 1, "nobody listens on {path}");
    }

    fn run(&self, args: &[&str]) -> Answer {
        self.run_with(self.agent.address(), args)
    }

    fn run_with(&self, agent: SocketAddr, args: &[&str]) -> Answer {
        let agent = agent.to_string();
        self.node.run(&[&["doctor", "--agent-address", &agent], args].concat())
    }

    /// The findings that are not ok, as `level area: object: finding: cause`.
    fn wrong(&self, args: &[&str]) -> Vec<String> {
        wrong(&self.run(&[args, &["-q", "-o", "json"]].concat()))
    }

    /// Exactly one thing is wrong, and these words are in what is said of it.
    #[track_caller]
    fn finds(&self, words: &[&str]) {
        only(&self.wrong(&[]), words);
    }
}

/// A single finding that has these words.
#[track_caller]
fn only(wrong: &[String], words: &[&str]) {
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    for word in words {
        assert!(wrong[0].contains(word), "{word:?} is not in {:?}", wrong[0]);
    }
}

fn wrong(answer: &Answer) -> Vec<String> {
    let findings = answer.json();
    let line = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        assert!(finding["fix"].is_string(), "nothing to do about {finding}");
        format!(
            "{} {}: {}: {}: {}",
            text("level"),
            text("area"),
            text("object"),
            text("finding"),
            text("cause")
        )
    };
    findings.as_array().unwrap().iter().map(line).collect()
}
