//! The tests' side: starts clients, changes the machine, looks at the tree.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use fpga_emulator::ctl::Command;
use fpga_emulator::testing::PATIENCE;
use fpga_emulator::testing::harness::{Emulator, Test, Who};

const AFU_ID: &str = "sys/class/fpga_region/region0/dfl-port.0/afu_id";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18\n";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b\n";

pub(crate) const ALL: &[Test] = &[
    ("requests_of_every_node", |w| Emulator::start(w, "pac-a10").check("common")),
    ("information_about_ports_and_regions", |w| Emulator::start(w, "pac-a10").check("information")),
    ("mapping_memory", |w| Emulator::start(w, "pac-a10").check("dma")),
    ("resetting_a_port", |w| Emulator::start(w, "pac-a10").check("reset")),
    ("interrupt_numbers_and_eventfds", |w| Emulator::start(w, "pac-a10").check("interrupts")),
    ("errors_signal_eventfds", errors_signal_eventfds),
    ("reconfiguring", reconfiguring),
    ("a_forced_error_and_a_rebind", a_forced_error_and_a_rebind),
    ("reconfiguring_with_32_mib", reconfiguring_with_32_mib),
    ("releasing_and_assigning_a_port", |w| Emulator::start(w, "pac-a10").check("release")),
    ("virtual_functions_by_attribute", virtual_functions_by_attribute),
    ("exclusive_open", |w| Emulator::start(w, "r740").check("exclusive")),
    ("the_out_of_tree_driver", |w| Emulator::start(w, "mixed").check("opae")),
    ("a_function_that_computes", a_function_that_computes),
    ("a_card_that_goes_away", a_card_that_goes_away),
    (
        "a_kill_during_reconfiguration_changes_nothing",
        a_kill_during_reconfiguration_changes_nothing,
    ),
    ("a_hundred_killed_clients", a_hundred_killed_clients),
    ("several_clients_at_once", several_clients_at_once),
    ("attributes_that_fail", attributes_that_fail),
    ("writing_to_attributes", writing_to_attributes),
    ("binding_by_files", binding_by_files),
    ("removing_and_scanning_by_files", removing_and_scanning_by_files),
    ("a_bound_driver_cures_a_region", a_bound_driver_cures_a_region),
    ("wrong_addresses", wrong_addresses),
    ("a_program_sees_what_it_wrote", a_program_sees_what_it_wrote),
    ("two_programs_with_one_file", two_programs_with_one_file),
    ("a_namespace_with_only_the_given_nodes", a_namespace_with_only_the_given_nodes),
    ("a_view_with_only_the_given_nodes", a_view_with_only_the_given_nodes),
    ("a_client_of_another_user", a_client_of_another_user),
    ("refusals_on_the_command_line", refusals_on_the_command_line),
    ("stopping_leaves_nothing", |w| Emulator::start(w, "mixed").stop()),
];

/// Starts a client and waits for its first line.
fn started(emulator: &Emulator, scenario: &str) -> Child {
    let mut child =
        emulator.client(scenario).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "{scenario} ended early");
    child
}

fn errors_signal_eventfds(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    let mut client = started(&emulator, "wait-for-error");
    let mut control = emulator.control();
    control.port_error("0", 0, 1 << 50).unwrap();
    control.fme_error("card0", 2).unwrap();
    assert!(client.wait().unwrap().success());
    assert_eq!(
        emulator.read("sys/class/fpga_region/region0/dfl-port.0/errors/errors"),
        "0x4000000000000\n"
    );
    assert_eq!(emulator.read("sys/class/fpga_region/region0/dfl-fme.0/errors/fme_errors"), "0x2\n");
}

fn reconfiguring(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    emulator.check("reconfigure");
    assert!(emulator.control().status().unwrap().cards[0].ports[0].disabled);
}

