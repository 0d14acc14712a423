//! A node with emulated cards, a store of bitstreams and a file of grants, for one test.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fpga::grants::{Grant, Grants};
use fpga_emulator::ctl::Client;
use fpga_emulator::gbs::Bitstream;
pub(crate) use fpga_emulator::testing::THREE_PORTS as TWO_CARDS;
use fpga_emulator::testing::{Emulator, eventually};

use crate::container::Container;

pub(crate) const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";

pub(crate) struct Node(Emulator);

/// What the hook did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stderr: String,
}

impl Node {
    /// Starts an emulator for a machine, with the functions of the demonstration in the store and
    /// granted to the namespace `vision`.
    pub(crate) fn start(machine: &str) -> Self {
        let node = Self(Emulator::start(machine));
        for function in [NLB0, NLB3] {
            node.install(function);
        }
        node.grant("vision", &[NLB0, NLB3]);
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub(crate) fn control(&self) -> Client {
        self.0.control()
    }

    fn attribute(&self, port: &str, name: &str) -> String {
        self.0.attribute(port, name)
    }

    /// What the region behind a port holds, seen from outside.
    pub(crate) fn function(&self, port: &str) -> String {
        self.attribute(port, "afu_id")
    }

    pub(crate) fn has_errors(&self, port: &str) -> bool {
        self.attribute(port, "errors/errors") != "0x0"
    }

    /// The port's errors were cleared. In a tree of plain files what is written to clear them is seen
    /// until the emulator has taken it.
    #[track_caller]
    pub(crate) fn is_clean(&self, port: &str) {
        eventually(&format!("the errors of {port} are cleared"), || !self.has_errors(port));
    }

    /// Major and minor number of a port's node.
    pub(crate) fn number(&self, port: &str) -> (u32, u32) {
        let text = self.attribute(port, "dev");
        let (major, minor) = text.split_once(':').unwrap();
        (major.parse().unwrap(), minor.parse().unwrap())
    }

    /// Where the store has the bitstream of a function, or of a hash.
    pub(crate) fn image(&self, name: &str) -> PathBuf {
        let extension = if name.len() == 40 { "aocx" } else { "gbs" };
        self.path("store").join(A10).join(format!("{name}.{extension}"))
    }

    /// Puts a bitstream of the function into the store.
    pub(crate) fn install(&self, function: &str) {
        self.put(&self.image(function), &gbs(function));
    }

    pub(crate) fn put(&self, path: &Path, contents: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Grants these functions to the namespace, and nothing else to anybody.
    pub(crate) fn grant(&self, namespace: &str, images: &[&str]) {
        let mut grants = Grants::default();
        for image in images {
            let grant = Grant { interface_id: A10.parse().unwrap(), image: image.parse().unwrap() };
            grants.insert(namespace, grant).unwrap();
        }
        grants.save(self.path("grants.json")).unwrap();
    }

    /// Replaces the file of grants.
    pub(crate) fn write_grants(&self, text: &str, mode: u32) {
        let path = self.path("grants.json");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// The beginning of a command line whose ioctls this emulator answers.
    pub(crate) fn exec(&self) -> Command {
        self.0.exec(&["--attribute-errors"])
    }

    /// The hook's command line.
    pub(crate) fn hook_arguments(&self) -> Vec<String> {
        let path = |name| self.path(name).to_str().unwrap().to_owned();
        [env!("CARGO_BIN_EXE_fpga-hook"), "oci-hook"]
            .map(str::to_owned)
            .into_iter()
            .chain(["--root".into(), path("root")])
            .chain(["--store".into(), path("store")])
            .chain(["--grants".into(), path("grants.json")])
            .chain(["--results".into(), path("results")])
            .collect()
    }

    /// Runs the hook for a container as it is created.
    pub(crate) fn create(&self, container: &Container<'_>) -> Outcome {
        self.hook(container, &["--verbose"])
    }

    /// The same without grants.
    pub(crate) fn create_any(&self, container: &Container<'_>) -> Outcome {
        let mut arguments = self.hook_arguments();
        let place = arguments.iter().position(|argument| argument == "--grants").unwrap();
        arguments.drain(place..place + 2);
        self.run_with(&arguments, &container.write(), &["--verbose", "--allow-any"])
    }

    /// Runs the hook for a container as it ended.
    pub(crate) fn poststop(&self, container: &Container<'_>, arguments: &[&str]) -> Outcome {
        self.hook(container, &[&["--stage", "poststop", "--verbose"], arguments].concat())
    }

    pub(crate) fn hook(&self, container: &Container<'_>, arguments: &[&str]) -> Outcome {
        self.hook_with_state(&container.write(), arguments)
    }

    pub(crate) fn hook_with_state(&self, state: &[u8], arguments: &[&str]) -> Outcome {
        self.run_with(&self.hook_arguments(), state, arguments)
    }

    /// Runs the hook by another command line.
    pub(crate) fn run_with(&self, hook: &[String], state: &[u8], arguments: &[&str]) -> Outcome {
        let mut command = self.exec();
        command.args(hook).args(arguments).env_remove("FPGA_ROOT");
        run(command, state)
    }
}

impl Outcome {
    /// Succeeded, saying these lines.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> Vec<&str> {
        assert_eq!(self.code, 0, "{self:?}");
        self.stderr.lines().collect()
    }

    /// Failed with this code and one line, which has these parts.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "one line a failure: {self:?}");
        assert!(self.stderr.starts_with("fpga-hook: "), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {:?}", self.stderr);
        }
    }
}

fn run(mut command: Command, input: &[u8]) -> Outcome {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A hook that refuses its command line does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(stdout).unwrap(), "", "a runtime expects nothing on stdout");
    Outcome { code: status.code().unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// A bitstream that loads `function`.
pub(crate) fn gbs(function: &str) -> Vec<u8> {
    bitstream(function).to_bytes().unwrap()
}

pub(crate) fn bitstream(function: &str) -> Bitstream {
    Bitstream {
        interface: A10.parse().unwrap(),
        function: function.parse().unwrap(),
        name: "test".to_owned(),
        size: 64 * 1024,
        clocks: None,
    }
}
