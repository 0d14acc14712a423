//! The binary on emulated machines.

// In helpers too, a panic is the failure report.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fpga_emulator::machine::Machine;
use fpga_emulator::tree;
use serde_json::Value;

struct Node {
    // Held for its removal.
    _temp: tempfile::TempDir,
    dir: PathBuf,
}

impl Node {
    fn preset(name: &str) -> Self {
        let node = Self::bare();
        tree::create(&Machine::preset(name).unwrap(), &node.dir).unwrap();
        node
    }

    /// A node without a driver, or anything else.
    fn bare() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("node");
        Self { _temp: temp, dir }
    }

    fn device(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.join("sys/bus/platform/devices").join(name)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Answer {
        run(&[&["--root", self.dir.to_str().unwrap()], args].concat())
    }
}

struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn fpgactl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fpgactl"));
    command.env_remove("FPGA_ROOT");
    command
}

fn run(args: &[&str]) -> Answer {
    fpgactl().args(args).output().unwrap().into()
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn list_is_a_line_for_each_port() {
    let answer = Node::preset("mixed").run(&["list"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let expected = "\
CARD           MODEL                   INTERFACE                          PORT                AFU                                NAME                       STATE
0000:3b:00.0   Intel PAC Arria 10 GX   69528db6eb31577a8c3668f9faa081f6   dfl-port.0          f7df405cbd7acf7222f144b0b93acd18   nlb_mode_3                 loaded
0000:5e:00.0   Intel PAC D5005         69528db6eb31577a8c3668f9faa081f6   dfl-port.1          d8424dc4a4a3c413f89e433683f9040b   nlb_mode_0                 loaded
";
    assert!(answer.stdout.starts_with(expected), "{}", answer.stdout);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 1 + 7);
    assert!(lines[3].contains("hello_afu,hello_intr_afu"), "{}", lines[3]);
    assert!(
        lines[7].starts_with("0000:d8:00.0") && lines[7].contains("intel-fpga-port.0"),
        "{}",
        lines[7]
    );
}

#[test]
fn wide_tells_more() {
    let answer = Node::preset("mixed").run(&["list", "-o", "wide"]);
    let line = answer.stdout.lines().find(|line| line.contains("dfl-port.6")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        cells[cells.len() - 5..],
        ["1", "dfl-fme-region.8", "0000:af:00.1", "1", "dfl"],
        "{line}"
    );
}

#[test]
fn json_and_yaml_say_the_same() {
    let node = Node::preset("mixed");
    for command in ["list", "show"] {
        let yaml = node.run(&[command, "-o", "yaml"]);
        let parsed: Value = serde_saphyr::from_str(&yaml.stdout).unwrap();
        assert_eq!(parsed, json(&node.run(&[command, "-o", "json"])), "{command}");
    }
}

#[test]
fn ids_that_look_like_numbers_stay_text() {
    let node = Node::preset("pac-a10");
    for id in
        ["12345678901234567890123456789012", "1234567890123456e789012345678901", &"0".repeat(32)]
    {
        fs::write(node.device("dfl-port.0").join("afu_id"), id).unwrap();
        let answer = node.run(&["list", "-o", "yaml"]);
        let parsed: Value = serde_saphyr::from_str(&answer.stdout).unwrap();
        assert_eq!(parsed[0]["afuId"], id, "{}", answer.stdout);
    }
}

#[test]
fn the_json_of_a_port_is_complete() {
    let rows = json(&Node::preset("pac-a10").run(&["list", "-o", "json"]));
    let expected = serde_json::json!([{
        "card": "0000:3b:00.0",
        "model": "Intel PAC Arria 10 GX",
        "driver": "dfl",
        "numaNode": 0,
        "port": "dfl-port.0",
        "portId": 0,
        "pciFunction": "0000:3b:00.0",
        "virtualFunction": false,
        "region": "dfl-fme-region.0",
        "interfaceId": "69528db6eb31577a8c3668f9faa081f6",
        "state": "loaded",
        "afuId": "f7df405cbd7acf7222f144b0b93acd18",
        "afuNames": ["nlb_mode_3"],
    }]);
    assert_eq!(rows, expected);
}

#[test]
fn a_card_without_ports_is_listed_too() {
    let node = Node::preset("r740");
    fs::remove_dir_all(node.device("dfl-port.1")).unwrap();
    let answer = node.run(&["list"]);
    assert_eq!(
        (answer.code, answer.stderr.as_str()),
        (4, "fpgactl: 0000:86:00.0: the card shows no port\n")
    );
    let line = answer.stdout.lines().find(|line| line.starts_with("0000:86:00.0")).unwrap();
    assert!(line.ends_with("no port"), "{line}");
}

/// What cannot be used is not in order, though all of it was shown.
#[test]
fn a_port_that_is_out_of_use_is_code_4() {
    fn attribute(node: &Node) -> PathBuf {
        node.device("dfl-port.0").join("afu_id")
    }
    for (state, break_it, reason) in [
        (
            "crashed",
            (|node| fs::write(attribute(node), "f".repeat(32)).unwrap()) as fn(&Node),
            "reads as all ones",
        ),
        (
            "absent",
            |node| {
                fs::remove_file(attribute(node)).unwrap();
                fs::remove_file(node.device("dfl-port.0").join("driver")).unwrap();
            },
            "no driver is bound",
        ),
    ] {
        let node = Node::preset("r740");
        break_it(&node);
        for args in [&["list"][..], &["show"], &["show", "3b:00.0"], &["list", "-o", "json"]] {
            let answer = node.run(args);
            assert_eq!(answer.code, 4, "{state}: {args:?}");
            assert!(answer.stdout.contains(state), "{state}: {args:?}: {}", answer.stdout);
            let start = format!("fpgactl: dfl-port.0: {reason}");
            assert!(answer.stderr.starts_with(&start), "{state}: {args:?}: {}", answer.stderr);
            assert_eq!(answer.stderr.lines().count(), 1, "{state}: {args:?}: {}", answer.stderr);
        }
        // It is not the other card's fault.
        assert_eq!(node.run(&["show", "86:00.0"]).code, 0);
    }
}

/// OFS has such ports. Nothing is wrong with them.
#[test]
fn a_port_that_shows_no_id_is_in_order() {
    let node = Node::preset("pac-a10");
    fs::remove_file(node.device("dfl-port.0").join("afu_id")).unwrap();
    let answer = node.run(&["list"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert!(answer.stdout.ends_with("anonymous\n"), "{}", answer.stdout);
}

#[test]
fn latched_errors_that_are_shown_are_code_4() {
    let node = Node::preset("r740");
    fs::write(node.device("dfl-port.0").join("errors/errors"), "0x1\n").unwrap();
    let answer = node.run(&["show"]);
    assert_eq!(answer.code, 4);
    assert!(answer.stdout.contains("errors=0x1"), "{}", answer.stdout);
    assert_eq!(node.run(&["show", "86:00.0"]).code, 0);
    // The list has no errors in it.
    assert_eq!(node.run(&["list"]).code, 0);
}

#[test]
fn show_is_everything_about_all_cards() {
    let answer = Node::preset("r740").run(&["show"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    for part in [
        "card 0000:3b:00.0\n  model         Intel PAC Arria 10 GX\n",
        "  pci ids       8086:09c4, subsystem 8086:0000, class 120000\n",
        "  near cpus     0,2,4,6,8,10,12,14\n",
        "  management    /dev/dfl-fme.0 (236:0)\n",
        "  errors        none\n",
        "  region dfl-fme-region.0\n    interface     69528db6eb31577a8c3668f9faa081f6\n",
        "    resource      fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6\n",
        "    known as      nlb_mode_3: native loopback, mode 3 (read/write throughput)\n",
        "    resource      fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18\n",
        "card 0000:86:00.0\n",
    ] {
        assert!(answer.stdout.contains(part), "{part:?} is not in\n{}", answer.stdout);
    }
}

#[test]
fn show_finds_cards_and_ports_by_any_of_their_names() {
    let node = Node::preset("mixed");
    for (name, card, ports) in [
        ("0000:5e:00.0", "0000:5e:00.0", 2),
        ("5e:00.0", "0000:5e:00.0", 2),
        ("dfl-fme.1", "0000:5e:00.0", 2),
        ("/dev/dfl-fme.1", "0000:5e:00.0", 2),
        ("dfl-port.2", "0000:5e:00.0", 1),
        ("/dev/dfl-port.2", "0000:5e:00.0", 1),
        ("0000:af:00.1", "0000:af:00.0", 1),
        ("intel-fpga-port.0", "0000:d8:00.0", 1),
    ] {
        let shown = json(&node.run(&["show", name, "-o", "json"]));
        let boards = shown["boards"].as_array().unwrap();
        assert_eq!(boards.len(), 1, "{name}");
        assert_eq!(boards[0]["pci"]["address"], card, "{name}");
        assert_eq!(boards[0]["ports"].as_array().unwrap().len(), ports, "{name}");
    }
}

#[test]
fn a_name_that_nothing_has_is_code_3() {
    let answer = Node::preset("r740").run(&["show", "dfl-port.7"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (3, ""));
    assert_eq!(
        answer.stderr,
        "fpgactl: dfl-port.7: no such card or port; `fpgactl list` names those there are\n"
    );
}

#[test]
fn no_driver_is_code_3_with_what_to_do() {
    let node = Node::bare();
    fs::create_dir_all(node.dir.join("sys/class")).unwrap();
    for args in [&["list"][..], &["show"], &["show", "dfl-port.0"]] {
        let answer = node.run(args);
        assert_eq!((answer.code, answer.stdout.as_str()), (3, ""), "{args:?}");
        assert!(
            answer.stderr.starts_with("fpgactl: no FPGA driver is loaded: neither "),
            "{}",
            answer.stderr
        );
        assert!(answer.stderr.contains("sys/class/fpga_region"), "{}", answer.stderr);
        assert!(answer.stderr.contains("modprobe dfl-pci"), "{}", answer.stderr);
    }
    let answer = node.run(&["list", "-o", "json"]);
    assert_eq!((answer.code, json(&answer)), (3, serde_json::json!([])));
}

#[test]
fn a_driver_without_cards_is_code_3_and_said_to_be_one() {
    let node = Node::bare();
    fs::create_dir_all(node.dir.join("sys/class/fpga_region")).unwrap();
    let answer = node.run(&["list"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (3, ""));
    assert!(
        answer.stderr.contains("no FPGA card: the driver is loaded (dfl)"),
        "{}",
        answer.stderr
    );
}

#[test]
fn what_is_wrong_is_on_stderr_with_code_4_and_the_rest_is_shown() {
    let node = Node::preset("r740");
    let afu_id = node.device("dfl-port.1").join("afu_id");
    fs::remove_file(&afu_id).unwrap();
    fs::create_dir(&afu_id).unwrap();
    let answer = node.run(&["list"]);
    assert_eq!(answer.code, 4);
    assert_eq!(answer.stderr, "fpgactl: dfl-port.1: afu_id: Is a directory\n");
    assert!(
        answer.stdout.contains("nlb_mode_3") && answer.stdout.contains("unreadable"),
        "{}",
        answer.stdout
    );

    let answer = node.run(&["show", "dfl-port.1"]);
    assert_eq!(answer.code, 4);
    assert!(
        answer.stdout.contains("problem       dfl-port.1: afu_id: Is a directory"),
        "{}",
        answer.stdout
    );
    assert_eq!(node.run(&["show", "dfl-port.0"]).code, 0);
}

#[test]
fn a_half_gone_card_alone_is_code_4() {
    let node = Node::bare();
    fs::create_dir_all(node.dir.join("sys/class/fpga_region")).unwrap();
    symlink("../../devices/gone/region0", node.dir.join("sys/class/fpga_region/region0")).unwrap();
    let answer = node.run(&["list"]);
    assert_eq!(answer.code, 4);
    assert!(answer.stderr.starts_with("fpgactl: region0: "), "{}", answer.stderr);
}

#[test]
fn a_wrong_command_line_is_code_2() {
    for args in [&["lsit"][..], &[], &["list", "-o", "xml"], &["list", "--rot", "/"]] {
        let answer = run(args);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{args:?}");
        assert!(!answer.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help_tells_the_exit_codes_and_examples() {
    let help = run(&["--help"]).stdout;
    for code in ["0", "1", "2", "3", "4"] {
        assert!(help.contains(&format!("\n  {code}  ")), "{help}");
    }
    assert!(run(&["list", "--help"]).stdout.contains("fpgactl list -o wide"));
    assert!(run(&["show", "--help"]).stdout.contains("fpgactl show 5e:00.0"));
}

#[test]
fn the_trees_can_be_named_one_by_one_and_by_the_environment() {
    let node = Node::preset("pac-a10");
    let sysfs = node.dir.join("sys");
    assert_eq!(
        run(&["list", "--sysfs", sysfs.to_str().unwrap(), "--devfs", "/nonexistent"]).code,
        0
    );
    let answer: Answer = fpgactl().arg("list").env("FPGA_ROOT", &node.dir).output().unwrap().into();
    assert_eq!(answer.code, 0);
    // An empty variable counts as not set: the machine itself, not the current directory.
    let list = |root: Option<&str>| -> Answer {
        let mut command = fpgactl();
        command.arg("list").current_dir(&node.dir);
        root.map(|root| command.env("FPGA_ROOT", root));
        command.output().unwrap().into()
    };
    let (empty, unset) = (list(Some("")), list(None));
    assert_eq!(
        (empty.code, &empty.stdout, &empty.stderr),
        (unset.code, &unset.stdout, &unset.stderr)
    );
    assert!(!empty.stdout.contains("dfl-port.0") || Path::new("/dev/dfl-port.0").exists());
    let mut list = fpgactl();
    list.arg("list").arg("--root").arg(&node.dir).env("FPGA_LEDGER", "");
    assert_eq!(Answer::from(list.output().unwrap()).code, 0);
    // Who says it on the command line meant something.
    for flag in ["--root", "--ledger"] {
        let answer: Answer = fpgactl().args([flag, "", "list"]).output().unwrap().into();
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{flag}");
        assert!(answer.stderr.contains(&format!("{flag} is empty")), "{}", answer.stderr);
    }
}

/// Another machine in the place where a wrong path would lead.
#[test]
fn a_relative_path_leads_where_it_says() {
    let (node, other) = (Node::preset("pac-a10"), Node::preset("r740"));
    let here = node.dir.join("a/b");
    fs::create_dir_all(&here).unwrap();
    for decoy in [here.join("machine"), node.dir.join("a/machine")] {
        symlink(&other.dir, decoy).unwrap();
    }
    symlink(&node.dir, node.dir.join("machine")).unwrap();
    symlink(&here, node.dir.join("link")).unwrap();
    for root in [
        "../..",
        "../../machine",
        "./../../machine/.",
        "../../a/../machine",
        "../../link/../../machine",
    ] {
        let list = |command: &mut Command| -> Answer {
            command.args(["list", "-o", "json"]).current_dir(&here).output().unwrap().into()
        };
        for answer in [
            list(fpgactl().args(["--root", root])),
            list(fpgactl().env("FPGA_ROOT", root)),
            list(fpgactl().args(["--sysfs", &format!("{root}/sys"), "--devfs", "x"])),
        ] {
            assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{root}");
            assert_eq!(json(&answer).as_array().unwrap().len(), 1, "{root}");
        }
    }
}

#[test]
fn a_root_that_is_not_there_is_called_so() {
    for command in ["list", "show", "errors"] {
        let answer = run(&["--root", "/nonexistent", command]);
        let expected = "fpgactl: /nonexistent/sys: there is no such directory, or this user may not look into it\n";
        assert_eq!((answer.code, answer.stderr.as_str()), (3, expected), "{command}");
    }
}

/// Cards of one bus address in two domains.
#[test]
fn a_short_address_means_one_card_or_none() {
    let node = Node::preset("pac-a10");
    let text = Machine::preset_text("pac-a10").unwrap();
    assert!(text.contains("0000:3b:00.0"), "{text}");
    let machine = |text: &str| {
        let node = Node::bare();
        tree::create(&Machine::parse(text).unwrap(), &node.dir).unwrap();
        node
    };
    let far = machine(&text.replace("0000:3b:00.0", "0001:3b:00.0"));
    for command in ["show", "errors"] {
        for name in ["3b:00.0", "0001:3b:00.0"] {
            assert_eq!(far.run(&[command, name]).code, 0, "{command} {name}");
        }
        assert_eq!(far.run(&[command, "0000:3b:00.0"]).code, 3, "{command}");
        assert_eq!(node.run(&[command, "0001:3b:00.0"]).code, 3, "{command}");
    }
    let (_, card) = text.split_once("[[card]]").unwrap();
    let second = card.replace("0000:3b:00.0", "0001:3b:00.0");
    let both = machine(&format!("{text}\n[[card]]{second}"));
    for args in [
        &["show", "3b:00.0"][..],
        &["errors", "3b:00.0"],
        &["reset", "3b:00.0"],
        &["recover", "3b:00.0"],
    ] {
        let answer = both.run(args);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{args:?}: {}", answer.stderr);
        assert!(
            answer.stderr.contains("0000:3b:00.0, 0001:3b:00.0"),
            "{args:?}: {}",
            answer.stderr
        );
    }
    for name in ["0000:3b:00.0", "0001:3b:00.0"] {
        assert_eq!(both.run(&["errors", name]).code, 0, "{name}");
    }
    // One that lost its driver is a card all the same, and the one that is meant may be that.
    fs::remove_dir_all(both.dir.join("sys/bus/pci/devices/0001:3b:00.0/fpga_region")).unwrap();
    let class = both.dir.join("sys/class/fpga_region");
    for entry in fs::read_dir(&class).unwrap() {
        let path = entry.unwrap().path();
        if !path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(both.run(&["errors", "3b:00.0"]).code, 0);
    let answer = both.run(&["recover", "3b:00.0"]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let node = Node::preset("mixed");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = fpgactl();
    command.args(["--root", node.dir.to_str().unwrap(), "show", "-o", "json"]);
    let output = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn an_output_that_cannot_be_written_is_code_1() {
    let node = Node::preset("mixed");
    let full = fs::OpenOptions::new().write(true).open(Path::new("/dev/full")).unwrap();
    let mut command = fpgactl();
    command.args(["--root", node.dir.to_str().unwrap(), "list"]);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("fpgactl: writing to stdout: "), "{stderr}");
}
