//! A running emulator for one test, with programs under it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fpga_emulator::ctl::Client;
use fpga_emulator::testing;

pub(crate) struct Emulator(testing::Emulator);

impl Emulator {
    /// Starts an emulator for a machine described in TOML and waits until it answers.
    pub(crate) fn start(machine: &str) -> Self {
        Self(testing::Emulator::start(machine))
    }

    /// A machine with one single-port card for each function, all on the in-tree driver.
    pub(crate) fn with(functions: &[&str]) -> Self {
        Self::start(&cards(functions, "dfl"))
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.root()
    }

    pub(crate) fn dev(&self) -> PathBuf {
        self.root().join("dev")
    }

    pub(crate) fn control(&self) -> Client {
        self.0.control()
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
        self.0.exec(&[])
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
