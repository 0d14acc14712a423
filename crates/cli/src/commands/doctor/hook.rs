//! The program that a runtime runs before a container starts: is it there, and can it run?

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::abi::PT_INTERP;
use elf::endian::AnyEndian;

use super::host::children;
use super::permissions;
use super::survey::Survey;
use fpga::files::read;
use fpga_findings::Finding;
use fpga_findings::shell::word;

/// Where `fpgactl install-host` puts it.
const DEFAULT: &str = "/opt/intel/fpga-sw/fpga-hook";
/// The hook of Intel's own plugin.
const INTELS: &str = "intel-fpga-crihook";
/// This program's own.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What comes before the hook's.
const MARK: &[u8] = b"[kube-fpga hook ";
/// No version is longer.
const LONGEST: usize = 64;
/// Far longer than the program is.
const LIMIT: u64 = 256 << 20;

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    for file in survey.hook_files() {
        if let Err(error) = &file.hook {
            report(
                Finding::error(file.path.display(), "is no hook that a runtime takes")
                    .because(error)
                    .fix("fpgactl install-host --hooks-dir /etc/containers/oci/hooks.d"),
            );
        }
    }
    rivals(survey, report);
    let named: BTreeSet<PathBuf> = match &survey.places.hook_path {
        Some(path) => [path.clone()].into(),
        None => survey.hooks().map(|hook| hook.path.clone()).collect(),
    };
    if named.is_empty() && survey.is_region() {
        program(survey, Path::new(DEFAULT), report);
    }
    for path in named {
        if path.is_absolute() {
            program(survey, &path, report);
        } else {
            report(
                Finding::error(path.display(), "the hook's path is not absolute")
                    .because("runtimes refuse it, and the container with it")
                    .fix("fpga-agent --hook-path FILE"),
            );
        }
    }
}

/// Intel's hook programs as well, and does not know the grants.
fn rivals(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let directory = survey.hooks_dir();
    for name in children(&directory).unwrap_or_default() {
        let path = directory.join(name);
        let text = read(&path, 1 << 20).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains(INTELS) {
            report(
                Finding::warning(path.display(), "Intel's hook runs as well")
                    .because("it programs whatever a container asks for, granted or not")
                    .fix(format_args!("rm {}", word(&path))),
            );
        }
    }
}

fn program(survey: &Survey, host_path: &Path, report: &mut dyn FnMut(Finding)) {
    let path = match &survey.places.hook_path {
        Some(given) => given.clone(),
        None => survey.host.find(host_path),
    };
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => return report(absent(&path, &error)),
    };
    let install = format!("fpgactl install-host --bin-dir {}", word(parent(&path)));
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return report(
            Finding::error(path.display(), "is no program")
                .because(kind(&metadata))
                .fix(format_args!("rm -r {}; {install}", word(&path))),
        );
    }
    if let Some(finding) = permissions::of_file(&path, &metadata, "have root run what they like") {
        report(finding);
    }
    let bytes = match read(&path, LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => {
            let fix = "sudo fpgactl doctor --area hook";
            return report(Finding::unknown(path.display(), error).fix(fix));
        }
    };
    if survey.emulated.is_some() && bytes.starts_with(b"#!") {
        let word = "a script, which runs the hook where the emulator answers it";
        return report(Finding::ok(path.display(), word));
    }
    let itself = fs::read("/proc/self/exe").unwrap_or_default();
    report(match interpreter(&bytes, &itself) {
        Err(error) => Finding::error(path.display(), "is no program of this machine")
            .because(error)
            .fix(install),
        Ok(Some(loader)) if !survey.host.find(&loader).exists() => {
            Finding::error(path.display(), format_args!("cannot run: it needs {loader}"))
                .because("it was built for another C library than the host has, or for none")
                .fix(format_args!("{install}  # with the static build"))
        }
        Ok(loader) => sound(&path, &bytes, loader, &install),
    });
}

fn sound(path: &Path, bytes: &[u8], loader: Option<String>, install: &str) -> Finding {
    let linked = if loader.is_some() { "dynamically linked" } else { "static" };
    match version(bytes) {
        Some(VERSION) => Finding::ok(path.display(), format_args!("version {VERSION}, {linked}")),
        Some(other) => {
            Finding::warning(path.display(), format_args!("is of version {other}, {linked}"))
                .because(format_args!("this is {VERSION}; one of the two was not updated"))
                .fix(install)
        }
        None => Finding::warning(path.display(), "is another program than the hook of kube-fpga")
            .because("somebody has put it there")
            .fix(format_args!("rm {}; {install}", word(path))),
    }
}

/// The version of the hook in a program, from what `fpga_hook` leaves in it for this.
fn version(bytes: &[u8]) -> Option<&str> {
    let is_version = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+".contains(byte);
    // In a program that looks for the mark it stands alone, too.
    let marks = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    marks.into_iter().find_map(|(place, _)| {
        let rest = bytes.get(place + MARK.len()..)?;
        let length = rest.iter().take(LONGEST).position(|byte| *byte == b']')?;
        let version = rest.get(..length)?;
        str::from_utf8(version).ok().filter(|_| version.iter().all(is_version))
    })
}

fn absent(path: &Path, error: &io::Error) -> Finding {
    match error.kind() {
        io::ErrorKind::NotFound => Finding::error(
            path.display(),
            "the hook is not there, so that no container with a region starts",
        )
        .because("it was not installed on this host, or was removed")
        .fix(format_args!("fpgactl install-host --bin-dir {}", word(parent(path)))),
        _ => Finding::unknown(path.display(), error).fix("sudo fpgactl doctor --area hook"),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn kind(metadata: &Metadata) -> String {
    match metadata.is_file() {
        true => {
            format!("mode {:04o}: it is not executable", metadata.permissions().mode() & 0o7777)
        }
        false => "it is not a regular file".to_owned(),
    }
}

/// The loader that a program needs; `None` for a static one. `itself` runs on this machine.
fn interpreter(bytes: &[u8], itself: &[u8]) -> Result<Option<String>, String> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).map_err(|error| error.to_string())?;
    let this = ElfBytes::<AnyEndian>::minimal_parse(itself).map(|file| file.ehdr.e_machine);
    if this.is_ok_and(|this| this != file.ehdr.e_machine) {
        return Err("it is for another kind of processor".to_owned());
    }
    let segments = file.segments().ok_or("it has no segments")?;
    let Some(segment) = segments.iter().find(|segment| segment.p_type == PT_INTERP) else {
        return Ok(None);
    };
    let name = file.segment_data(&segment).map_err(|error| error.to_string())?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(name).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_hook_is_found_in_it() {
        assert_eq!(version(b"...[kube-fpga hook 1.2.3-rc.1+a]..."), Some("1.2.3-rc.1+a"));
        assert_eq!(version(b"[kube-fpga hook  ]x[kube-fpga hook 0.1.0]"), Some("0.1.0"));
        assert_eq!(version(b"[kube-fpga hook 1.2.3"), None);
    }

    #[test]
    fn what_is_no_program_is_told() {
        let itself = fs::read("/proc/self/exe").unwrap();
        assert!(interpreter(&itself, &itself).is_ok());
        assert!(interpreter(b"#!/bin/sh\n", &itself).is_err());
        assert!(interpreter(&[], &itself).is_err());
        assert!(interpreter(&itself[..80], &itself).is_err());
        let mut other = itself.clone();
        // e_machine of a 16-bit machine from 1997.
        other[18..20].copy_from_slice(&[70, 0]);
        assert!(interpreter(&other, &itself).is_err());
    }
}
