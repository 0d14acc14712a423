//! A node with emulated cards, a store of bitstreams and a file of grants, for one test.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fpga::grants::{Grant, Grants};
use fpga_emulator::ctl::Client;
use fpga_emulator::gbs::Bitstream;

use crate::container::Container;

/// How long to wait for another program before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";

/// A card with one port and one with two: `dfl-port.0` with NLB mode 3, `dfl-port.1` and `dfl-port.2`
/// with the hello function.
pub(crate) const TWO_CARDS: &str = r#"
[[card]]
name = "near"
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "nlb3"

[[card]]
name = "far"
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "hello"
"#;

pub(crate) struct Node {
    process: Child,
    directory: tempfile::TempDir,
}

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
        let directory = tempfile::tempdir().unwrap();
        let description = directory.path().join("machine.toml");
        fs::write(&description, machine).unwrap();
        let process = Command::new(emulator())
            .arg("serve")
            .arg(directory.path().join("root"))
            .arg("--socket")
            .arg(directory.path().join("sock"))
            .arg("--machine")
            .arg(&description)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut node = Self { process, directory };
        node.wait_until_it_answers();
        for function in [NLB0, NLB3] {
            node.install(function);
        }
        node.grant("vision", &[NLB0, NLB3]);
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn control(&self) -> Client {
        Client::connect(self.path("sock")).unwrap()
    }

    fn attribute(&self, port: &str, name: &str) -> String {
        let path = self.path("root/sys/bus/platform/devices").join(port).join(name);
        fs::read_to_string(path).unwrap().trim().to_owned()
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
        let start = Instant::now();
        while self.has_errors(port) {
            assert!(start.elapsed() < PATIENCE, "the errors of {port} are not cleared");
            std::thread::sleep(Duration::from_millis(2));
        }
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
        let mut command = Command::new(emulator());
        command.args(["exec", "--attribute-errors", "--socket"]).arg(self.path("sock")).arg("--");
        command
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

    fn wait_until_it_answers(&mut self) {
        let start = Instant::now();
        let socket = self.path("sock");
        while Client::connect(&socket).and_then(|mut client| client.status()).is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("fpga-emulator serve ended with {status}");
            }
            assert!(start.elapsed() < PATIENCE, "fpga-emulator serve does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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
        assert!(self.stderr.starts_with("fpgactl oci-hook: "), "{self:?}");
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

/// The emulator's binary, which belongs to another package: built once for all tests.
fn emulator() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"))
            .args(["build", "-p", "fpga-emulator", "--message-format=json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut messages = String::new();
        cargo.stdout.take().unwrap().read_to_string(&mut messages).unwrap();
        assert!(cargo.wait().unwrap().success(), "cannot build fpga-emulator");
        let artifacts =
            messages.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        let executable = artifacts
            .filter(|m| m["target"]["name"] == "fpga-emulator")
            .find_map(|m| Some(PathBuf::from(m["executable"].as_str()?)));
        executable.expect("cargo names the binary that it built")
    })
}
