//! `bitstream info`, `install`, `list` and `verify`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use fpga_emulator::bitstream_writer::{gbs, metadata};
use serde_json::json;

use crate::machine::{Answer, INTERFACE, NLB0, NLB3, Node};

/// Two files outside a store called `store`.
fn node() -> Node {
    let node = Node::bare();
    node.gbs("nlb0.gbs", INTERFACE, NLB0);
    node.gbs("nlb3.gbs", INTERFACE, NLB3);
    node
}

fn installed(afu: &str) -> String {
    format!("store/{INTERFACE}/{afu}.gbs")
}

/// As `fpga_tool info`: the file, both ids, and where it would be installed.
#[test]
fn info_tells_what_a_file_says_about_itself() {
    let answer = node().run(&["bitstream", "info", "nlb0.gbs", "--store", "store"]).ended(0);
    for part in [
        "nlb0.gbs\n  format            GBS\n",
        &format!("  interface         {INTERFACE}\n"),
        &format!("  function          {NLB0} (nlb_mode_0)\n"),
        &format!("  installation path {}\n", installed(NLB0)),
        "  name              my nlb0\n",
    ] {
        assert!(answer.stdout.contains(part), "{part:?} is not in\n{}", answer.stdout);
    }
    assert_eq!(answer.stderr, "");
}

#[test]
fn info_as_json_is_an_array() {
    let answer = node().run(&["bitstream", "info", "-o", "json", "nlb0.gbs", "nlb3.gbs"]).ended(0);
    let ids: Vec<_> =
        answer.json().as_array().unwrap().iter().map(|i| i["afuId"].clone()).collect();
    assert_eq!(ids, [NLB0, NLB3]);
    assert_eq!(answer.json()[0]["afuNames"], json!(["nlb_mode_0"]));
    assert_eq!(
        answer.json()[0]["installationPath"],
        format!("/srv/intel.com/fpga/{INTERFACE}/{NLB0}.gbs")
    );
}

