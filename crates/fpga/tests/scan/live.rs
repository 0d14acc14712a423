//! A machine that an emulator keeps running: what changes while somebody looks.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fpga::card::{Function, Inventory};
use fpga::root::Root;
use fpga::scan::scan;
use fpga::watch::Watcher;
use fpga_emulator::ctl::Client;
use fpga_emulator::exec;
use fpga_emulator::machine::Machine;
use fpga_emulator::serve::{Options, Server};

use crate::node::{port, problems};

/// The attribute that the kernel refuses to read while a port is disabled.
const AFU_ID: &str =
    "sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/fpga_region/region0/dfl-port.0/afu_id";

/// Set in a child: where its emulator is, and that its system calls do not go there yet.
const ROOT: &str = "FPGA_SCAN_TEST_ROOT";
const SOCKET: &str = "FPGA_SCAN_TEST_SOCKET";
const UNCONFINED: &str = "FPGA_SCAN_TEST_UNCONFINED";

struct Live {
    server: Server,
    control: Client,
    // Last, so that the emulator stops before its directory goes.
    _temp: tempfile::TempDir,
}

impl Live {
    fn r740() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let server = Server::start(&Options {
            machine: Machine::preset("r740").unwrap(),
            root: temp.path().join("root"),
            socket: temp.path().join("sock"),
            verbose: false,
        })
        .unwrap();
        let control = Client::connect(server.socket()).unwrap();
        Self { server, control, _temp: temp }
    }

    fn root(&self) -> Root {
        Root::at(self.server.root())
    }
}

/// Scans after each change until the inventory is as wanted: the emulator changes its files one by one.
fn until(watcher: &mut Watcher, root: &Root, wanted: impl Fn(&Inventory) -> bool) -> Inventory {
    loop {
        assert!(watcher.wait(Some(Duration::from_secs(30))).unwrap(), "a change went unnoticed");
        let inventory = scan(root);
        if wanted(&inventory) {
            return inventory;
        }
    }
}

#[test]
fn a_watcher_tells_of_cards_and_functions_that_change() {
    let mut live = Live::r740();
    let root = live.root();
    let mut watcher = Watcher::new(&root).unwrap();
    let whole = scan(&root);

    live.control.remove("near").unwrap();
    let left = until(&mut watcher, &root, |it| it.cards.len() == 1 && problems(it).is_empty());
    assert_eq!(left.cards[0], whole.cards[1]);

    live.control.insert("near").unwrap();
    until(&mut watcher, &root, |it| it.cards.len() == 2 && problems(it).is_empty());

    live.control.function("far", 0, "nlb0").unwrap();
    let nlb0 = fpga::catalog::by_name("nlb_mode_0").unwrap().afu_id;
    until(&mut watcher, &root, |it| port(it, "dfl-port.1").afu_id() == Some(nlb0));
    assert!(!watcher.wait(Some(Duration::from_millis(50))).unwrap(), "a change was made up");
}

/// Upstream ends when a port is being reconfigured.
#[test]
fn a_port_that_answers_busy_is_busy_and_nothing_is_wrong() {
    const TEST: &str = "live::a_port_that_answers_busy_is_busy_and_nothing_is_wrong";
    if let (Some(root), Some(socket)) = (env::var_os(ROOT), env::var_os(SOCKET)) {
        if env::var_os(UNCONFINED).is_some() {
            confine(TEST, socket.into());
        }
        let inventory = scan(&Root::at(root));
        assert_eq!(port(&inventory, "dfl-port.0").function, Function::Busy);
        assert!(port(&inventory, "dfl-port.1").afu_id().is_some());
        assert_eq!(problems(&inventory), [""; 0]);
        return;
    }
    let mut live = Live::r740();
    live.control.attribute_error(AFU_ID, Some("EBUSY")).unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args([TEST, "--exact", "--nocapture"]).env(UNCONFINED, "1");
    child.env(ROOT, live.server.root()).env(SOCKET, live.server.socket());
    let output = child.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && stdout.contains("1 passed");
    assert!(passed, "{stdout}{}", String::from_utf8_lossy(&output.stderr));
}

/// Becomes the same test with its system calls answered by the emulator.
fn confine(test: &str, socket: PathBuf) -> ! {
    let program = env::current_exe().unwrap();
    let command =
        ["env", "-u", UNCONFINED, program.to_str().unwrap(), test, "--exact", "--nocapture"];
    let command = command.iter().map(Into::into).collect();
    let options = exec::Options { socket, command, attribute_errors: true, ..Default::default() };
    let error = exec::exec(&options).unwrap_err();
    panic!("{error}");
}
