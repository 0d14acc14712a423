//! The scripts in `lab/` that choose and build the kernel. What they only call is replaced here: cargo, and the tools of a
//! build that does not take place.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A panic in a test is the failure report.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What Linux 6.1 has room for, on stacks of four pages.
const LEAST: usize = 2696;

fn script(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join(name));
    for variable in ["LAB_KERNEL", "LAB_KERNEL_SOURCE", "LAB_XSTATE", "CARGO_TARGET_DIR"] {
        command.env_remove(variable);
    }
    command
}

fn ended(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Room for registers and order of stacks that a kernel gets for a processor with `bytes`.
fn built_with(bytes: &str) -> Output {
    script("lab/kernel/xstate").arg(bytes).output().unwrap()
}

fn two_numbers(words: &str) -> (usize, u32) {
    let (room, order) = words.split_once(' ').unwrap();
    (room.parse().unwrap(), order.parse().unwrap())
}

/// What this host's kernel says.
fn measured() -> usize {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("xstate");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/kernel/xstate.c");
    let compiled = Command::new("gcc").arg("-o").arg(&program).arg(source).status().unwrap();
    assert!(compiled.success());
    ended(&Command::new(program).output().unwrap(), 0).0.parse().unwrap()
}

#[test]
fn a_kernel_has_room_for_the_processors_registers() {
    // SSE, AVX, AVX-512 with protection keys, one byte more, and AMX.
    for (bytes, expected) in [
        ("512", "2696 2"),
        ("832", "2696 2"),
        ("2696", "2696 2"),
        ("2697", "2704 3"),
        ("4096", "4096 3"),
        ("11008", "11008 4"),
        ("11009", "11016 4"),
        ("999999", "1000000 10"),
    ] {
        let (words, _) = ended(&built_with(bytes), 0);
        assert_eq!(words, expected, "{bytes}");
        let (room, order) = two_numbers(&words);
        assert!(room >= bytes.parse().unwrap() && room % 8 == 0, "{bytes}: {words}");
        let stack = 4096 << order;
        assert!(room == LEAST || stack >= 16384 + 4 * room, "{bytes}: stacks of {stack}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for bytes in ["0", "-1", "08", "2696.5", "1e4", "many", "2696 11008", "1000000", "-h4"] {
        let (out, err) = ended(&built_with(bytes), 2);
        assert_eq!(out, "");
        assert_eq!(err, format!("lab: {bytes} is not a size of a register set in bytes"));
    }
}

#[test]
fn this_hosts_size_is_measured() {
    let (words, _) = ended(&script("lab/kernel/xstate").output().unwrap(), 0);
    let (room, _) = two_numbers(&words);
    let bytes = measured();
    // The legacy area and the header are in every processor's set.
    assert!(bytes >= 576 && room >= bytes, "measured {bytes}, room for {room}");
    assert_eq!(words, ended(&built_with(&bytes.to_string()), 0).0);
}

/// A place where the kernel's build finds all that it needs, and its name can be asked for.
struct Workshop(tempfile::TempDir);

impl Workshop {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("linux-1.0.tar"), "source").unwrap();
        std::fs::create_dir(place.path().join("bin")).unwrap();
        for tool in ["flex", "bison", "bc", "xz", "make", "patch", "perl", "flock"] {
            program(&place.path().join("bin").join(tool), "#!/bin/sh\nexit 1\n");
        }
        Self(place)
    }

    fn path(&self) -> String {
        format!("{}:{}", self.0.path().join("bin").display(), std::env::var("PATH").unwrap())
    }

    /// The path of a kernel for a processor with so many bytes of registers, or for this host's.
    fn kernel(&self, bytes: Option<usize>) -> String {
        let mut command = script("lab/kernel/build");
        command.arg("--where").env("PATH", self.path()).env("XDG_CACHE_HOME", self.0.path());
        command.env("LAB_KERNEL_SOURCE", self.0.path().join("linux-1.0.tar"));
        command.envs(bytes.map(|bytes| ("LAB_XSTATE", bytes.to_string())));
        ended(&command.output().unwrap(), 0).0
    }
}

