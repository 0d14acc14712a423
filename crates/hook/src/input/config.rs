//! The container's configuration, `config.json` in its bundle: its environment, its devices, and which of them were
//! allocated to it.
//!
//! Only these and the annotations are of interest, so they are read into a few types of our own.
//! A full model of the specification would keep all the rest in memory, and would refuse a container
//! because of parts that are nobody's business here.

use std::fmt;
use std::io;
use std::path::Path;

use fpga::card::DeviceNumber;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::allocation::Allocation;
use super::annotations::Annotations;
use super::object::Object;
use crate::failure::{Code, Failure};
use crate::promise;

/// Far more than an environment (which is bounded by `ARG_MAX`), devices and mounts need.
const LIMIT: u64 = 16 << 20;

/// What the hook needs of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// The entries of the environment that are about FPGAs.
    pub(crate) env: Vec<String>,
    /// The character devices, without repetition.
    pub(crate) devices: Vec<DeviceNumber>,
    /// True when every device of the node may be opened in it.
    pub(crate) is_privileged: bool,
    /// What the specifications say that was allocated to it.
    pub(crate) allocation: Allocation,
    pub(crate) annotations: Annotations,
}

impl Config {
    /// Reads the configuration in a bundle.
    pub(crate) fn read(bundle: &Path) -> Result<Self, Failure> {
        let path = bundle.join("config.json");
        let file = fpga::files::open(&path)
            .map_err(|error| Failure::new(Code::Input, format!("{}: {error}", path.display())))?;
        Self::read_from(&path, file)
    }