#[test]
fn info_of_something_else_names_the_file_and_the_field() {
    let node = node();
    fs::write(node.path("noise.gbs"), [7; 64]).unwrap();
    let answer = node.run(&["bitstream", "info", "noise.gbs"]).ended(1);
    assert!(answer.stderr.starts_with("fpgactl: noise.gbs: magic: found "), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
    // The others are shown.
    let answer = node.run(&["bitstream", "info", "noise.gbs", "nlb0.gbs"]).ended(4);
    assert!(answer.stdout.starts_with("nlb0.gbs\n"), "{}", answer.stdout);
    node.run(&["bitstream", "info"]).ended(2);
}

#[test]
fn a_file_without_ids_is_shown_and_not_installed() {
    let node = node();
    let mut file = b"XeonFPGA\xb7GBSv001".to_vec();
    let metadata = br#"{"afu-image": {"accelerator-clusters": [{}]}}"#;
    file.extend(u32::try_from(metadata.len()).unwrap().to_le_bytes());
    file.extend_from_slice(metadata);
    file.extend([0; 64]);
    fs::write(node.path("bare.gbs"), file).unwrap();
    let answer = node.run(&["bitstream", "info", "bare.gbs"]).ended(4);
    assert!(answer.stdout.contains("  interface         -\n"), "{}", answer.stdout);
    assert!(
        answer.stderr.contains("bare.gbs: afu-image.interface-uuid: found nothing"),
        "{answer:?}"
    );
    let answer = node.run(&["bitstream", "install", "--store", "store", "bare.gbs"]).ended(1);
    assert!(answer.stderr.contains("afu-image.interface-uuid"), "{answer:?}");
    assert!(!node.path("store").exists());
}

/// JSON and YAML have text alone, and a file system has not.
#[test]
fn a_name_that_is_no_text_costs_no_output() {
    let node = node();
    let args = ["bitstream", "install", "--store", "store", "nlb0.gbs"];
    node.run(&args).ended(0);
    let strange = OsStr::from_bytes(b"caf\xe9.gbs");
    let shown = "caf\u{fffd}.gbs";
    fs::copy(node.path("nlb0.gbs"), node.path("").join(strange)).unwrap();
    let directory = node.path(&installed(NLB0));
    let directory = directory.parent().unwrap();
    fs::copy(node.path("nlb0.gbs"), directory.join(strange)).unwrap();
    let run = |form: &str, args: &[&str], file: bool| -> Answer {
        let mut command = node.fpgactl();
        command.args(args).args(["-o", form]);
        if file {
            command.arg(strange);
        }
        command.output().unwrap().into()
    };
    for form in ["table", "json", "yaml"] {
        for (args, file, code) in [
            (&["bitstream", "list", "--store", "store"][..], false, 4),
            (&["bitstream", "verify", "--store", "store"], false, 4),
            (&["bitstream", "verify"], true, 0),
            (&["bitstream", "info"], true, 0),
            (&["bitstream", "install", "--force", "--store", "store"], true, 0),
        ] {
            let answer = run(form, args, file).ended(code);
            let text = if form == "table" && code == 4 { &answer.stderr } else { &answer.stdout };
            assert!(text.contains(shown), "{form} {args:?}: {answer:?}");
            // The good file is there as well.
            assert!(file || answer.stdout.contains(NLB0), "{form} {args:?}: {answer:?}");
        }
    }
    let answer = run("json", &["bitstream", "info"], true);
    assert_eq!(answer.json()[0]["file"], shown);
}

/// A description that OPAE takes, with what nothing depends on.
#[test]
fn fields_that_are_ignored_are_shown_and_cost_nothing() {
    let node = node();
    let json = metadata(INTERFACE, NLB0).replace("17", "20.5").replace("\"nlb_400\"", "[1]");
    fs::write(node.path("odd.gbs"), gbs(&json, b"image")).unwrap();
    let info = node.run(&["bitstream", "info", "odd.gbs", "-o", "json"]).ended(0).json();
    assert_eq!((&info[0]["powerWatts"], &info[0]["name"]), (&json!(20.5), &json!(null)));
    let ignored = "afu-image.accelerator-clusters[0].name: found an array, expected a text";
    assert_eq!(info[0]["ignored"], json!([ignored]));
    let text = node.run(&["bitstream", "info", "odd.gbs"]).ended(0).stdout;
    assert!(text.contains(&format!("  ignored           {ignored}\n")), "{text}");
    assert!(text.contains("  power             20.5 W\n"), "{text}");
    node.run(&["bitstream", "install", "--store", "store", "odd.gbs"]).ended(0);
    let signed = [&0xb6ea_fd19_u32.to_le_bytes()[..], b"image"].concat();
    fs::write(node.path("signed.gbs"), gbs(&metadata(INTERFACE, NLB0), &signed)).unwrap();
    let info = node.run(&["bitstream", "info", "signed.gbs", "odd.gbs", "-o", "json"]).ended(0);
    let info = info.json();
    assert_eq!((&info[0]["signed"], &info[1]["signed"]), (&json!(true), &json!(false)));
    assert!(node.run(&["bitstream", "info", "signed.gbs"]).stdout.contains("  signature "));
}

#[test]
fn install_puts_files_under_their_ids_for_all_to_read() {
    let node = node();
    let answer =
        node.run(&["bitstream", "install", "--store", "store", "nlb0.gbs", "nlb3.gbs"]).ended(0);
    let (first, second) = (installed(NLB0), installed(NLB3));
    assert_eq!(
        answer.stdout,
        format!("nlb0.gbs: installed as {first}\nnlb3.gbs: installed as {second}\n")
    );
    let copy = node.path(&first);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(node.path("nlb0.gbs")).unwrap());
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
}

