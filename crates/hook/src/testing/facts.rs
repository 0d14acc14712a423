//! What a container's state and configuration say, read in the plainest way: by it the hook is judged.

use std::collections::BTreeSet;

use serde_json::Value;

const CONTAINERD: &str = "io.kubernetes.cri.sandbox-namespace";
const CRIO: &str = "io.kubernetes.cri-o.Labels";
const POD: &str = "io.kubernetes.pod.namespace";

pub(super) struct Facts {
    /// All namespaces that are named by anything a runtime writes.
    pub(super) namespaces: BTreeSet<String>,
    /// Names and values of the variables that ask for a function.
    pub(super) wanted: BTreeSet<(String, String)>,
    /// Numbers of its character devices.
    devices: BTreeSet<(i64, i64)>,
}

impl Facts {
    /// `None` when either text is no JSON as a whole; the hook passes over what is nothing to it.
    pub(super) fn new(state: &[u8], config: &[u8]) -> Option<Self> {
        let state: Value = serde_json::from_slice(state).ok()?;
        let config: Value = serde_json::from_slice(config).ok()?;
        let namespaces = [&state, &config].into_iter().flat_map(namespaces).collect();
        let env = strings(&config["process"]["env"]);
        let wanted = env.filter_map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let suffix = name.strip_prefix("FPGA_AFU")?;
            let value = value.replace('-', "").trim().to_lowercase();
            (suffix.is_empty() || is_number(suffix)).then(|| (name.to_owned(), value))
        });
        let devices = config["linux"]["devices"].as_array().into_iter().flatten();
        let devices = devices.filter(|device| device["type"] == "c" || device["type"] == "u");
        let devices = devices.map(|device| (number(&device["major"]), number(&device["minor"])));
        Some(Self { namespaces, wanted: wanted.collect(), devices: devices.collect() })
    }

    pub(super) fn has_device(&self, (major, minor): (u32, u32)) -> bool {
        self.devices.contains(&(major.into(), minor.into()))
    }
}

/// True of `_7`, but not of `_07` or `_MONITOR_PORT`.
fn is_number(suffix: &str) -> bool {
    let number = suffix.get(1..).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or_default();
    number > 0 && suffix == format!("_{number}")
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn namespaces(document: &Value) -> Vec<String> {
    let annotations = &document["annotations"];
    let labels =
        annotations[CRIO].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let crio = labels.as_ref().and_then(|labels| labels[POD].as_str());
    annotations[CONTAINERD].as_str().into_iter().chain(crio).map(str::to_owned).collect()
}
