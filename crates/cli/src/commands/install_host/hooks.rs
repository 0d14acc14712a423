//! The files by which runtimes without CDI find a hook: oci-hooks(5), version 1.0.0 of the format.

use std::path::Path;

use fpga::files;
use fpga::names::{HOOK_COMMAND, HOOK_STAGE};
use serde::Serialize;
use serde_json::{Value, json};

use super::PROGRAM;

/// When the hook runs: before the container starts, and after it ended. A file says no argument for
/// each stage, so that each has its own file.
pub(super) const STAGES: [&str; 2] = ["createRuntime", "poststop"];

/// A file of `hooks.d`.
#[derive(Serialize)]
pub(super) struct Hook<'a> {
    version: &'static str,
    hook: Command<'a>,
    when: When,
    stages: [&'a str; 1],
}

#[derive(Serialize)]
struct Command<'a> {
    path: &'a str,
    args: Vec<&'a str>,
    timeout: u32,
}

/// For every container: a pod's annotation would outweigh the one that a device brings, and switch the hook off. One
/// without FPGAs takes the hook a millisecond.
#[derive(Serialize)]
struct When {
    always: bool,
}

impl<'a> Hook<'a> {
    /// The hook of a stage: the program at `path`, which gets `more` as its last arguments and
    /// `timeout` seconds.
    pub(super) fn new(path: &'a str, stage: &'a str, more: &'a [String], timeout: u32) -> Self {
        // By convention a program's first argument is its own name; runtimes hand the list on as it is.
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut args = vec![name, HOOK_COMMAND, HOOK_STAGE, stage];
        args.extend(more.iter().map(String::as_str));
        Self {
            version: "1.0.0",
            hook: Command { path, args, timeout },
            when: When { always: true },
            stages: [stage],
        }
    }

    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

pub(super) fn file_name(stage: &str) -> String {
    format!("{PROGRAM}-{}.json", stage.to_ascii_lowercase())
}

/// True of a file that [`Hook`] was written to, whatever arguments the hook was given.
pub(super) fn is_ours(path: &Path, stage: &str) -> bool {
    /// Nobody gives a hook so many arguments.
    const LIMIT: u64 = 1 << 20;
    let text = files::read(path, LIMIT).unwrap_or_default();
    let found: Value = serde_json::from_slice(&text).unwrap_or_default();
    let args = &found["hook"]["args"];
    (&args[1], &args[2], &args[3]) == (&json!(HOOK_COMMAND), &json!(HOOK_STAGE), &json!(stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_the_format_has_it() {
        let more = ["--store=/mnt".to_owned()];
        let hook = Hook::new("/opt/intel/fpga-sw/fpgactl", "poststop", &more, 120);
        let expected = serde_json::json!({
            "version": "1.0.0",
            "hook": {
                "path": "/opt/intel/fpga-sw/fpgactl",
                "args": ["fpgactl", "oci-hook", "--stage", "poststop", "--store=/mnt"],
                "timeout": 120,
            },
            "when": {"always": true},
            "stages": ["poststop"],
        });
        let bytes = hook.to_bytes().unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), expected);
        assert_eq!(file_name("createRuntime"), "fpgactl-createruntime.json");
    }

    #[test]
    fn a_file_is_ours_by_what_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file_name("poststop"));
        let is_ours = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            super::is_ours(&path, "poststop")
        };
        assert!(!super::is_ours(&path, "poststop"));
        let hook = |stage| Hook::new("/opt/fpgactl", stage, &[], 1).to_bytes().unwrap();
        assert!(is_ours(&hook("poststop")));
        assert!(!is_ours(&hook("createRuntime")));
        for other in ["", "{", "[]", r#"{"hook":{"path":"/x","args":["x"]}}"#, r#"{"hook":7}"#] {
            assert!(!is_ours(other.as_bytes()), "{other}");
        }
    }
}
