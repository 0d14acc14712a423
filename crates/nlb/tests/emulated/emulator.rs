//! A running emulator for one test, with programs under it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fpga_emulator::ctl::Client;

/// How long to wait for another program before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Emulator {
    process: Child,
    directory: tempfile::TempDir,
}

impl Emulator {
    /// Starts an emulator for a machine described in TOML and waits until it answers.
    pub(crate) fn start(machine: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let description = directory.path().join("machine.toml");
        std::fs::write(&description, machine).unwrap();
        let process = Command::new(program())
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
        let mut emulator = Self { process, directory };
        emulator.wait_until_it_answers();
        emulator
    }

    /// A machine with one single-port card for each function, all on the in-tree driver.
    pub(crate) fn with(functions: &[&str]) -> Self {
        Self::start(&cards(functions, "dfl"))
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn dev(&self) -> PathBuf {
        self.root().join("dev")
    }

    pub(crate) fn control(&self) -> Client {
        Client::connect(self.directory.path().join("sock")).unwrap()
    }

    /// The node of a card's first port.
    pub(crate) fn node(&self, card: &str) -> PathBuf {
        let status = self.control().status().unwrap();
        let card = status.cards.iter().find(|c| c.name == card).unwrap();
        self.dev().join(card.ports[0].node.as_ref().unwrap())
    }

    /// Runs nlb with the nodes of this machine.
    pub(crate) fn nlb(&self, arguments: &[&str]) -> Outcome {
        self.nlb_in(&self.dev(), arguments)
    }

    /// Runs nlb with the nodes in `dev`.
    pub(crate) fn nlb_in(&self, dev: &Path, arguments: &[&str]) -> Outcome {
        let mut command = self.exec();
        command.arg(env!("CARGO_BIN_EXE_nlb")).arg("--dev").arg(dev).args(arguments);
        Outcome::of(&command.output().unwrap())
    }

    /// The beginning of a command line that runs a program under this emulator.
    pub(crate) fn exec(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("exec").arg("--socket").arg(self.directory.path().join("sock")).arg("--");
        command
    }

    fn wait_until_it_answers(&mut self) {
        let start = Instant::now();
        let socket = self.directory.path().join("sock");
        while Client::connect(&socket).and_then(|mut client| client.status()).is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("fpga-emulator serve ended with {status}");
            }
            assert!(start.elapsed() < PATIENCE, "fpga-emulator serve does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The JSON object of a run that succeeded.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Cards `card0`, `card1` ... on buses 16, 17 ..., each with one function.
pub(crate) fn cards(functions: &[&str], driver: &str) -> String {
    let card = |(bus, function): (usize, &&str)| {
        format!(
            "[[card]]\nname = \"card{index}\"\nkind = \"pac-a10\"\ndriver = \"{driver}\"\npci = \"0000:{bus:02x}:00.0\"\n\
             [[card.port]]\nafu = \"{function}\"\n",
            index = bus - 16
        )
    };
    (16..).zip(functions).map(card).collect()
}

/// The emulator's binary, which belongs to another package: built once for all tests.
fn program() -> &'static Path {
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
