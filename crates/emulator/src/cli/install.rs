//! `fpga-emulator install`: what a node of a real cluster needs to have emulated cards.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use fpga_emulator::card::afu;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::id::Guid;

use super::MachineArguments;

/// File name of this program on the node.
const PROGRAM: &str = "fpga-emulator";
/// File name of the hook.
const HOOK: &str = "oci-hook";
/// Bytes of payload of a bitstream.
const SIZE: usize = 64 << 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Directory that the program and the hook go into.
    directory: PathBuf,
    /// The directory as the node's container runtime finds it, if this is a container that sees it elsewhere.
    #[arg(long, value_name = "DIR")]
    host_directory: Option<PathBuf>,
    /// Socket of the emulator, as the node knows it.
    #[arg(long)]
    socket: PathBuf,
    /// Root of the emulated tree, as the node knows it.
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The hook's program on the node.
    #[arg(long, value_name = "FILE", default_value = "/opt/intel/fpga-sw/fpga-hook")]
    hook: PathBuf,
    /// Bitstream store to fill with nlb0, nlb3 and hello for each kind of region that the machine has.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Remove what was put there instead, with the bitstreams that are still as they were made.
    #[arg(long)]
    uninstall: bool,
    #[command(flatten)]
    machine: MachineArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.uninstall {
        return uninstall(arguments);
    }
    let host = arguments.host_directory.as_ref().unwrap_or(&arguments.directory);
    let script = hook(arguments, &host.join(PROGRAM))?;
    fs::create_dir_all(&arguments.directory)
        .with_context(|| arguments.directory.display().to_string())?;
    let own = fs::read("/proc/self/exe").context("reading this program")?;
    put(&arguments.directory.join(PROGRAM), &own, 0o755)?;
    put(&arguments.directory.join(HOOK), script.as_bytes(), 0o755)?;
    let Some(store) = &arguments.store else { return Ok(()) };
    for (path, bytes) in bitstreams(store, &arguments.machine)? {
        let directory = path.parent().unwrap_or(store);
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        put(&path, &bytes, 0o644)?;
    }
    Ok(())
}

fn uninstall(arguments: &Arguments) -> Result<()> {
    // The hook first, so that it never names a program that is gone.
    for name in [HOOK, PROGRAM] {
        remove(&arguments.directory.join(name))?;
    }
    let Some(store) = &arguments.store else { return Ok(()) };
    for (path, bytes) in bitstreams(store, &arguments.machine)? {
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            remove(&path)?;
            // Others' bitstreams keep it there.
            let _not_empty = path.parent().map(fs::remove_dir);
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

/// A runtime runs it with the arguments of the real hook.
fn hook(arguments: &Arguments, program: &Path) -> Result<String> {
    let [program, socket, real, tree] =
        [program, &arguments.socket, &arguments.hook, &arguments.tree].map(quoted);
    Ok(format!(
        "#!/bin/sh\nexec {} exec --socket {} -- {} \"$@\" --root {}\n",
        program?, socket?, real?, tree?
    ))
}

fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| text.starts_with('/') && !text.contains('\''));
    let text =
        text.with_context(|| format!("{}: neither absolute nor without quotes", path.display()))?;
    Ok(format!("'{text}'"))
}

/// Files of `store` with what is in them.
fn bitstreams(store: &Path, machine: &MachineArguments) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let interfaces: BTreeSet<String> =
        machine.load()?.cards.iter().filter_map(|c| c.interface_id).map(Guid::to_uuid).collect();
    ensure!(!interfaces.is_empty(), "the machine has no region to fill a store for");
    let mut files = Vec::new();
    for interface in interfaces {
        let directory = store.join(interface.replace('-', ""));
        for name in ["nlb0", "nlb3", "hello"] {
            let function = afu::by_name(name).context("no such function")?;
            let bitstream = Bitstream {
                interface: interface.parse()?,
                function,
                name: name.to_owned(),
                size: SIZE,
                clocks: None,
            };
            let file = format!("{}.gbs", function.to_uuid().replace('-', ""));
            files.push((directory.join(file), bitstream.to_bytes()?));
        }
    }
    Ok(files)
}

/// In one step: the program may be running, and a container may be starting.
fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| path.display().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A panic in a test is the failure report.
mod tests {
    use super::*;

    fn arguments(directory: &Path) -> Arguments {
        Arguments {
            directory: directory.join("bin"),
            host_directory: Some("/opt/e".into()),
            socket: "/run/e/s".into(),
            tree: "/run/e/node".into(),
            hook: "/opt/f/fpga-hook".into(),
            store: Some(directory.join("store")),
            uninstall: false,
            machine: MachineArguments { preset: "r740".to_owned(), machine: None },
        }
    }

    #[test]
    fn a_node_gets_the_program_the_hook_and_bitstreams() {
        let temp = tempfile::tempdir().unwrap();
        let arguments = arguments(temp.path());
        // Twice: an update finds the last one's files.
        run(&arguments).unwrap();
        run(&arguments).unwrap();
        let mode = |name: &str| {
            fs::metadata(arguments.directory.join(name)).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!((mode(PROGRAM), mode(HOOK)), (0o755, 0o755));
        assert_eq!(
            fs::read_to_string(arguments.directory.join(HOOK)).unwrap(),
            "#!/bin/sh\nexec '/opt/e/fpga-emulator' exec --socket '/run/e/s' -- '/opt/f/fpga-hook' \"$@\" --root '/run/e/node'\n"
        );
        let region = temp.path().join("store/69528db6eb31577a8c3668f9faa081f6");
        let mut names: Vec<_> =
            fs::read_dir(&region).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "850adcc26ceb4b229722d43375b61c66.gbs",
                "d8424dc4a4a3c413f89e433683f9040b.gbs",
                "f7df405cbd7acf7222f144b0b93acd18.gbs"
            ]
        );
        fs::write(region.join(&names[0]), "somebody's own").unwrap();
        let arguments = Arguments { uninstall: true, ..arguments };
        run(&arguments).unwrap();
        run(&arguments).unwrap();
        assert_eq!(fs::read_dir(&arguments.directory).unwrap().count(), 0);
        assert_eq!(fs::read_dir(region).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_a_shell_would_take_apart_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        for path in ["run/e/s", "/run/it's"] {
            let arguments = Arguments { socket: path.into(), ..arguments(temp.path()) };
            assert!(run(&arguments).unwrap_err().to_string().starts_with(path));
        }
        assert!(!temp.path().join("bin").exists());
    }
}
