//! The files that tell runtimes of the hook: CDI specs, and hooks of CRI-O without CDI.

use std::path::{Path, PathBuf};

use fpga::names::CDI_KIND;
use serde::Deserialize;

use super::host::children;
use fpga::files::read;

/// Longer than a spec of every card that fits in a machine.
const LIMIT: u64 = 1 << 20;
/// How the names of our hook files begin.
const HOOK_FILE: &str = "fpgactl-";

/// A file that defines CDI devices of ours.
pub(super) struct SpecFile {
    pub(super) path: PathBuf,
    /// What it says, or why nobody can read it.
    pub(super) spec: Result<Spec, String>,
}

/// A spec as far as it matters here (the CDI specification, 0.5.0).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) kind: String,
    pub(super) devices: Vec<Device>,
}

/// A device that a container can be given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) name: String,
    #[serde(default)]
    pub(super) container_edits: Edits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Edits {
    pub(super) device_nodes: Vec<DeviceNode>,
    pub(super) hooks: Vec<Hook>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceNode {
    pub(super) path: String,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
}

/// A program that a runtime runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook {
    /// When; in the files of CRI-O it is said elsewhere.
    #[serde(default)]
    pub(super) hook_name: String,
    pub(super) path: PathBuf,
    #[serde(default)]
    pub(super) args: Vec<String>,
}

/// A file of `hooks.d` with a hook of ours.
pub(super) struct HookFile {
    pub(super) path: PathBuf,
    pub(super) hook: Result<Hook, String>,
}

impl Spec {
    pub(super) fn hooks(&self) -> impl Iterator<Item = &Hook> {
        self.devices.iter().flat_map(|device| &device.container_edits.hooks)
    }
}

impl Hook {
    /// The value of an argument, in one word with it or in the next.
    pub(super) fn value(&self, flag: &str) -> Option<&str> {
        let mut words = self.args.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix(flag) {
                Some("") => return words.next().map(String::as_str),
                Some(rest) if rest.starts_with('=') => return Some(&rest[1..]),
                _ => {}
            }
        }
        None
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.args.iter().any(|word| word == flag)
    }
}

/// The files in these directories that define devices of ours, by their names.
pub(super) fn files(directories: &[PathBuf]) -> Vec<SpecFile> {
    let prefix = CDI_KIND.replace('/', "-");
    let mut files = Vec::new();
    for (index, directory) in directories.iter().enumerate() {
        if directories[..index].contains(directory) {
            continue;
        }
        let names = children(directory).unwrap_or_default();
        let ours = names.into_iter().filter(|name| name.starts_with(&prefix));
        files.extend(ours.filter_map(|name| file(directory, &name)));
    }
    files
}

fn file(directory: &Path, name: &str) -> Option<SpecFile> {
    let path = directory.join(name);
    // Runtimes read files that end so, and no others.
    let spec = match path.extension()?.to_str()? {
        "json" => parse(&path),
        "yaml" => Err("it is YAML, which Intel's plugin writes and kube-fpga does not".to_owned()),
        _ => return None,
    };
    Some(SpecFile { path, spec })
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, String> {
    let text = read(path, LIMIT).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

/// The files in `directory` that `fpgactl install-host --hooks-dir` puts there.
pub(super) fn hook_files(directory: &Path) -> Vec<HookFile> {
    #[derive(Deserialize)]
    struct Document {
        hook: Hook,
    }
    let names = children(directory).unwrap_or_default();
    let ours = names.iter().filter(|name| name.starts_with(HOOK_FILE) && name.ends_with(".json"));
    ours.map(|name| {
        let path = directory.join(name);
        HookFile { hook: parse::<Document>(&path).map(|document| document.hook), path }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_their_values_in_one_word_or_in_two() {
        let words = ["fpgactl", "--store=/a", "--grants", "/b", "--allow-any", "--last"];
        let hook = Hook {
            hook_name: String::new(),
            path: "/x".into(),
            args: words.map(str::to_owned).to_vec(),
        };
        assert_eq!(hook.value("--store"), Some("/a"));
        assert_eq!(hook.value("--grants"), Some("/b"));
        assert_eq!(hook.value("--last"), None);
        assert_eq!(hook.value("--stor"), None);
        assert!(hook.has("--allow-any") && !hook.has("--store"));
    }
}
