//! What the FPGA drivers of Linux do, as one table: ioctls, opening and mapping nodes, attributes, binding.
//!
//! It is run against the emulator on this machine (`cargo test`), and against Linux itself on the same emulated card in
//! a guest of the kernel lab (`lab/run`). Where the emulator's plain files cannot do as the driver does, the row says
//! what they do and why, and that is checked, too.
//!
//!     contract                                                the emulator, as a test
//!     contract run --face driver --root / --control SOCKET    Linux in a guest
//!
//! The control socket is the way to the card itself: errors, temperatures and the like.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

mod bench;
mod cases;
mod raw;
mod table;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use fpga_emulator::ctl::Command;
use fpga_emulator::testing::harness;
use world::{Face, World};

/// One card with two ports.
const MACHINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/machine.toml");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["run", flags @ ..] => run(flags),
        _ => {
            harness::run(TESTS, arguments.into_iter());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("contract: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &[&str]) -> Result<(), String> {
    let value = |name: &str| flags.iter().position(|f| *f == name).and_then(|at| flags.get(at + 1));
    let required = |name: &str| value(name).ok_or_else(|| format!("{name} is missing"));
    let face = match *required("--face")? {
        "emulator" => Face::Emulator,
        "driver" => Face::Driver,
        other => return Err(format!("--face {other}: neither emulator nor driver")),
    };
    let path = |name| required(name).map(PathBuf::from);
    // It lives as long as this process.
    let world = World::new(face, path("--root")?, path("--control")?)?;
    let world: &'static World = Box::leak(Box::new(world));
    if let Some(name) = value("--case") {
        return table::run_one(cases::ALL, world, name);
    }
    let failed = table::run(cases::ALL, world, value("--only").unwrap_or(&""));
    if failed == 0 { Ok(()) } else { Err(format!("{failed} cases failed")) }
}

const TESTS: &[harness::Test] = &[("the_emulator_does_as_the_driver", |who| {
    let emulator = harness::Emulator::with(who, &["--machine", MACHINE]);
    let mut control = emulator.control();
    // A guest starts without virtual functions, and so does this.
    let path = "sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs".into();
    control.run(&Command::Write { path, text: "0".into() }).expect("no virtual functions");
    control.rebind("card").expect("all ports");
    let mut client = emulator.exec(&["--attribute-errors"]);
    client.arg(std::env::current_exe().expect("this program")).args(["run", "--face", "emulator"]);
    client.arg("--root").arg(emulator.root()).arg("--control").arg(emulator.socket());
    if let Ok(only) = std::env::var("CONTRACT_ONLY") {
        client.args(["--only", &only]);
    }
    assert!(client.status().expect("a client").success());
})];
