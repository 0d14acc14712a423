//! `install-host`: the program and the hooks, in directories of their own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::machine::{Answer, Node};

fn run(node: &Node, args: &[&str]) -> Answer {
    node.run(&words(node, args).iter().map(String::as_str).collect::<Vec<_>>())
}

fn words(node: &Node, args: &[&str]) -> Vec<String> {
    let path = |name| node.path(name).to_str().unwrap().to_owned();
    let dirs =
        ["--bin-dir".to_owned(), path("opt/fpga-sw"), "--hooks-dir".to_owned(), path("hooks.d")];
    let rest = args.iter().map(|&arg| arg.to_owned());
    ["install-host".to_owned()].into_iter().chain(dirs).chain(rest).collect()
}

/// A copy of the program with `hook` beside it, as in an image. The hook's own program is another package's.
fn image(node: &Node, hook: &str) -> PathBuf {
    let program = node.path("image/fpgactl");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_fpgactl"), &program).unwrap();
    fs::write(program.with_file_name("fpga-hook"), hook).unwrap();
    program
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_program_and_its_hooks_are_put_in_place() {
    let node = Node::bare();
    let output = Command::new(image(&node, "the hook")).args(words(&node, &[])).output().unwrap();
    let answer = Answer::from(output).ended(0);
    assert_eq!(answer.stdout.matches(": installed\n").count(), 4, "{answer:?}");
    let hook = node.path("opt/fpga-sw/fpga-hook");
    assert_eq!(fs::read_to_string(&hook).unwrap(), "the hook");
    let program = node.path("opt/fpga-sw/fpgactl");
    assert_eq!(fs::read(&program).unwrap(), fs::read(env!("CARGO_BIN_EXE_fpgactl")).unwrap());
    assert_eq!(mode(&program), mode(Path::new(env!("CARGO_BIN_EXE_fpgactl"))) & 0o777);
    assert_eq!(mode(&node.path("opt/fpga-sw")), 0o755);

    for (file, stage) in
        [("fpgactl-createruntime.json", "createRuntime"), ("fpgactl-poststop.json", "poststop")]
    {
        let path = node.path("hooks.d").join(file);
        assert_eq!(mode(&path), 0o644);
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let expected = json!({
            "version": "1.0.0",
            "hook": {
                "path": hook, "args": ["fpga-hook", "oci-hook", "--stage", stage], "timeout": 120,
            },
            "when": {"always": true},
            "stages": [stage],
        });
        assert_eq!(file, expected);
    }
    assert_eq!(fs::read_dir(node.path("hooks.d")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(node.path("opt/fpga-sw")).unwrap().count(), 2);
}

/// A directory's lock keeps out its own holder, too.
#[test]
fn everything_may_be_in_one_directory() {
    let node = Node::bare();
    let (dir, same) = (node.path("all"), node.path("all/../all/."));
    fs::create_dir(&dir).unwrap();
    symlink(&dir, node.path("link")).unwrap();
    let link = node.path("link");
    for other in [&dir, &same, &link] {
        let dirs = ["--bin-dir", dir.to_str().unwrap(), "--hooks-dir", other.to_str().unwrap()];
        node.run(&[&["install-host"], &dirs[..]].concat()).ended(0);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 4);
    }
}

#[test]
fn another_installer_is_waited_for_and_not_for_ever() {
    for locked in ["opt/fpga-sw", "hooks.d"] {
        let node = Node::bare();
        fs::create_dir_all(node.path(locked)).unwrap();
        let other = fs::File::open(node.path(locked)).unwrap();
        other.lock().unwrap();
        let answer = run(&node, &["--timeout", "100ms"]).ended(5);
        assert!(answer.stderr.contains("another installer has it locked: waiting"), "{answer:?}");
        assert!(answer.stderr.contains("gave up"), "{answer:?}");
        // Nothing was put anywhere before both were locked.
        for directory in ["opt/fpga-sw", "hooks.d"] {
            let entries = fs::read_dir(node.path(directory)).map_or(0, Iterator::count);
            assert_eq!(entries, 0, "{directory} with {locked} locked");
        }
        drop(other);
        run(&node, &[]).ended(0);
    }
}

/// A runtime refuses a relative hook; so does this, before it does anything.
#[test]
fn what_is_refused_leaves_nothing_behind() {
    let node = Node::bare();
    let hooks = node.path("hooks.d");
    let hooks = hooks.to_str().unwrap();
    for args in [
        &["--bin-dir", "bin", "--hooks-dir", hooks][..],
        &["--bin-dir", "bin", "--hooks-dir", hooks, "--hook-path", "fpga-hook"],
        &["--bin-dir", "bin", "--hooks-dir", "/dev/null/hooks", "--hook-path", "/fpga-hook"],
    ] {
        node.run(&[&["install-host"], args].concat()).ended(1);
        let left = fs::read_dir(node.path("bin")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{args:?}");
        assert!(!Path::new(hooks).exists(), "{args:?}");
    }
    // Without hooks nobody minds.
    node.run(&["install-host", "--bin-dir", "bin"]).ended(0);
    assert!(node.path("bin/fpga-hook").exists());
}

#[test]
fn the_installed_program_runs() {
    let node = Node::bare();
    run(&node, &["-q"]).ended(0);
    let output = Command::new(node.path("opt/fpga-sw/fpgactl")).arg("--version").output();
    assert!(output.unwrap().status.success());
}

/// As where somebody has downloaded one file.
#[test]
fn without_the_hook_beside_it_the_program_is_the_hook() {
    let node = Node::bare();
    let alone = node.path("fpgactl");
    fs::copy(env!("CARGO_BIN_EXE_fpgactl"), &alone).unwrap();
    let status = Command::new(&alone)
        .args(["install-host", "-q", "--bin-dir"])
        .arg(node.path("bin"))
        .status();
    assert!(status.unwrap().success());
    for name in ["fpgactl", "fpga-hook"] {
        assert_eq!(
            fs::read(node.path("bin").join(name)).unwrap(),
            fs::read(&alone).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn what_is_in_place_is_left_alone() {
    let node = Node::bare();
    run(&node, &[]).ended(0);
    let program = node.path("opt/fpga-sw/fpgactl");
    let before = program.metadata().unwrap().ino();
    let answer = run(&node, &["-o", "json"]).ended(0).json();
    let actions: Vec<_> =
        answer.as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions, ["unchanged"; 4]);
    assert_eq!(program.metadata().unwrap().ino(), before);
}

/// An old program, a wrong mode, a link to elsewhere, and what an installer left that was killed.
#[test]
fn what_is_not_as_it_should_be_is_replaced() {
    let node = Node::bare();
    run(&node, &[]).ended(0);
    let program = node.path("opt/fpga-sw/fpgactl");
    let (create, poststop) = (
        node.path("hooks.d/fpgactl-createruntime.json"),
        node.path("hooks.d/fpgactl-poststop.json"),
    );
    fs::write(&program, "old").unwrap();
    fs::set_permissions(&create, fs::Permissions::from_mode(0o600)).unwrap();
    let elsewhere = node.path("elsewhere");
    fs::rename(&poststop, &elsewhere).unwrap();
    symlink(&elsewhere, &poststop).unwrap();
    fs::write(node.path("opt/fpga-sw/.fpgactl.4711-0.tmp"), "half").unwrap();

    let answer = run(&node, &[]).ended(0);
    assert_eq!(answer.stdout.matches(": installed\n").count(), 3, "{answer:?}");
    assert_eq!(fs::read(&program).unwrap(), fs::read(env!("CARGO_BIN_EXE_fpgactl")).unwrap());
    assert_eq!(mode(&create), 0o644);
    assert!(poststop.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_dir(node.path("opt/fpga-sw")).unwrap().count(), 2);
}

#[test]
fn the_hook_can_have_another_path_and_arguments() {
    let node = Node::bare();
    let args =
        ["--hook-path", "/opt/fpga/fpgactl", "--hook-arg=--store=/mnt", "--hook-arg", "--verbose"];
    run(&node, &[&args[..], &["--hook-timeout", "60"]].concat()).ended(0);
    let text = fs::read(node.path("hooks.d/fpgactl-poststop.json")).unwrap();
    let hook = serde_json::from_slice::<Value>(&text).unwrap()["hook"].clone();
    let expected = json!({
        "path": "/opt/fpga/fpgactl",
        "args": ["fpgactl", "oci-hook", "--stage", "poststop", "--store=/mnt", "--verbose"],
        "timeout": 60,
    });
    assert_eq!(hook, expected);
}

#[test]
fn a_dry_run_writes_nothing() {
    let node = Node::bare();
    let answer = run(&node, &["--dry-run"]).ended(0);
    assert_eq!(answer.stdout.matches("dry run: nothing was done").count(), 4, "{answer:?}");
    run(&node, &["-q", "--dry-run"]).ended(0);
    assert!(!node.path("opt").exists() && !node.path("hooks.d").exists());
    run(&node, &[]).ended(0);
    run(&node, &["--uninstall", "--dry-run"]).ended(0);
    assert!(node.path("opt/fpga-sw/fpgactl").exists());
}

#[test]
fn uninstall_removes_what_was_installed_and_nothing_else() {
    let node = Node::bare();
    run(&node, &[]).ended(0);
    fs::write(node.path("hooks.d/other.json"), "{}").unwrap();
    let answer = run(&node, &["--uninstall"]).ended(0);
    assert_eq!(answer.stdout.matches(": removed\n").count(), 4, "{answer:?}");
    assert!(!node.path("opt/fpga-sw/fpgactl").exists());
    assert_eq!(fs::read_dir(node.path("hooks.d")).unwrap().count(), 1);
    let again = run(&node, &["--uninstall"]).ended(0);
    assert_eq!(again.stdout.matches(": not there\n").count(), 4, "{again:?}");
    run(&Node::bare(), &["--uninstall"]).ended(0);
}

#[test]
fn a_wrong_command_line_is_refused() {
    let node = Node::bare();
    node.run(&["install-host", "--bin-dir", "b", "--hook-arg=--verbose"]).ended(2);
    node.run(&["install-host", "--bin-dir", "b", "--hooks-dir", "h", "--hook-timeout", "0"])
        .ended(2);
    let answer = node.run(&["install-host", "--bin-dir", "b", "--hooks-dir", "h"]).ended(1);
    assert!(answer.stderr.contains("b/fpga-hook: the hook's path must be absolute"), "{answer:?}");
    fs::write(node.path("file"), "").unwrap();
    let answer = node.run(&["install-host", "--bin-dir", "file"]).ended(1);
    assert!(answer.stderr.starts_with("fpgactl: file: cannot open the directory"), "{answer:?}");
}

/// Several nodes' worth of installers at once leave one good program.
#[test]
fn installers_do_not_disturb_each_other() {
    let node = Node::bare();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| run(&node, &["-q"]))).collect();
        runs.into_iter().for_each(|run| drop(run.join().unwrap().ended(0)));
    });
    let program = node.path("opt/fpga-sw/fpgactl");
    assert_eq!(fs::read(program).unwrap(), fs::read(env!("CARGO_BIN_EXE_fpgactl")).unwrap());
    assert_eq!(fs::read_dir(node.path("opt/fpga-sw")).unwrap().count(), 2);
}

