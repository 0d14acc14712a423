//! What a container's state and configuration say, read in the plainest way: by it the hook is judged.

use std::collections::{BTreeMap, BTreeSet};

use fpga::id::DeviceId;
use serde_json::Value;

use super::node::Port;

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
    /// What hooks say that was allocated, and what for.
    told: BTreeMap<String, String>,
    /// What annotations say that was allocated.
    annotated: BTreeSet<String>,
    is_privileged: bool,
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
        let rules = config["linux"]["resources"]["devices"].as_array().into_iter().flatten();
        Some(Self {
            namespaces,
            wanted: wanted.collect(),
            devices: devices.collect(),
            told: told(&config["hooks"]),
            annotated: [&state, &config].into_iter().flat_map(annotated).collect(),
            is_privileged: rules.into_iter().any(allows_all),
        })
    }

    /// What a port of the container is for; `None` when it is not the container's.
    pub(super) fn usage(&self, Port { number, id, .. }: &Port) -> Option<&str> {
        if !self.has_device((number.major, number.minor)) {
            return None;
        }
        let (slot, card) = (id.to_string(), id.whole_card().to_string());
        let told = self.told.get(&slot).or_else(|| self.told.get(&card)).map(String::as_str);
        let is_annotated = self.annotated.contains(&slot) || self.annotated.contains(&card);
        match told {
            None if !self.is_privileged => Some("region"),
            None if self.told.is_empty() && is_annotated => Some("region"),
            told => told,
        }
    }

    fn has_device(&self, (major, minor): (u32, u32)) -> bool {
        self.devices.contains(&(major.into(), minor.into()))
    }
}

fn told(hooks: &Value) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for stage in ["createRuntime", "prestart", "poststop"] {
        for hook in hooks[stage].as_array().into_iter().flatten() {
            let words: Vec<&str> = strings(&hook["args"]).collect();
            let after = |flag| words.iter().skip_while(|word| **word != flag).nth(1).copied();
            let usage = after("--use").unwrap_or("region");
            let is_ours = words.get(1) == Some(&"oci-hook")
                && ["region", "function", "development"].contains(&usage);
            let device = after("--device").filter(|device| device.parse::<DeviceId>().is_ok());
            if let Some(device) = device.filter(|_| is_ours) {
                let known = told.entry(device.to_owned()).or_insert_with(|| usage.to_owned());
                if known != usage {
                    *known = "region".to_owned();
                }
            }
        }
    }
    told
}

fn allows_all(rule: &Value) -> bool {
    let any = |name: &str| matches!(rule[name].as_i64(), None | Some(-1));
    let kind = rule["type"].as_str().unwrap_or("a");
    let access = rule["access"].as_str().unwrap_or("rwm");
    rule["allow"] == true
        && ["", "a"].contains(&kind)
        && any("major")
        && any("minor")
        && access.contains('r')
        && access.contains('w')
}

fn annotated(document: &Value) -> Vec<String> {
    let list = document["annotations"]["com.intel.fpga.devices"].as_str().unwrap_or_default();
    list.split(',').filter(|id| id.parse::<DeviceId>().is_ok()).map(str::to_owned).collect()
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
