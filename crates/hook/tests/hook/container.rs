//! A container as a runtime describes it to a hook.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::node::{A10, Node};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The id of a process that has ended.
fn ended() -> u32 {
    static PID: LazyLock<u32> = LazyLock::new(|| {
        let mut process = Command::new("true").spawn().unwrap();
        process.wait().unwrap();
        process.id()
    });
    *PID
}

/// Whose description it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Runtime {
    Containerd,
    Crio,
}

impl Runtime {
    pub(crate) const ALL: [Self; 2] = [Self::Containerd, Self::Crio];

    fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Containerd => (
                include_str!("fixtures/containerd-state.json"),
                include_str!("fixtures/containerd-config.json"),
            ),
            Self::Crio => (
                include_str!("fixtures/crio-state.json"),
                include_str!("fixtures/crio-config.json"),
            ),
        }
    }
}

/// Each has its own id and a process that has ended already, so that another one can have its regions; a runtime
/// runs the hook while it is there.
#[derive(Clone)]
pub(crate) struct Container<'a> {
    node: &'a Node,
    name: String,
    pub(crate) state: Value,
    pub(crate) config: Value,
}

impl<'a> Container<'a> {
    /// A container in namespace `vision`.
    pub(crate) fn new(node: &'a Node) -> Self {
        Self::of(node, Runtime::Containerd, "vision")
    }

    pub(crate) fn of(node: &'a Node, runtime: Runtime, namespace: &str) -> Self {
        let (state, config) = runtime.files();
        let parse =
            |text: &str| serde_json::from_str(&text.replace("NAMESPACE", namespace)).unwrap();
        let (mut state, config): (Value, Value) = (parse(state), parse(config));
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        state["id"] = json!(format!("{serial:064x}"));
        state["pid"] = json!(ended());
        Self { node, name: "bundle".to_owned(), state, config }
    }

    /// Whose process runs as long as the test.
    pub(crate) fn running(mut self) -> Self {
        self.state["pid"] = json!(std::process::id());
        self
    }

    /// One among several.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Allowed to open every device.
    pub(crate) fn privileged(mut self) -> Self {
        self.config["linux"]["resources"]["devices"] = json!([{ "allow": true, "access": "rwm" }]);
        self
    }

    /// Given a device by a CDI specification, which brings its hooks.
    pub(crate) fn allocated(mut self, device: &str, usage: &str) -> Self {
        for stage in ["createRuntime", "poststop"] {
            let args =
                ["fpga-hook", "oci-hook", "--stage", stage, "--device", device, "--use", usage];
            let hook = json!({ "path": "/opt/intel/fpga-sw/fpga-hook", "args": args });
            let hooks = &mut self.config["hooks"][stage];
            match hooks.as_array_mut() {
                Some(hooks) => hooks.push(hook),
                None => *hooks = json!([hook]),
            }
        }
        self
    }

    /// With an entry in its environment.
    pub(crate) fn env(mut self, entry: &str) -> Self {
        self.config["process"]["env"].as_array_mut().unwrap().push(json!(entry));
        self
    }

    /// Promised a function, by variables of this number.
    pub(crate) fn promised(self, number: usize, image: &str) -> Self {
        self.env(&format!("FPGA_REGION_{number}={A10}")).env(&format!("FPGA_AFU_{number}={image}"))
    }

    /// With a port of the node.
    pub(crate) fn with(self, port: &str) -> Self {
        self.with_at(port, &format!("/dev/{port}"))
    }

    /// With a port of the node that has this path in the container.
    pub(crate) fn with_at(mut self, port: &str, path: &str) -> Self {
        let (major, minor) = self.node.number(port);
        self.config["linux"]["devices"].as_array_mut().unwrap().push(json!({
            "path": path, "type": "c", "major": major, "minor": minor, "fileMode": 432,
        }));
        self
    }

    /// Writes its bundle, and gives its state.
    pub(crate) fn write(&self) -> Vec<u8> {
        let bundle = self.node.path(&self.name);
        fs::create_dir_all(&bundle).unwrap();
        fs::write(bundle.join("config.json"), self.config.to_string()).unwrap();
        self.state()
    }

    /// Its state, whether its bundle is there or not.
    pub(crate) fn state(&self) -> Vec<u8> {
        let mut state = self.state.clone();
        if state["bundle"] == "BUNDLE" {
            state["bundle"] = json!(self.node.path(&self.name));
        }
        state.to_string().into_bytes()
    }
}