/// As `fpga_tool install`: an installed file stays, unless it is to be replaced.
#[test]
fn install_replaces_only_when_forced() {
    let node = node();
    let install = |more: &[&str]| {
        node.run(&[&["bitstream", "install", "--store", "store", "nlb0.gbs"], more].concat())
    };
    install(&[]).ended(0);
    let path = node.path(&installed(NLB0));
    fs::write(&path, "old").unwrap();
    let answer = install(&[]).ended(1);
    assert!(answer.stderr.contains("exists already"), "{answer:?}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    install(&["--dry-run"]).ended(1);
    install(&["--force"]).ended(0);
    assert_eq!(fs::read(&path).unwrap(), fs::read(node.path("nlb0.gbs")).unwrap());
}

/// Intel's tool installs when it is told to be quiet and to do nothing.
#[test]
fn a_quiet_dry_run_installs_nothing() {
    for args in
        [&["-q", "--dry-run"][..], &["--dry-run", "-q"], &["--dry-run"], &["--dry-run", "--force"]]
    {
        let node = node();
        let command = [&["bitstream", "install", "--store", "store", "nlb0.gbs"], args].concat();
        let answer = node.run(&command).ended(0);
        assert!(!node.path("store").exists(), "{args:?}");
        let is_quiet = args.contains(&"-q");
        assert_eq!(answer.stdout.is_empty(), is_quiet, "{answer:?}");
        assert_eq!(answer.stdout.contains("dry run: nothing was copied"), !is_quiet, "{answer:?}");
    }
}

#[test]
fn a_failed_file_does_not_keep_the_others_out() {
    let node = node();
    let args = ["bitstream", "install", "-o", "json", "--store", "store", "absent.gbs", "nlb3.gbs"];
    let answer = node.run(&args).ended(1);
    assert!(answer.stderr.starts_with("fpgactl: absent.gbs: cannot be opened"), "{answer:?}");
    let expected =
        json!([{"file": "nlb3.gbs", "installationPath": installed(NLB3), "installed": true}]);
    assert_eq!(answer.json(), expected);
}

#[test]
fn list_is_a_line_for_each_file() {
    let node = node();
    node.run(&["bitstream", "install", "--store", "store", "nlb0.gbs", "nlb3.gbs"]).ended(0);
    let answer = node.run(&["bitstream", "list", "--store", "store"]).ended(0);
    let lines: Vec<Vec<&str>> =
        answer.stdout.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["INTERFACE", "FUNCTION", "NAME", "FORMAT", "BYTES"]);
    assert_eq!(lines[1][..4], [INTERFACE, NLB0, "nlb_mode_0", "GBS"]);
    assert_eq!(lines[2][..4], [INTERFACE, NLB3, "nlb_mode_3", "GBS"]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_does_not_belong_in_the_store_is_told_with_code_4() {
    let node = node();
    node.run(&["bitstream", "install", "--store", "store", "nlb0.gbs"]).ended(0);
    fs::rename(node.path(&installed(NLB0)), node.path(&installed(NLB3))).unwrap();
    node.run(&["bitstream", "install", "--store", "store", "nlb0.gbs"]).ended(0);
    for verb in ["list", "verify"] {
        let answer = node.run(&["bitstream", verb, "-o", "json", "--store", "store"]).ended(4);
        let start = format!("fpgactl: {}: is misnamed", installed(NLB3));
        assert!(answer.stderr.starts_with(&start), "{answer:?}");
        let rows = answer.json();
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!(rows[0]["error"], serde_json::Value::Null);
        assert!(rows[1]["error"].as_str().unwrap().contains("is misnamed"), "{rows}");
    }
    let text = node.run(&["bitstream", "list", "--store", "store"]).ended(4).stdout;
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn an_empty_store_is_code_3() {
    let node = node();
    for verb in ["list", "verify"] {
        let answer = node.run(&["bitstream", verb, "--store", "store"]).ended(3);
        assert_eq!(answer.stdout, "");
        assert!(
            answer.stderr.starts_with("fpgactl: store: no bitstream is installed"),
            "{answer:?}"
        );
    }
    let answer = node.run(&["bitstream", "list", "--store", "store", "-o", "json"]).ended(3);
    assert_eq!(answer.json(), json!([]));
}

#[test]
fn verify_takes_files_too() {
    let node = node();
    fs::write(node.path("short.gbs"), &fs::read(node.path("nlb0.gbs")).unwrap()[..30]).unwrap();
    let answer = node.run(&["bitstream", "verify", "nlb0.gbs", "short.gbs"]).ended(4);
    assert_eq!(answer.stdout, "nlb0.gbs: sound, an image of 64.00 KiB\nshort.gbs: not usable\n");
    assert!(answer.stderr.starts_with("fpgactl: short.gbs: "), "{answer:?}");
    let answer = node.run(&["bitstream", "verify", "-q", "nlb0.gbs"]).ended(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
}
