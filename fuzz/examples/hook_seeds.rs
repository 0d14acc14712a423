//! Writes the seeds for the runtime hook: `cargo run --example hook_seeds`, in this directory. A
//! container whose name begins with `good-` is let start, the others are not; likewise environments.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const OTHER: &str = "9926ab6d6c925a68aabca7d84c545738";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";
const SECRET: &str = "331db30c988541ea9081f88b8f655caa";
const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";
/// The annotation of containerd.
const NAMESPACE: &str = "io.kubernetes.cri.sandbox-namespace";
const LABELS: &str = "io.kubernetes.cri-o.Labels";

/// What Kubernetes sets for Services `fpga-afu-monitor` and `fpga-region-1`, and what is spelled almost as a promise.
const SERVICES: [&str; 10] = [
    "FPGA_AFU_MONITOR_SERVICE_HOST=10.96.0.7",
    "FPGA_AFU_MONITOR_PORT=tcp://10.96.0.7:80",
    "FPGA_AFU_MONITOR_PORT_80_TCP_ADDR=10.96.0.7",
    "FPGA_REGION_1_SERVICE_HOST=10.96.0.8",
    "FPGA_REGION_1_PORT=tcp://10.96.0.8:80",
    "FPGA_AFU_1_NAME=/test/fpga-afu-1",
    "FPGA_AFU_=x",
    "FPGA_AFU_0=x",
    "FPGA_AFU_01=x",
    "FPGA_REGION_18446744073709551617=x",
];

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in [("oci_state_config", containers()), ("env", environments())] {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory)?;
        for (name, bytes) in seeds {
            fs::write(directory.join(name), bytes)?;
        }
    }
    Ok(())
}

/// A container as a runtime describes it.
struct Container {
    state: Value,
    config: Value,
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../crates/hook/tests/hook/fixtures/", $name, ".json"))
    };
}

fn containerd(namespace: &str) -> Container {
    Container::new(namespace, fixture!("containerd-state"), fixture!("containerd-config"))
}

fn crio(namespace: &str) -> Container {
    Container::new(namespace, fixture!("crio-state"), fixture!("crio-config"))
}

impl Container {
    fn new(namespace: &str, state: &str, config: &str) -> Self {
        let parse = |text: &str| {
            let text = text.replace("NAMESPACE", namespace).replace("BUNDLE", "/run/bundle");
            serde_json::from_str(&text).expect("a fixture")
        };
        Self { state: parse(state), config: parse(config) }
    }

    fn env(mut self, entry: &str) -> Self {
        self.config["process"]["env"].as_array_mut().expect("a list").push(json!(entry));
        self
    }

    fn wants(self, number: u32, interface: &str, image: &str) -> Self {
        self.env(&format!("FPGA_REGION_{number}={interface}"))
            .env(&format!("FPGA_AFU_{number}={image}"))
    }

    /// With the port `dfl-port.<index>` of the node in `fpga_hook::testing::Node`.
    fn port(self, index: u32) -> Self {
        self.device("c", 235, index)
    }

    fn device(mut self, kind: &str, major: u32, minor: u32) -> Self {
        let device = json!({"path": "/dev/x", "type": kind, "major": major, "minor": minor});
        self.config["linux"]["devices"].as_array_mut().expect("a list").push(device);
        self
    }

    fn annotation(mut self, name: &str, value: &str) -> Self {
        self.state["annotations"][name] = json!(value);
        self
    }

    /// State and configuration with a zero byte between them.
    fn bytes(&self) -> Vec<u8> {
        format!("{}\0{}", self.state, self.config).into_bytes()
    }
}

