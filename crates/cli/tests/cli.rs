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
    assert_eq!(answer.code, 0);
    let line = answer.stdout.lines().find(|line| line.starts_with("0000:86:00.0")).unwrap();
    assert!(line.ends_with("no port"), "{line}");
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
