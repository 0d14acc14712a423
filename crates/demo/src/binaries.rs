//! The shipped binaries that the demo runs: built by cargo, visibly, or taken from a directory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The names of the binaries.
pub const NAMES: [&str; 7] = [
    "fpga-emulator",
    "fpga-agent",
    "fpga-webhook",
    "fpga-programmer",
    "fpgactl",
    "fpga-hook",
    "nlb",
];

/// Paths of the binaries by name.
#[derive(Debug, Clone)]
pub struct Binaries(BTreeMap<String, PathBuf>);

/// Why the binaries are unavailable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo could not be started.
    #[error("cannot run {cargo}: {source}")]
    Cargo {
        /// The program.
        cargo: String,
        /// Why.
        source: std::io::Error,
    },
    /// Cargo ended with an error, which it has printed.
    #[error("{command} failed: {status}")]
    Build {
        /// The command line.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
    },
    /// The directory is not there.
    #[error("{}: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A binary is not where it should be.
    #[error("no binary {name} {place}")]
    Missing {
        /// Name of the binary.
        name: String,
        /// Where it was looked for.
        place: String,
    },
}

impl Binaries {
    /// Builds them in the profile that this program was built in. Cargo's progress goes to standard
    /// error as always, after a line that says what is being built.
    ///
    /// # Errors
    /// When cargo cannot be started or the build fails.
    pub fn build() -> Result<Self, Error> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        // Chosen from the whole workspace, as `cargo run --bin fpga-demo` chooses this program: dependencies then
        // have the same features in both builds, and are compiled once.
        let mut arguments =
            vec!["build", "--locked", "--workspace", "--message-format=json-render-diagnostics"];
        if !cfg!(debug_assertions) {
            arguments.push("--release");
        }
        arguments.extend(NAMES.iter().flat_map(|name| ["--bin", name]));
        let shown = format!("cargo {}", arguments.join(" "));
        eprintln!("building: {shown}");
        let mut build = Command::new(&cargo);
        build
            .args(&arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .stderr(Stdio::inherit());
        for (name, _) in std::env::vars_os().filter(|(name, _)| describes_package(name)) {
            build.env_remove(name);
        }
        let output = build.output().map_err(|source| Error::Cargo { cargo, source })?;
        if !output.status.success() {
            return Err(Error::Build { command: shown, status: output.status });
        }
        Self(executables(&output.stdout)).complete("in cargo's output")
    }

    /// Takes them from a directory, as from an installation.
    ///
    /// # Errors
    /// When the directory or one of them is not there.
    pub fn at(directory: &Path) -> Result<Self, Error> {
        // Hooks are run in another directory, where a relative path leads elsewhere.
        let directory = &directory
            .canonicalize()
            .map_err(|source| Error::Directory { directory: directory.to_owned(), source })?;
        let found = NAMES.iter().map(|name| ((*name).to_owned(), directory.join(name)));
        Self(found.filter(|(_, path)| path.is_file()).collect())
            .complete(&format!("in {}", directory.display()))
    }

    fn complete(self, place: &str) -> Result<Self, Error> {
        match NAMES.iter().find(|name| !self.0.contains_key(**name)) {
            Some(name) => Err(Error::Missing { name: (*name).to_owned(), place: place.to_owned() }),
            None => Ok(self),
        }
    }

    /// Path of a binary.
    ///
    /// # Panics
    /// When `name` is not one of the demo's binaries, which is a mistake in the calling code.
    #[must_use]
    pub fn path(&self, name: &str) -> &Path {
        &self.0[name]
    }
}

/// Whether `cargo run` set a variable to describe the package that it runs. Build scripts read variables of these
/// names, and would run again because they changed.
fn describes_package(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// The executables in cargo's JSON messages, by target name.
fn executables(messages: &[u8]) -> BTreeMap<String, PathBuf> {
    let lines = messages.split(|&b| b == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    messages
        .filter_map(|m| {
            let executable = m.get("executable")?.as_str()?;
            let name = m.get("target")?.get("name")?.as_str()?;
            Some((name.to_owned(), PathBuf::from(executable)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_executables_out_of_cargos_messages() {
        let messages =
            br#"{"reason":"compiler-artifact","target":{"name":"nlb"},"executable":"/t/nlb"}
{"reason":"compiler-artifact","target":{"name":"fpga"},"executable":null}
{"reason":"build-finished","success":true}
"#;
        let found = executables(messages);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("nlb".to_owned(), PathBuf::from("/t/nlb"))]
        );
    }

    #[test]
    fn names_the_missing_binary_and_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let error = Binaries::at(directory.path()).unwrap_err().to_string();
        assert_eq!(error, format!("no binary fpga-emulator in {}", directory.path().display()));
    }
}