fn containers() -> Seeds {
    let vision = || containerd("vision");
    let one_of = |container: Container| container.wants(1, A10, NLB0);
    let one = || one_of(vision()).port(0);
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8(one().bytes()).expect("JSON");
        assert!(text.contains(from), "{from}");
        text.replace(from, to).into_bytes()
    };
    let array_labels = format!("[\"{}\"]", "vision");
    let mut unnamed = one();
    unnamed.state["annotations"] = json!({});
    unnamed.config["annotations"] = Value::Null;
    let mut in_array = unnamed.state.clone();
    in_array["annotations"] = json!({LABELS: array_labels});
    let two = vision().wants(1, A10, NLB3).wants(2, A10, NLB0).port(1).port(2);
    let services = one_of(SERVICES.iter().fold(vision(), |container, entry| container.env(entry)));
    let all = vision().wants(1, A10, HASH).wants(2, A10, NLB0).wants(7, OTHER, NLB3);
    vec![
        ("good-containerd", one().bytes()),
        ("good-crio", crio("vision").wants(1, A10, NLB0).port(0).bytes()),
        ("good-nothing", vision().device("c", 1, 3).bytes()),
        ("good-bare", br#"{"bundle":"/b"}"#.iter().chain(b"\0{}").copied().collect()),
        ("good-two", two.bytes()),
        ("good-loaded", containerd("audio").wants(1, A10, HELLO).port(1).bytes()),
        (
            "good-interfaces",
            containerd("audio").wants(2, OTHER, NLB0).wants(1, A10, NLB3).port(3).port(0).bytes(),
        ),
        ("good-opencl", vision().wants(1, A10, HASH).device("u", 235, 0).bytes()),
        ("good-services", services.port(0).bytes()),
        (
            "good-first-form",
            crio("audio")
                .env(&format!("FPGA_REGION={A10}"))
                .env(&format!("FPGA_AFU={NLB3}"))
                .port(2)
                .bytes(),
        ),
        ("no-bitstream", all.port(0).port(1).port(3).bytes()),
        ("no-bundle", replaced("\"bundle\"", "\"bundles\"")),
        ("no-namespace", unnamed.bytes()),
        ("no-port", vision().wants(1, A10, NLB0).device("b", 235, 0).bytes()),
        ("port-too-many", one().port(1).bytes()),
        ("port-too-few", one().wants(2, A10, NLB3).bytes()),
        ("granted-to-others", containerd("audio").wants(1, A10, NLB0).port(0).bytes()),
        ("granted-to-none", crio("vision").wants(1, A10, SECRET).port(0).bytes()),
        ("second-granted-to-none", one().wants(2, A10, SECRET).port(1).bytes()),
        (
            "forged",
            crio("vision").wants(1, A10, HELLO).port(1).annotation(NAMESPACE, "audio").bytes(),
        ),
        ("labels-in-array", Container { state: in_array, config: unnamed.config.clone() }.bytes()),
        ("labels-broken", one().annotation(LABELS, "{").bytes()),
        ("two-values", one().env(&format!("FPGA_AFU_1={NLB3}")).bytes()),
        ("path", vision().wants(1, A10, &format!("../{NLB0}")).port(0).bytes()),
        ("number-too-long", replaced("\"minor\":0", "\"minor\":4294967296")),
        ("number-as-text", replaced("\"minor\":0", "\"minor\":\"0\"")),
        ("deep", [&b"{\"annotations\":{\"a\":"[..], &[b'['; 300]].concat()),
        ("cut", one().bytes()[..900].to_vec()),
        ("empty", Vec::new()),
    ]
}

fn environments() -> Seeds {
    let block = |entries: &[String]| entries.join("\0").into_bytes();
    let pair = |suffix: &str, interface: &str, image: &str| {
        [format!("FPGA_REGION{suffix}={interface}"), format!("FPGA_AFU{suffix}={image}")]
    };
    let one = pair("_1", A10, NLB3);
    let upper = pair("_1", A10, "F7DF405C-BD7A-CF72-22F1-44B0B93ACD18");
    let around = ["PATH=/usr/bin:/bin".to_owned(), "HOSTNAME=test-fpga-region".to_owned()];
    vec![
        ("good-one", block(&[&around[..], &one].concat())),
        ("good-two", block(&[pair("_1", A10, NLB0), pair("_10", OTHER, HASH)].concat())),
        ("good-first-form", block(&pair("", A10, NLB0))),
        ("good-twice", block(&[one.clone(), upper].concat())),
        (
            "good-dash-after-space",
            block(&[pair("_1", A10, NLB0), pair("_1", &format!("{A10} -"), NLB0)].concat()),
        ),
        (
            "good-others",
            block(&["FPGA=yes", "FPGA_REGIONS=x", "=FPGA_AFU_1", "="].map(str::to_owned)),
        ),
        ("good-services", block(&[&SERVICES.map(str::to_owned)[..], &one].concat())),
        ("good-escape", block(&pair("_\u{1b}[2J\n", A10, "x\u{9b}"))),
        ("good-digits", block(&pair("_\u{661}", A10, "x"))),
        ("good-not-utf8", [&b"FPGA_AFU_\xff="[..], &[0xfe; 32]].concat()),
        ("good-empty", Vec::new()),
        ("half", block(&one[..1])),
        ("other-half", block(&one[1..])),
        ("no-value", block(&[one[0].clone(), "FPGA_AFU_1".to_owned()])),
        ("two-values", block(&[one.clone(), pair("_1", A10, NLB0)].concat())),
        ("path", block(&pair("_1", A10, "../../etc/passwd"))),
        ("hash-as-region", block(&pair("_1", HASH, NLB3))),
        ("wide", block(&pair("_1", A10, &"é".repeat(16)))),
        ("escape", block(&pair("_1", A10, "x\u{1b}[2J\n\u{9b}"))),
        ("not-utf8", [&b"FPGA_AFU_1="[..], &[0xfe; 32]].concat()),
    ]
}