/// The name has what the kernel was built with, so that one cache may serve several hosts.
#[test]
fn a_kernel_for_more_registers_has_another_name() {
    let workshop = Workshop::new();
    let room = |kernel: &str| -> usize {
        let (rest, _) = kernel.rsplit_once('-').unwrap();
        rest.rsplit_once('-').unwrap().1.parse().unwrap()
    };
    let bytes = measured();
    let own = workshop.kernel(None);
    assert!(room(&own) >= bytes, "{own} is too small for {bytes} bytes");
    assert_eq!(own, workshop.kernel(Some(bytes)));
    assert_eq!(workshop.kernel(Some(576)), workshop.kernel(Some(LEAST)));
    let larger = workshop.kernel(Some(11008));
    assert_eq!(room(&larger), 11008, "{larger}");
    assert_ne!(larger, workshop.kernel(Some(LEAST)));
}

#[test]
fn a_kernel_that_is_there_is_used() {
    let place = tempfile::tempdir().unwrap();
    let kernel = place.path().canonicalize().unwrap().join("linux");
    program(&kernel, "");
    // From a directory of one's own, and without the packages that a build needs.
    let output =
        script("lab/kernel/build").current_dir(place.path()).env("LAB_KERNEL", "linux").output();
    assert_eq!(ended(&output.unwrap(), 0).0, kernel.display().to_string());
    for missing in ["other", "."] {
        let output = script("lab/kernel/build")
            .current_dir(place.path())
            .env("LAB_KERNEL", missing)
            .output();
        let (_, err) = ended(&output.unwrap(), 2);
        assert_eq!(err, format!("lab: LAB_KERNEL: {missing} is not a program"));
    }
}

/// Where `lab/run` has nothing to build, and says what it would run.
struct Run {
    place: tempfile::TempDir,
    kernel: PathBuf,
}

impl Run {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let (bin, programs) = (root.join("bin"), root.join("contract-target/debug"));
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir_all(programs.join("deps")).unwrap();
        let contract = programs.join("deps/contract-0123456789abcdef");
        let built = [programs.join("fpga-lab"), contract.clone()].map(|p| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"executable\":\"{}\",\"fresh\":true}}\n",
                p.display()
            )
        });
        program(&bin.join("cargo"), &format!("#!/bin/sh\nprintf '%s' '{}'\n", built.concat()));
        std::fs::write(contract, "the contract").unwrap();
        program(&programs.join("fpga-lab"), "#!/bin/sh\necho \"${LAB_KERNEL-none}: $*\"\n");
        let kernel = root.join("linux");
        program(&kernel, "");
        Self { place, kernel }
    }

    /// What is run for these arguments, with the kernel that is there.
    fn with(&self, arguments: &[&str], kernel: &str) -> String {
        let path =
            format!("{}/bin:{}", self.place.path().display(), std::env::var("PATH").unwrap());
        let mut command = script("lab/run");
        command.args(arguments).current_dir(self.place.path()).env("PATH", path);
        command.env("LAB_KERNEL", kernel).env("CARGO_TARGET_DIR", self.target());
        ended(&command.output().unwrap(), 0).0
    }

    fn target(&self) -> PathBuf {
        self.place.path().join("contract-target")
    }
}

#[test]
fn the_lab_runs_with_the_kernel_that_is_there() {
    let run = Run::new();
    let kernel = run.kernel.display();
    assert_eq!(run.with(&["recover"], "linux"), format!("{kernel}: run recover"));
    let contract = std::fs::read_to_string(run.target().join("debug/fpga-contract")).unwrap();
    assert_eq!(contract, "the contract");
    let exec = ["exec", "--", "ls", "--list"];
    assert_eq!(run.with(&exec, "linux"), format!("{kernel}: exec -- ls --list"));
}

#[test]
fn a_list_needs_no_kernel() {
    let run = Run::new();
    assert_eq!(run.with(&["--list"], ""), "none: run --list");
    assert!(!run.target().join("debug/fpga-contract").exists());
}
