//! The text of a spec.
//!
//! Written with types of our own: the crate container-device-interface has private fields and no way to
//! build a spec but from text, and brings a JSON schema validator, an HTTP client and a YAML parser into a
//! process that only ever writes a dozen fixed fields.
//!
//! The version is the lowest that has all of these fields, so that old runtimes read it: `hostPath` of a
//! device node came with 0.5.0.

use std::time::Duration;

use fpga::names::{CDI_KIND, HOOK_COMMAND, HOOK_DEVICE, HOOK_STAGE, HOOK_USE, Use};
use fpga::root::host_node;
use serde::Serialize;

use crate::node::units::Node;
use crate::plugin::device::Device;

const VERSION: &str = "0.5.0";

/// Stages of a container's life at which the hook runs, as the OCI runtime specification calls them.
const STAGES: [&str; 2] = ["createRuntime", "poststop"];
/// What a hook may take beyond the time that it waits for cards: programming that began is not cut
/// short.
const PROGRAMMING: Duration = Duration::from_secs(10);

/// The program that a runtime runs for a container with a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Its absolute path on the host.
    pub path: String,
    /// What it is given beyond the stage.
    pub arguments: Vec<String>,
    /// How long it waits for cards that others program.
    pub timeout: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    cdi_version: &'static str,
    kind: &'static str,
    devices: [SpecDevice<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpecDevice<'a> {
    name: &'a str,
    container_edits: Edits<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edits<'a> {
    device_nodes: Vec<DeviceNode>,
    hooks: Vec<SpecHook<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceNode {
    path: String,
    host_path: String,
    r#type: &'static str,
    major: u32,
    minor: u32,
    permissions: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpecHook<'a> {
    hook_name: &'static str,
    path: &'a str,
    args: Vec<&'a str>,
    /// In seconds.
    timeout: u64,
}

/// The spec of a device that is given for `usage`: its nodes, and the hook that prepares and cleans it.
#[must_use]
pub(crate) fn device_spec(device: &Device, usage: Use, hook: &Hook) -> Vec<u8> {
    let place = device.place.to_string();
    let about = [HOOK_DEVICE, &place, HOOK_USE, usage.as_str()];
    let edits = Edits {
        device_nodes: device.nodes.iter().map(node).collect(),
        hooks: STAGES.into_iter().map(|stage| at_stage(hook, stage, about)).collect(),
    };
    let devices = [SpecDevice { name: &device.id, container_edits: edits }];
    let spec = Spec { cdi_version: VERSION, kind: CDI_KIND, devices };
    // Texts and numbers cannot fail to be JSON.
    let mut text = serde_json::to_vec_pretty(&spec).unwrap_or_default();
    text.push(b'\n');
    text
}

fn node(node: &Node) -> DeviceNode {
    let path = host_node(&node.name);
    DeviceNode {
        host_path: path.clone(),
        path,
        r#type: "c",
        major: node.number.major,
        minor: node.number.minor,
        permissions: "rw",
    }
}

fn at_stage<'a>(hook: &'a Hook, stage: &'static str, about: [&'a str; 4]) -> SpecHook<'a> {
    // By convention a program's first argument is its own name; runtimes hand the list on as it is.
    let name = hook.path.rsplit('/').next().unwrap_or_default();
    let mut args = vec![name, HOOK_COMMAND, HOOK_STAGE, stage];
    // By these the hook tells what was allocated from what a privileged container lists besides.
    args.extend(about);
    args.extend(hook.arguments.iter().map(String::as_str));
    let timeout = (hook.timeout + PROGRAMMING).as_millis().div_ceil(1000);
    SpecHook {
        hook_name: stage,
        path: &hook.path,
        args,
        timeout: u64::try_from(timeout).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{device, nodes};

    fn hook() -> Hook {
        Hook {
            path: "/opt/intel/fpga-sw/fpgactl".to_owned(),
            arguments: vec!["--store".to_owned(), "/srv/fpga".to_owned()],
            timeout: Duration::from_millis(29_001),
        }
    }

    /// Upstream's spec has no node, no args[0] and no timeout (fault 8).
    #[test]
    fn a_spec_is_complete() {
        let hook_at = |stage: &str| {
            json!({
                "hookName": stage,
                "path": "/opt/intel/fpga-sw/fpgactl",
                "args": [
                    "fpgactl", "oci-hook", "--stage", stage, "--device", "0000-3b-00-0-slot1", "--use",
                    "region", "--store", "/srv/fpga",
                ],
                "timeout": 40,
            })
        };
        let expected = json!({
            "cdiVersion": "0.5.0",
            "kind": "intel.cdi.k8s.io/fpga",
            "devices": [{
                "name": "dfl-fme.0-port1",
                "containerEdits": {
                    "deviceNodes": [{
                        "path": "/dev/dfl-port.1", "hostPath": "/dev/dfl-port.1",
                        "type": "c", "major": 243, "minor": 0, "permissions": "rw",
                    }],
                    "hooks": [hook_at("createRuntime"), hook_at("poststop")],
                },
            }],
        });
        let device = Device {
            nodes: nodes(&["dfl-port.1"]),
            place: "0000-3b-00-0-slot1".parse().unwrap(),
            ..device("dfl-fme.0-port1", 0, None)
        };
        let text = device_spec(&device, Use::Region, &hook());
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected);
        assert_eq!(text.last(), Some(&b'\n'));
    }
}