/// A node whose runtime has CDI now.
#[test]
fn hooks_that_are_no_longer_wanted_go_and_those_of_others_stay() {
    let node = Node::bare();
    run(&node, &[]).ended(0);
    fs::write(node.path("hooks.d/theirs.json"), "{}").unwrap();
    let left = |node: &Node| {
        let names = fs::read_dir(node.path("hooks.d")).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let answer = run(&node, &["--no-hooks", "--dry-run"]).ended(0);
    assert_eq!(answer.stdout.matches("it would be removed").count(), 2, "{answer:?}");
    assert_eq!(left(&node).len(), 3);
    let answer = run(&node, &["--no-hooks"]).ended(0);
    assert_eq!(answer.stdout.matches(": removed\n").count(), 2, "{answer:?}");
    assert_eq!(left(&node), ["theirs.json"]);
    assert!(node.path("opt/fpga-sw/fpgactl").is_file(), "the programs stay");

    // One that has our name is theirs all the same.
    let theirs = node.path("hooks.d/fpgactl-poststop.json");
    fs::write(&theirs, r#"{"version": "1.0.0", "hook": {"path": "/bin/true", "args": ["true"]}}"#)
        .unwrap();
    for arguments in [&["--no-hooks"][..], &["--uninstall"]] {
        let answer = run(&node, arguments).ended(0);
        assert!(answer.stdout.contains("fpgactl-poststop.json: left alone"), "{answer:?}");
        assert!(theirs.is_file());
    }
    // A directory that is not there is not made for the sake of what is not in it.
    fs::remove_dir_all(node.path("hooks.d")).unwrap();
    run(&node, &["--no-hooks"]).ended(0);
    assert!(!node.path("hooks.d").exists());
    for wrong in ["--hook-path=/x", "--hook-arg=x", "--uninstall"] {
        run(&node, &["--no-hooks", wrong]).ended(2);
    }
}

/// A specification that names a hook which is gone would keep containers from starting.
#[test]
fn the_specifications_go_with_the_hook_that_they_name() {
    let node = Node::bare();
    run(&node, &[]).ended(0);
    let directory = node.path("cdi");
    fs::create_dir(&directory).unwrap();
    let kept =
        ["intel.cdi.k8s.io-fpga-custom.json", "intel.cdi.k8s.io-gpu-dfl-fme.0.json", "nvidia.yaml"];
    for device in ["dfl-fme.0", "dfl-fme.1-port0", "dfl-port.0"] {
        fs::write(directory.join(format!("intel.cdi.k8s.io-fpga-{device}.json")), "{}").unwrap();
    }
    for name in kept {
        fs::write(directory.join(name), "{}").unwrap();
    }
    let cdi = directory.to_str().unwrap();
    let said = run(&node, &["--uninstall", "--cdi-dir", cdi]).ended(0).stdout;
    let names = fs::read_dir(&directory).unwrap();
    let mut names: Vec<_> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, kept);
    let (last, program) = (said.rfind("dfl-port.0.json"), said.find("fpga-hook: removed"));
    assert!(
        last.is_some() && program.is_some() && last < program,
        "the hook stays until then: {said}"
    );
    run(&node, &["--uninstall", "--cdi-dir", node.path("none").to_str().unwrap()]).ended(0);
    run(&node, &["--cdi-dir", cdi]).ended(2);
}

/// What was granted does not stay on a node that nothing of ours is on.
#[test]
fn the_grants_go_with_the_programs() {
    let node = Node::bare();
    run(&node, &[]).ended(0);
    let directory = node.path("run/kube-fpga");
    for name in ["hook-results", "ledger"] {
        fs::create_dir_all(directory.join(name)).unwrap();
        fs::write(directory.join(name).join("one"), "1").unwrap();
    }
    for name in ["grants.json", "mode", "theirs"] {
        fs::write(directory.join(name), "x").unwrap();
    }
    let left = || {
        let names = fs::read_dir(&directory).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let run_dir = directory.to_str().unwrap();
    run(&node, &["--uninstall", "--run-dir", run_dir, "--dry-run"]).ended(0);
    assert_eq!(left().len(), 5);
    for _ in 0..2 {
        run(&node, &["--uninstall", "--run-dir", run_dir]).ended(0);
        assert_eq!(left(), ["ledger", "theirs"]);
    }
    // Whoever can write there must not be able to have others' files removed.
    let elsewhere = node.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("kept"), "x").unwrap();
    symlink(&elsewhere, directory.join("hook-results")).unwrap();
    symlink(elsewhere.join("kept"), directory.join("grants.json")).unwrap();
    run(&node, &["--uninstall", "--run-dir", run_dir]).ended(0);
    assert!(elsewhere.join("kept").is_file());
    run(&node, &["--run-dir", run_dir]).ended(2);
}