    /// Reads the configuration in the open file of this path.
    pub(crate) fn read_from(path: &Path, file: impl io::Read) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = super::read(file, LIMIT, &name)?;
        Self::parse(&text).map_err(|error| {
            Failure::new(Code::Input, format!("{name}: not an OCI configuration: {error}"))
        })
    }

    fn parse(text: &[u8]) -> serde_json::Result<Self> {
        let Object(document) = serde_json::from_slice::<Object<Document>>(text)?;
        let Object(linux) = document.linux.unwrap_or_default();
        let Object(process) = document.process.unwrap_or_default();
        let Object(resources) = linux.resources.unwrap_or_default();
        let rules = resources.devices.unwrap_or_default();
        let devices = linux.devices.unwrap_or_default();
        let mut devices: Vec<_> = devices.iter().filter_map(|Object(d)| d.number()).collect();
        devices.sort_unstable();
        devices.dedup();
        Ok(Self {
            env: process.env.0,
            devices,
            is_privileged: rules.iter().any(|Object(rule)| rule.allows_all()),
            allocation: document.hooks.unwrap_or_default(),
            annotations: document.annotations.unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
struct Document {
    annotations: Option<Annotations>,
    hooks: Option<Allocation>,
    process: Option<Object<Process>>,
    linux: Option<Object<Linux>>,
}

#[derive(Default, Deserialize)]
struct Process {
    #[serde(default)]
    env: Env,
}

#[derive(Default, Deserialize)]
struct Linux {
    devices: Option<Vec<Object<Device>>>,
    resources: Option<Object<Resources>>,
}

#[derive(Default, Deserialize)]
struct Resources {
    devices: Option<Vec<Object<Rule>>>,
}

/// A rule of the device cgroup. What it does not say stands for everything
/// (runtime-spec, config-linux.md, Allowed Device list).
#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    allow: bool,
    #[serde(rename = "type")]
    kind: Option<String>,
    major: Option<i64>,
    minor: Option<i64>,
    access: Option<String>,
}

impl Rule {
    /// As both runtimes give it to privileged containers alone.
    fn allows_all(&self) -> bool {
        let is_any = |number: Option<i64>| number.is_none_or(|number| number == -1);
        let has = |access: &str, kind| access.contains(kind);
        let writes =
            self.access.as_deref().is_none_or(|access| has(access, 'r') && has(access, 'w'));
        let kind = self.kind.as_deref().unwrap_or_default();
        self.allow && matches!(kind, "" | "a") && is_any(self.major) && is_any(self.minor) && writes
    }
}

#[derive(Deserialize)]
struct Device {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    major: i64,
    #[serde(default)]
    minor: i64,
}

impl Device {
    /// Of a character device: `c`, or `u` for one without buffer, which on Linux is the same.
    fn number(&self) -> Option<DeviceNumber> {
        let number =
            DeviceNumber { major: self.major.try_into().ok()?, minor: self.minor.try_into().ok()? };
        matches!(self.kind.as_str(), "c" | "u").then_some(number)
    }
}

/// The entries of the environment that are about FPGAs.
#[derive(Default)]
struct Env(Vec<String>);

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pick;

        impl<'de> Visitor<'de> for Pick {
            type Value = Env;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of variables")
            }

            fn visit_unit<E>(self) -> Result<Env, E> {
                Ok(Env::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Env, A::Error> {
                let mut picked = Vec::new();
                while let Some(entry) = entries.next_element::<String>()? {
                    if promise::is_about_fpgas(&entry) {
                        picked.push(entry);
                    }
                }
                Ok(Env(picked))
            }
        }

        deserializer.deserialize_any(Pick)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn device(major: u32, minor: u32) -> DeviceNumber {
        DeviceNumber { major, minor }
    }

    fn accepts(text: &str) -> Config {
        Config::parse(text.as_bytes()).unwrap()
    }

    fn rejects(text: &str, reason: &str) {
        let error = Config::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    /// Upstream: TestGetConfig/correct_config.
    #[test]
    fn accepts_a_configuration() {
        let config = accepts(
            r#"{"ociVersion":"1.3.0",
                "process":{"cwd":"/","env":["PATH=/bin","FPGA=yes","FPGA_REGION_1=a","FPGA_AFU_1=b","FPGA_AFU"]},
                "linux":{"devices":[
                    {"path":"/dev/x","type":"c","major":245,"minor":1,"fileMode":438,"uid":0,"gid":0},
                    {"path":"/dev/y","type":"u","major":244,"minor":0},
                    {"path":"/dev/z","type":"c","major":245,"minor":1},
                    {"path":"/dev/sda","type":"b","major":8,"minor":0},
                    {"path":"/run/fifo","type":"p"},
                    {"path":"/dev/odd","type":"c","major":-1,"minor":4294967296}]},
                "annotations":{"com.intel.fpga.mode":"fpga.intel.com/region"}}"#,
        );
        assert_eq!(config.env, ["FPGA_REGION_1=a", "FPGA_AFU_1=b", "FPGA_AFU"]);
        assert_eq!(config.devices, [device(244, 0), device(245, 1)]);
    }

    /// Upstream: TestGetConfig/no_process_key_in_JSON, no_process.env_key_in_JSON,
    /// no_linux_key_in_JSON, no_linux.devices_key_in_JSON: refused there. A container that neither has
    /// FPGAs nor asks for any is let through here; what the others lack is said when they are planned.
    #[test]
    fn accepts_a_configuration_without_what_is_of_interest() {
        for text in [
            "{}",
            r#"{"process":{},"linux":{}}"#,
            r#"{"process":null,"linux":null,"annotations":null}"#,
            r#"{"process":{"env":null},"linux":{"devices":null}}"#,
            r#"{"process":{"env":[]},"linux":{"devices":[]}}"#,
        ] {
            assert_eq!(accepts(text), Config::default(), "{text}");
        }
    }

    /// Upstream: TestGetConfig/incorrect_JSON, TestProcess/Broken_config.
    #[test]
    fn rejects_what_is_no_configuration() {
        rejects("", "EOF");
        rejects("null", "invalid type");
        rejects(r#"{"process":{"env":["#, "EOF");
        rejects(r#"{"process":{"env":[7]}}"#, "invalid type");
        rejects(r#"{"process":{"env":"FPGA_AFU_1=b"}}"#, "a list of variables");
        rejects(r#"{"linux":{"devices":[{"type":"c","major":"245"}]}}"#, "invalid type");
        rejects(r#"{"linux":{"devices":[{"major":1}]}}"#, "missing field `type`");
        rejects(r#"{"linux":{"devices":[{"type":"c","major":9223372036854775808}]}}"#, "invalid");
        rejects(r#"{"process":{},"process":{}}"#, "duplicate field");
        rejects(r#"[null,{"env":["FPGA_AFU_1=b"]}]"#, "expected an object");
        rejects(r#"{"process":[["FPGA_AFU_1=b"]]}"#, "expected an object");
        rejects(r#"{"linux":{"devices":[["c",245,1]]}}"#, "expected an object");
        rejects(&format!(r#"{{"process":{}"#, r#"{"env":"#.repeat(10_000)), "");
    }

    /// Upstream: TestGetConfig/config_file_doesn't_exist, TestGetStdin/bundle_directory_doesn't_exist.
    #[test]
    fn rejects_a_file_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        for bundle in [dir.path().to_owned(), dir.path().join("none")] {
            let error = Config::read(&bundle).unwrap_err();
            assert!(error.to_string().contains("config.json: No such file"), "{error:?}");
        }
        fs::create_dir(dir.path().join("config.json")).unwrap();
        let error = Config::read(dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("config.json: not a regular file"));
    }

    #[test]
    fn rejects_a_file_longer_than_any_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("config.json")).unwrap();
        file.set_len(LIMIT + 1).unwrap();
        let error = Config::read(dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("longer than 16777216 bytes"));
    }
}
