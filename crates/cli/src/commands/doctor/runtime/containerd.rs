//! containerd's configuration (`docs/cri/config.md`, `docs/man/containerd-config.toml.5.md`).

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{config, directories};
use crate::commands::doctor::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

/// The plugin's table, of version 3 and of version 2.
const PLUGINS: [&str; 2] = ["io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"];
/// Where specs are looked for unless told otherwise, since there is CDI.
const DEFAULT_DIRS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// Prints what all files and defaults come to.
const DUMP: &str = "containerd config dump | grep -e enable_cdi -e cdi_spec_dirs";
const RESTART: &str = "systemctl restart containerd";

pub(super) fn look(survey: &Survey, path: &Path, report: &mut dyn FnMut(Finding)) {
    let object = path.display();
    let mut tables = Vec::new();
    match read(path, &mut tables) {
        Ok(()) => {}
        Err(Trouble::Absent) => {}
        Err(Trouble::Malformed(file, error)) => {
            report(
                Finding::error(&file, format_args!("containerd cannot read it: {error}"))
                    .because(
                        "containerd goes on with what it read before, and will not start again",
                    )
                    .fix("containerd config dump"),
            );
            return;
        }
        Err(Trouble::Pattern(pattern)) => report(
            Finding::unknown(&object, format_args!("imports {pattern:?}, which was not followed"))
                .because("only one asterisk in the last name is understood here")
                .fix(DUMP),
        ),
    }
    // With the file that has the last word.
    let plugin = |key: &str| {
        let values = tables.iter().rev().flat_map(|file| PLUGINS.map(|name| (file, name)));
        values
            .filter_map(|((file, table), name)| {
                Some((file, config::get(table, &["plugins", name, key])?))
            })
            .next()
    };
    let enabled = plugin("enable_cdi").and_then(|(file, value)| Some((file, value.as_bool()?)));
    match (enabled, version(&tables)) {
        (Some((_, true)), _) | (None, Some(3..)) => {
            let said = plugin("cdi_spec_dirs").and_then(|(file, dirs)| Some((file, dirs.as_array()?)));
            let (dirs, remedy) = match said {
                Some((file, dirs)) => (texts(dirs), add_directory(survey, file)),
                // There is no line to change: the agent writes where it is read.
                None => (
                    DEFAULT_DIRS.map(str::to_owned).to_vec(),
                    "fpga-agent --cdi-dir /var/run/cdi".to_owned(),
                ),
            };
            report(directories(survey, path, "containerd", &dirs, &remedy));
        }
        (Some((file, false)), _) => report(
            Finding::error(&object, "containerd's CDI is switched off, so that no container gets a region")
                .because("enable_cdi is false")
                .fix(format_args!("sed -i 's/enable_cdi *= *false/enable_cdi = true/' {}; {RESTART}", word(file))),
        ),
        (None, _) => report(
            Finding::unknown(&object, "does not say whether CDI is on")
                .because("it is by default in containerd 2, and is not in 1.7, which needs enable_cdi = true")
                .fix(format_args!("containerd --version; {DUMP}")),
        ),
    }
}

/// Has the agent's directory read beside the usual one.
fn add_directory(survey: &Survey, file: &Path) -> String {
    let wanted = survey.cdi_dir_of_host();
    let line = format!("cdi_spec_dirs = [\"/etc/cdi\", \"{}\"]", wanted.display());
    let script = word(format!("s|cdi_spec_dirs *=.*|{line}|"));
    format!("sed -i {script} {}; {RESTART}", word(file))
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

enum Trouble {
    Absent,
    /// A file and what is wrong with it.
    Malformed(String, String),
    Pattern(String),
}

/// The file and those that it imports, each after the one whose values it replaces.
fn read(path: &Path, tables: &mut Vec<(PathBuf, Table)>) -> Result<(), Trouble> {
    if !path.exists() {
        return Err(Trouble::Absent);
    }
    let malformed = |path: &Path| {
        let path = path.display().to_string();
        move |error| Trouble::Malformed(path, error)
    };
    let table = config::load(path).map_err(malformed(path))?;
    let imports = config::strings(&table, &["imports"]).unwrap_or_default();
    tables.push((path.to_owned(), table));
    let mut unknown = None;
    for pattern in imports {
        let directory = path.parent().unwrap_or(Path::new("/"));
        match config::glob(directory, &pattern) {
            Some(files) => {
                for file in files.iter().filter(|file| file.exists()) {
                    tables.push((file.clone(), config::load(file).map_err(malformed(file))?));
                }
            }
            None => unknown = Some(Trouble::Pattern(pattern)),
        }
    }
    unknown.map_or(Ok(()), Err)
}

/// The version of the main file's format. Only containerd 2 reads version 3.
fn version(tables: &[(PathBuf, Table)]) -> Option<i64> {
    config::get(&tables.first()?.1, &["version"])?.as_integer()
}
