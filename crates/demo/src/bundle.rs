//! An OCI bundle as a container runtime would be handed it: the pod's part, and what the device plugin
//! and the CDI specifications add.

use std::path::{Path, PathBuf};

use anyhow::Context;
use kubelet_api::v1beta1::ContainerAllocateResponse;
use serde_json::{Value, json};

/// Directories of the machine that a container shares, so that its programs find their libraries.
const SHARED: [&str; 5] = ["/bin", "/lib", "/lib32", "/lib64", "/usr"];

/// Where the container finds the workload.
pub const PROGRAMS: &str = "/kube-fpga";

/// What a pod's author and the cluster say of a container.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its name, unique on the machine.
    pub id: String,
    /// The pod's namespace.
    pub namespace: String,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Script for `/bin/sh`.
    pub script: String,
}

/// A bundle directory and the configuration in it.
#[derive(Debug)]
pub struct Bundle {
    /// The directory.
    pub path: PathBuf,
    /// The container's name.
    pub id: String,
    /// What is in `config.json`.
    pub config: Value,
}

impl Bundle {
    /// Writes the bundle of a container that was given `responses` into `directory`, with the devices and
    /// hooks of the CDI devices in `cdi_dir` that the responses name.
    ///
    /// # Errors
    /// When a file cannot be written or a CDI device is not to be found.
    pub fn write(
        directory: &Path,
        container: &Container,
        programs: &Path,
        responses: &[ContainerAllocateResponse],
        cdi_dir: &Path,
    ) -> anyhow::Result<Self> {
        let mut config = base(container, programs)?;
        for response in responses {
            for (name, value) in &response.annotations {
                config["annotations"][name] = json!(value);
            }
            for device in &response.cdi_devices {
                apply(&mut config, &edits(cdi_dir, &device.name)?);
            }
        }
        std::fs::create_dir_all(directory.join("rootfs"))?;
        std::fs::write(directory.join("config.json"), serde_json::to_vec_pretty(&config)?)?;
        Ok(Self { path: directory.to_owned(), id: container.id.clone(), config })
    }

    /// The hooks of a stage.
    pub fn hooks(&self, stage: &str) -> impl Iterator<Item = &Value> {
        self.config["hooks"][stage].as_array().into_iter().flatten()
    }

    /// Device nodes of the container by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        let devices = self.config["linux"]["devices"].as_array().into_iter().flatten();
        let paths = devices.filter_map(|d| d["path"].as_str());
        paths.filter_map(|p| p.strip_prefix("/dev/")).map(str::to_owned).collect()
    }
}

/// The configuration before devices: the machine's programs, nothing else of it.
fn base(container: &Container, programs: &Path) -> anyhow::Result<Value> {
    let bind = |from: &Path, to: &str| json!({"destination": to, "type": "bind", "source": from, "options": ["rbind", "ro"]});
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}),
        bind(programs, PROGRAMS),
    ];
    for directory in SHARED {
        // A link such as /lib to /usr/lib is followed here: in an empty root it would lead nowhere.
        if let Ok(real) = std::fs::canonicalize(directory) {
            mounts.push(bind(&real, directory));
        }
    }
    let mut env = vec!["PATH=/bin:/usr/bin".to_owned()];
    env.extend(container.env.iter().cloned());
    let mapping = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/sh", "-c", container.script],
            "env": env,
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs"},
        "mounts": mounts,
        "annotations": {"io.kubernetes.cri.sandbox-namespace": container.namespace},
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "user"}],
            "uidMappings": mapping(nix::unistd::geteuid().as_raw()),
            "gidMappings": mapping(nix::unistd::getegid().as_raw()),
            "devices": [],
        },
    }))
}

/// The edits of a fully qualified CDI device, `vendor/class=name`.
fn edits(cdi_dir: &Path, qualified: &str) -> anyhow::Result<Value> {
    let (kind, name) =
        qualified.split_once('=').with_context(|| format!("{qualified:?} is no CDI device"))?;
    for entry in std::fs::read_dir(cdi_dir).with_context(|| cdi_dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let spec: Value = serde_json::from_slice(&std::fs::read(&path)?)
            .with_context(|| path.display().to_string())?;
        let devices = spec["devices"].as_array().into_iter().flatten();
        if let Some(device) = devices.filter(|_| spec["kind"] == kind).find(|d| d["name"] == name) {
            return Ok(device["containerEdits"].clone());
        }
    }
    anyhow::bail!("unresolvable CDI device {qualified}")
}

/// Adds CDI edits to a configuration as a runtime does (Container Device Interface specification).
fn apply(config: &mut Value, edits: &Value) {
    for node in edits["deviceNodes"].as_array().into_iter().flatten() {
        let device = json!({
            "path": node["path"], "type": node["type"], "major": node["major"], "minor": node["minor"],
            "fileMode": 0o666, "uid": 0, "gid": 0,
        });
        push(&mut config["linux"]["devices"], device);
    }
    for hook in edits["hooks"].as_array().into_iter().flatten() {
        let Some(stage) = hook["hookName"].as_str() else { continue };
        let mut entry = hook.clone();
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("hookName");
        }
        push(&mut config["hooks"][stage], entry);
    }
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = Value::Array(vec![item]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cdi_edits_become_devices_and_hooks() {
        let directory = tempfile::tempdir().unwrap();
        let spec = json!({"cdiVersion": "0.5.0", "kind": "v/c", "devices": [{"name": "n", "containerEdits": {
            "deviceNodes": [{"path": "/dev/dfl-port.0", "type": "c", "major": 240, "minor": 1}],
            "hooks": [{"hookName": "createRuntime", "path": "/h", "args": ["h", "x"], "timeout": 9}],
        }}]});
        std::fs::write(directory.path().join("s.json"), spec.to_string()).unwrap();
        let mut config = json!({"linux": {"devices": []}});
        apply(&mut config, &edits(directory.path(), "v/c=n").unwrap());
        assert_eq!(config["linux"]["devices"][0]["major"], 240);
        assert_eq!(
            config["hooks"]["createRuntime"][0],
            json!({"path": "/h", "args": ["h", "x"], "timeout": 9})
        );
        let error = edits(directory.path(), "v/c=other").unwrap_err().to_string();
        assert_eq!(error, "unresolvable CDI device v/c=other");
    }
}
