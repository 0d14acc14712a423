//! containerd's configuration (`docs/cri/config.md`, `docs/man/containerd-config.toml.5.md`).

use std::path::Path;

use toml::{Table, Value};

use super::{config, directories};
use crate::commands::doctor::survey::Survey;
use fpga_findings::Finding;

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
    let plugin = |key: &str| {
        let values = tables.iter().rev().flat_map(|table| PLUGINS.map(|name| (table, name)));
        values.filter_map(|(table, name)| config::get(table, &["plugins", name, key])).next()
    };
    match (plugin("enable_cdi").and_then(Value::as_bool), version(&tables)) {
        (Some(true), _) | (None, Some(3..)) => {
            let dirs = plugin("cdi_spec_dirs").and_then(Value::as_array);
            let dirs = dirs.map(|dirs| dirs.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            let dirs: Vec<String> = dirs.unwrap_or_else(|| DEFAULT_DIRS.map(str::to_owned).to_vec());
            let remedy = format!("sed -i 's|cdi_spec_dirs *=.*|cdi_spec_dirs = [\"/etc/cdi\", \"/var/run/cdi\"]|' {object}; {RESTART}");
            report(directories(survey, path, "containerd", &dirs, &remedy));
        }
        (Some(false), _) => report(
            Finding::error(&object, "containerd's CDI is switched off, so that no container gets a region")
                .because("enable_cdi is false")
                .fix(format_args!("sed -i 's/enable_cdi *= *false/enable_cdi = true/' {object}; {RESTART}")),
        ),
        (None, _) => report(
            Finding::unknown(&object, "does not say whether CDI is on")
                .because("it is by default in containerd 2, and is not in 1.7, which needs enable_cdi = true")
                .fix(format_args!("containerd --version; {DUMP}")),
        ),
    }
}

enum Trouble {
    Absent,
    /// A file and what is wrong with it.
    Malformed(String, String),
    Pattern(String),
}

/// The file and those that it imports, each after the one whose values it replaces.
fn read(path: &Path, tables: &mut Vec<Table>) -> Result<(), Trouble> {
    if !path.exists() {
        return Err(Trouble::Absent);
    }
    let malformed = |path: &Path| {
        let path = path.display().to_string();
        move |error| Trouble::Malformed(path, error)
    };
    let table = config::load(path).map_err(malformed(path))?;
    let imports = config::strings(&table, &["imports"]).unwrap_or_default();
    tables.push(table);
    let mut unknown = None;
    for pattern in imports {
        let directory = path.parent().unwrap_or(Path::new("/"));
        match config::glob(directory, &pattern) {
            Some(files) => {
                for file in files.iter().filter(|file| file.exists()) {
                    tables.push(config::load(file).map_err(malformed(file))?);
                }
            }
            None => unknown = Some(Trouble::Pattern(pattern)),
        }
    }
    unknown.map_or(Ok(()), Err)
}

/// The version of the main file's format. Only containerd 2 reads version 3.
fn version(tables: &[Table]) -> Option<i64> {
    config::get(tables.first()?, &["version"])?.as_integer()
}
