//! CRI-O's configuration (crio.conf(5), crio.conf.d(5)).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Table;

use super::{config, directories};
use crate::commands::doctor::host::children;
use crate::commands::doctor::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

const DEFAULT_CDI_DIRS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
const DEFAULT_HOOKS_DIRS: [&str; 1] = ["/usr/share/containers/oci/hooks.d"];
const DROP_IN: &str = "/etc/crio/crio.conf.d/99-fpga.conf";

pub(super) fn look(survey: &Survey, path: &Path, report: &mut dyn FnMut(Finding)) {
    let mut tables = Vec::new();
    for file in files(path) {
        match config::load(&file) {
            Ok(table) => tables.push(table),
            Err(error) => {
                report(
                    Finding::error(file.display(), format_args!("CRI-O cannot read it: {error}"))
                        .because("CRI-O goes on with what it read before, and will not start again")
                        .fix("crio status config"),
                );
                return;
            }
        }
    }
    if survey.hook_files().is_empty() {
        let dirs = strings(&tables, "cdi_spec_dirs", &DEFAULT_CDI_DIRS);
        let wanted = survey.cdi_dir_of_host();
        let remedy = drop_in(&format!("cdi_spec_dirs = [\"/etc/cdi\", \"{}\"]", wanted.display()));
        report(directories(survey, path, "CRI-O", &dirs, &remedy));
        return;
    }
    let (dirs, wanted) = (strings(&tables, "hooks_dir", &DEFAULT_HOOKS_DIRS), survey.hooks_dir());
    report(match dirs.iter().any(|dir| survey.host.find(dir) == wanted) {
        true => {
            Finding::ok(path.display(), format_args!("CRI-O takes hooks from {}", dirs.join(", ")))
        }
        false => Finding::error(
            path.display(),
            format_args!("CRI-O does not look for hooks in {}", wanted.display()),
        )
        .because(format_args!(
            "hooks_dir is {dirs:?}, so that containers start without being programmed"
        ))
        .fix(drop_in(&format!("hooks_dir = [\"{}\"]", survey.hooks_dir_of_host().display()))),
    });
}

/// The main file and its drop-ins, each after the one whose values it replaces.
fn files(path: &Path) -> Vec<PathBuf> {
    let directory = drop_ins(path);
    let names = children(&directory).unwrap_or_default();
    let drop_ins = names.into_iter().map(|name| directory.join(name));
    std::iter::once(path.to_owned()).chain(drop_ins).filter(|file| file.is_file()).collect()
}

/// The directory called as the file, and `.d`.
fn drop_ins(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".d");
    path.with_file_name(name)
}

fn strings(tables: &[Table], key: &str, default: &[&str]) -> Vec<String> {
    let found =
        tables.iter().rev().find_map(|table| config::strings(table, &["crio", "runtime", key]));
    found.unwrap_or_else(|| default.iter().map(|&dir| dir.to_owned()).collect())
}

fn drop_in(line: &str) -> String {
    format!("printf '%s\\n' '[crio.runtime]' {} > {DROP_IN}; systemctl restart crio", word(line))
}