fn a_forced_error_and_a_rebind(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    let mut control = emulator.control();
    control.pr_error("card0", 16).unwrap();
    assert!(!emulator.client("reconfigure-once").stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(
        emulator.read("sys/class/fpga_manager/fpga0/status"),
        "reconfig fifo overflow error\n"
    );
    assert_eq!(emulator.read("sys/class/fpga_manager/fpga0/state"), "write complete error\n");
    control.pr_error("card0", 0).unwrap();
    control.rebind("card0").unwrap();
    assert_eq!(emulator.read(AFU_ID), NLB3);
    emulator.check("reconfigure-once");
    assert_eq!(emulator.read(AFU_ID), NLB0);
    control.run(&Command::PrStall { card: "card0".into(), on: true }).unwrap();
    emulator.check("stalled");
}

fn reconfiguring_with_32_mib(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    emulator.check("reconfigure-large");
    assert_eq!(emulator.read(AFU_ID), NLB0);
}

fn virtual_functions_by_attribute(who: Who) {
    let emulator = Emulator::start(who, "mixed");
    let mut control = emulator.control();
    let mut write = |text: &str| {
        let path = "sys/bus/pci/devices/0000:af:00.0/sriov_numvfs".into();
        control.run(&Command::Write { path, text: text.into() }).map_err(|e| e.to_string())
    };
    let vf = emulator.root().join("sys/bus/pci/devices/0000:af:00.1");
    assert!(vf.exists());
    assert!(write("2").unwrap_err().ends_with("EBUSY: Device or resource busy"));
    write("0\n").unwrap();
    assert!(!vf.exists());
    assert!(write("2").unwrap_err().ends_with("EINVAL: Invalid argument"), "one port is released");
    write("1").unwrap();
    assert!(vf.exists());
}

fn a_function_that_computes(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    emulator.control().function("card0", 0, "nlb0").unwrap();
    assert_eq!(emulator.read(AFU_ID), NLB0);
    emulator.check("copy");
    emulator.check("copy");
    emulator.check("map-and-leave");
    let mut status = emulator.control().status().unwrap();
    let start = std::time::Instant::now();
    while status.cards[0].ports[0].mapped {
        assert!(start.elapsed() < PATIENCE, "memory of an ended process stays mapped");
        status = emulator.control().status().unwrap();
    }
}

fn a_card_that_goes_away(who: Who) {
    let emulator = Emulator::start(who, "r740");
    let mut client = started(&emulator, "gone");
    let mut control = emulator.control();
    control.remove("near").unwrap();
    assert!(!emulator.root().join("dev/dfl-port.0").exists());
    assert!(!emulator.root().join("sys/class/fpga_region/region0").exists());
    client.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert!(client.wait().unwrap().success());
    control.insert("near").unwrap();
    assert_eq!(emulator.read(AFU_ID), NLB3);
    emulator.check("common");
}

fn a_kill_during_reconfiguration_changes_nothing(who: Who) {
    let emulator = Emulator::with(who, &["--preset", "pac-a10", "--pr-ms", "20000"]);
    let mut client = emulator.client("reconfigure-once").spawn().unwrap();
    let start = std::time::Instant::now();
    while !emulator.control().status().unwrap().cards[0].ports[0].disabled {
        assert!(start.elapsed() < PATIENCE, "the reconfiguration does not start");
    }
    client.kill().unwrap();
    client.wait().unwrap();
    while emulator.control().status().unwrap().cards[0].ports[0].disabled {
        assert!(start.elapsed() < PATIENCE, "the reconfiguration is not abandoned");
    }
    assert_eq!(emulator.read(AFU_ID), NLB3);
    emulator.control().pr_time("card0", Duration::ZERO).unwrap();
    emulator.check("reconfigure-once");
}

fn a_hundred_killed_clients(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    for round in 0..25 {
        // Three die somewhere between start-up and work, the fourth certainly at work.
        let spawn = |_| emulator.client("forever").stdout(Stdio::null()).spawn().unwrap();
        let mut clients: Vec<Child> = (0..3).map(spawn).collect();
        clients.push(started(&emulator, "forever"));
        for (k, client) in (0..).zip(&mut clients) {
            std::thread::sleep(Duration::from_micros((round * 397 + k * 1009) % 5000));
            client.kill().unwrap();
            client.wait().unwrap();
        }
    }
    emulator.control().rebind("card0").unwrap();
    emulator.check("reconfigure-once");
    emulator.check("copy");
}

fn several_clients_at_once(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    let clients: Vec<Child> = (0..8).map(|_| emulator.client("many").spawn().unwrap()).collect();
    for mut client in clients {
        assert!(client.wait().unwrap().success());
    }
}

fn attributes_that_fail(who: Who) {
    let emulator = Emulator::start(who, "r740");
    let mut control = emulator.control();
    control.attribute_error(AFU_ID, Some("EBUSY")).unwrap();
    let path = "sys/class/hwmon/hwmon0/temp1_input";
    control.attribute_error(path, Some("EIO")).unwrap();
    assert!(control.attribute_error("sys/class/nothing", Some("EIO")).is_err());
    assert!(control.attribute_error(path, Some("ENOSUCH")).is_err());
    let cat = |flags: &[&str], path: &str| {
        let mut command = emulator.exec(flags);
        let output =
            command.arg("cat").arg(emulator.root().join(path)).env("LC_ALL", "C").output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(cat(&["--attribute-errors"], AFU_ID).ends_with("Device or resource busy\n"));
    assert!(cat(&["--attribute-errors"], path).ends_with("Input/output error\n"));
    assert_eq!(cat(&["--attribute-errors"], "sys/class/fpga_region/region2/dfl-port.1/afu_id"), "");
    assert!(cat(&[], path).ends_with("No such device or address\n"));
    control.attribute_error(path, None).unwrap();
    assert_eq!(emulator.read(path), "42000\n");
}

fn writing_to_attributes(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    let errors = "sys/class/fpga_region/region0/dfl-port.0/errors/errors";
    let inject = "sys/class/fpga_region/region0/dfl-fme.0/errors/inject_errors";
    let write = |path: &str, text: &str| std::fs::write(emulator.root().join(path), text).unwrap();
    emulator.control().port_error("card0", 0, 6).unwrap();
    emulator.wait_for(errors, "0x6\n");
    write(errors, "0x4");
    emulator.wait_for(errors, "0x6\n");
    write(errors, "0x6\n");
    emulator.wait_for(errors, "0x0\n");
    write(inject, "4");
    emulator.wait_for("sys/class/fpga_region/region0/dfl-fme.0/errors/nonfatal_errors", "0x40\n");
    emulator.wait_for(inject, "0x4\n");
    write("sys/class/hwmon/hwmon1/power1_max", "50000000");
    emulator.wait_for("sys/class/hwmon/hwmon1/power1_max", "50000000\n");
    emulator.control().temperature("card0", 95).unwrap();
    assert_eq!(emulator.read("sys/class/hwmon/hwmon0/temp1_input"), "95000\n");
    assert_eq!(emulator.read("sys/class/hwmon/hwmon0/temp1_crit_alarm"), "1\n");
}

/// The first card of `r740`.
const NEAR: &str = "0000:3b:00.0";
const CARD: &str = "sys/bus/pci/devices/0000:3b:00.0";
const DRIVER: &str = "sys/bus/pci/drivers/dfl-pci";

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Without a supervisor: the writes of any program.
fn binding_by_files(who: Who) {
    let emulator = Emulator::start(who, "r740");
    let there = |path: &str| emulator.root().join(path).symlink_metadata().is_ok();
    let write = |path: &str, text: &str| std::fs::write(emulator.root().join(path), text).unwrap();
    let mut client = started(&emulator, "gone");
    write(&format!("{DRIVER}/unbind"), NEAR);
    let names_driver = || emulator.read(&format!("{CARD}/uevent")).contains("DRIVER=");
    wait_until("the function has no driver", || !names_driver());
    let of_card = [
        format!("{CARD}/driver"),
        format!("{CARD}/fpga_region"),
        format!("{DRIVER}/{NEAR}"),
        "sys/bus/platform/devices/dfl-port.0".to_owned(),
        "sys/class/fpga_manager/fpga0".to_owned(),
        "dev/dfl-fme.0".to_owned(),
        "dev/dfl-port.0".to_owned(),
    ];
    assert!(!of_card.iter().any(|path| there(path)));
    assert!(there(&format!("{CARD}/vendor")) && there("dev/dfl-port.1"));
    client.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert!(client.wait().unwrap().success(), "who has a node open is refused");
    write(&format!("{DRIVER}/bind"), &format!("{NEAR}\n"));
    wait_until("the node is back", || there("dev/dfl-port.0"));
    assert!(of_card.iter().all(|path| there(path)), "the node is the last");
    assert_eq!(emulator.read(AFU_ID), NLB3);
    emulator.check("common");
}

/// The second write often comes before the emulator has seen the first one.
fn removing_and_scanning_by_files(who: Who) {
    let emulator = Emulator::start(who, "r740");
    let write = |path: &str, text: &str| std::fs::write(emulator.root().join(path), text).unwrap();
    let mut control = emulator.control();
    control.temperature("near", 77).unwrap();
    write(&format!("{CARD}/remove"), "1");
    let status = control.status().unwrap();
    assert!(!status.cards[0].present && status.cards[1].present);
    assert!(
        !emulator.root().join(CARD).exists() && !emulator.root().join("dev/dfl-fme.0").exists()
    );
    write("sys/bus/pci/rescan", "0");
    assert!(!control.status().unwrap().cards[0].present);
    for _ in 0..10 {
        write("sys/bus/pci/rescan", "1\n");
        assert!(control.status().unwrap().cards[0].present);
        write(&format!("{CARD}/remove"), "1\n");
        write("sys/bus/pci/rescan", "1");
        assert!(control.status().unwrap().cards[0].present);
        write(&format!("{CARD}/remove"), "1");
    }
    write("sys/bus/pci/rescan", "1");
    control.status().unwrap();
    assert_eq!(emulator.read(AFU_ID), NLB3);
    assert_eq!(emulator.read("sys/class/hwmon/hwmon0/temp1_input"), "77000\n", "it had power");
}

fn a_bound_driver_cures_a_region(who: Who) {
    let emulator = Emulator::start(who, "r740");
    let mut control = emulator.control();
    control.pr_error("near", 2).unwrap();
    assert!(!emulator.client("reconfigure-once").stderr(Stdio::null()).status().unwrap().success());
    control.pr_error("near", 0).unwrap();
    assert!(control.status().unwrap().cards[0].ports[0].disabled);
    for file in ["unbind", "bind"] {
        std::fs::write(emulator.root().join(DRIVER).join(file), NEAR).unwrap();
    }
    assert!(!control.status().unwrap().cards[0].ports[0].disabled);
    assert_eq!(emulator.read(AFU_ID), NLB3);
    emulator.check("reconfigure-once");
}

fn wrong_addresses(who: Who) {
    let emulator = Emulator::start(who, "mixed");
    let mut control = emulator.control();
    let before = control.status().unwrap();
    let mut refused = |path: &str, text: &str, error: &str| {
        let path = format!("sys/bus/pci/{path}");
        let command = Command::Write { path: path.clone().into(), text: text.into() };
        let answer = control.run(&command).unwrap_err().to_string();
        assert!(answer.starts_with(&format!("{path}: {error}: ")), "{text:?}: {answer}");
        std::fs::write(emulator.root().join(path), text).unwrap();
    };
    refused("drivers/dfl-pci/bind", "0000:3b:00.0", "EBUSY");
    refused("drivers/dfl-pci/bind", "0000:3c:00.0", "ENODEV");
    refused("drivers/dfl-pci/unbind", "3b:00.0", "ENODEV");
    refused("drivers/dfl-pci/unbind", "0000:d8:00.0", "ENODEV");
    refused("drivers/intel-fpga-pci/unbind", "0000:3b:00.0", "ENODEV");
    refused("drivers/intel-fpga-pci/unbind", "", "ENODEV");
    refused("rescan", "all", "EINVAL");
    refused("devices/0000:3b:00.0/remove", "-1", "EINVAL");
    assert_eq!(control.status().unwrap(), before);
    let unbind = Command::Write {
        path: "sys/bus/pci/drivers/intel-fpga-pci/unbind".into(),
        text: "0000:d8:00.0\n".into(),
    };
    control.run(&unbind).unwrap();
    assert!(!emulator.root().join("sys/class/fpga/intel-fpga-dev.0").exists());
    assert!(control.run(&unbind).unwrap_err().to_string().contains("ENODEV"));
}

/// Writing is done when the file is closed; what the emulator does then is done before it lets the program go on.
fn a_program_sees_what_it_wrote(who: Who) {
    const SCRIPT: &str = r#"
        cd "$1/sys/bus/pci/drivers/dfl-pci" || exit 1
        for round in 1 2 3 4 5 6 7 8 9 10; do
            echo 0000:3b:00.0 > unbind; ls "$1/dev"
            echo 0000:3b:00.0 > bind; ls "$1/dev"
        done"#;
    let emulator = Emulator::start(who, "r740");
    let mut command = emulator.exec(&["--attribute-errors"]);
    let output = command.args(["sh", "-c", SCRIPT, "sh"]).arg(emulator.root()).output().unwrap();
    let far = ["char", "dfl-fme.1", "dfl-port.1"];
    let both = ["char", "dfl-fme.0", "dfl-fme.1", "dfl-port.0", "dfl-port.1"];
    let expected = [&far[..], &both[..]].concat().repeat(10);
    assert_eq!(list(&output.stdout), expected, "{output:?}");
}

/// `bind` and `unbind` are for all cards: none of the two may wipe out what the other one wrote.
fn two_programs_with_one_file(who: Who) {
    let emulator = Emulator::start(who, "r740");
    let cards = [NEAR, "0000:86:00.0"];
    let clients = cards.map(|card| emulator.client(&format!("rebind {card}")).spawn().unwrap());
    for mut client in clients {
        assert!(client.wait().unwrap().success());
    }
    let status = emulator.control().status().unwrap();
    assert!(status.cards.iter().all(|card| card.fme.is_some()), "{status:?}");
}

fn list(text: &[u8]) -> Vec<String> {
    String::from_utf8(text.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// Where a sandbox forbids namespaces, `exec` has to say so; the view directory is for there.
fn a_namespace_with_only_the_given_nodes(who: Who) {
    let permitted =
        who.command(env!("CARGO_BIN_EXE_fpga-emulator")).arg("probe").status().unwrap().success();
    let emulator = Emulator::start(who, "r740");
    let script = "ls /dev; cat /sys/class/fpga_region/region0/dfl-port.0/afu_id";
    let output = emulator
        .exec(&["--namespace", "--device", "dfl-port.1"])
        .args(["sh", "-c", script])
        .output()
        .unwrap();
    if !permitted && !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("no namespace of our own"), "{text}");
        println!("note: namespaces are not permitted here: only the refusal was checked");
        return;
    }
    let seen = list(&output.stdout);
    assert!(
        seen.contains(&"dfl-port.1".to_owned()) && seen.contains(&"null".to_owned()),
        "{seen:?} {output:?}"
    );
    assert!(!seen.iter().any(|n| n == "dfl-port.0" || n.starts_with("dfl-fme")), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some(NLB3.trim()));
    let refused =
        emulator.exec(&["--namespace", "--device", "dfl-port.9"]).arg("true").output().unwrap();
    assert_eq!(refused.status.code(), Some(125));
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "fpga-emulator: dfl-port.9: no such device node\n"
    );
}

fn a_view_with_only_the_given_nodes(who: Who) {
    let emulator = Emulator::start(who, "mixed");
    let view = emulator.directory().join("view");
    let run = |device: &str| {
        who.command(env!("CARGO_BIN_EXE_fpga-emulator"))
            .arg("view")
            .arg(emulator.root())
            .arg(&view)
            .args(["--device", device])
            .output()
            .unwrap()
    };
    assert!(run("dfl-port.0").status.success());
    let mut nodes: Vec<_> =
        std::fs::read_dir(view.join("dev")).unwrap().map(|e| e.unwrap().file_name()).collect();
    nodes.sort();
    assert_eq!(nodes, ["char", "dfl-port.0"]);
    let mut client = emulator.exec(&[]);
    client.arg("cat").arg(view.join(AFU_ID));
    assert_eq!(client.output().unwrap().stdout, NLB3.as_bytes());
    let missing = run("dfl-port.77");
    assert_eq!(missing.status.code(), Some(125));
}

/// An emulator of the superuser serves everybody.
fn a_client_of_another_user(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    let other = if nix::unistd::geteuid().is_root() { Who::Nobody } else { Who::Own };
    let mut client = emulator.exec_as(other, &[]);
    client.arg(std::env::current_exe().unwrap()).args(["client", "dma"]).arg(emulator.root());
    assert!(client.status().unwrap().success());
}

fn refusals_on_the_command_line(who: Who) {
    let emulator = Emulator::start(who, "pac-a10");
    let run = |arguments: &[&str]| {
        let output =
            who.command(env!("CARGO_BIN_EXE_fpga-emulator")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (root, socket) = (emulator.root(), emulator.socket());
    let (root, socket) = (root.to_str().unwrap(), socket.to_str().unwrap());
    let (code, text) = run(&["serve", root, "--socket", "/nonexistent/socket"]);
    assert_eq!(
        (code, text),
        (Some(125), format!("fpga-emulator: {root}: in use by another emulator\n"))
    );
    let other = emulator.directory().join("other");
    let (code, text) = run(&["serve", other.to_str().unwrap(), "--socket", socket]);
    assert_eq!(
        (code, text),
        (Some(125), format!("fpga-emulator: {socket}: another emulator listens there\n"))
    );
    let (code, text) = run(&["exec", "--socket", "/nonexistent/socket", "--", "true"]);
    assert_eq!((code, text.lines().count()), (Some(125), 1), "{text}");
    let (code, text) = run(&["exec", "--socket", socket, "--", "/nonexistent/program"]);
    assert_eq!(
        (code, text),
        (
            Some(125),
            "fpga-emulator: /nonexistent/program: No such file or directory (os error 2)\n".into()
        )
    );
    let (code, text) = run(&["ctl", "--socket", socket, "temperature", "nope", "50"]);
    assert_eq!((code, text), (Some(125), "fpga-emulator: no card \"nope\"\n".into()));
    // One supervision inside another: refused by name.
    let nested = emulator
        .exec(&[])
        .arg(env!("CARGO_BIN_EXE_fpga-emulator"))
        .args(["exec", "--socket", socket, "--", "true"])
        .output()
        .unwrap();
    assert_eq!(nested.status.code(), Some(125));
    assert!(
        String::from_utf8_lossy(&nested.stderr).contains("seccomp listener is installed already")
    );
    assert_eq!(
        emulator.control().status().unwrap().cards[0].name,
        "card0",
        "still there after all this"
    );
}
