//! The OCI state on standard input.

use std::io::Read;
use std::path::PathBuf;

use fpga::ledger::Owner;
use serde::Deserialize;

use super::annotations::Annotations;
use super::object::Object;
use crate::failure::{Code, Failure};

/// A pod's annotations, 256 KiB at most, may be in it several times and escaped.
const LIMIT: u64 = 4 << 20;
const WHAT: &str = "standard input";

/// What the hook needs of it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    pub(crate) id: String,
    bundle: Option<PathBuf>,
    /// The container's first process; 0 or nothing when it has ended.
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    pub(crate) annotations: Option<Annotations>,
}

impl State {
    pub(crate) fn read(source: impl Read) -> Result<Self, Failure> {
        let text = super::read(source, LIMIT, WHAT)?;
        serde_json::from_slice::<Object<Self>>(&text).map(|Object(state)| state).map_err(|error| {
            Failure::new(Code::Input, format!("{WHAT}: not an OCI state: {error}"))
        })
    }

    /// The container, as the ledger has it.
    pub(crate) fn owner(&self) -> Owner {
        Owner::container(self.id.clone(), self.pid)
    }

    /// The container's bundle directory.
    pub(crate) fn bundle(&self) -> Result<PathBuf, Failure> {
        let bundle = self.bundle.clone().filter(|path| !path.as_os_str().is_empty());
        bundle.ok_or_else(|| {
            Failure::new(Code::Input, format!("{WHAT}: the OCI state has no `bundle`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejects(text: &str, reason: &str) {
        let failure = State::read(text.as_bytes()).unwrap_err();
        assert_eq!(failure.code, Code::Input);
        assert!(failure.to_string().contains(reason), "{failure}");
    }

    /// Upstream: TestGetStdin/correct_stdin.
    #[test]
    fn accepts_a_state() {
        let state = State::read(
            &br#"{"ociVersion":"1.3.0","id":"c1","status":"creating","pid":7,"bundle":"/b",
                  "annotations":{"io.kubernetes.cri.sandbox-namespace":"default"},"more":[{}]}"#[..],
        )
        .unwrap();
        assert_eq!((state.id.as_str(), state.bundle().unwrap()), ("c1", PathBuf::from("/b")));
    }

    /// Upstream: TestGetStdin/bundle_field_is_not_set.
    #[test]
    fn rejects_a_state_without_bundle() {
        for text in ["{}", r#"{"bundle":null}"#, r#"{"bundle":""}"#] {
            let failure = State::read(text.as_bytes()).unwrap().bundle().unwrap_err();
            assert_eq!(failure.to_string(), "standard input: the OCI state has no `bundle`");
        }
    }

    /// Upstream: TestGetStdin/incorrect_JSON, TestProcess/Broken_stdin.
    #[test]
    fn rejects_what_is_not_a_state() {
        rejects("", "not an OCI state: EOF");
        rejects(r#"{"bundle":"/b""#, "EOF");
        rejects("bundle", "expected value");
        rejects(r#"{"bundle":7}"#, "invalid type");
        rejects(r#"["c1","/b",null]"#, "expected an object");
        rejects(r#"{"bundle":"/b"} {"bundle":"/c"}"#, "trailing characters");
        rejects(r#"{"bundle":"/b","bundle":"/c"}"#, "duplicate field");
        rejects(&"[".repeat(100_000), "not an OCI state");
        rejects(&format!(r#"{{"annotations":{}"#, "[".repeat(100_000)), "not an OCI state");
    }

    #[test]
    fn rejects_an_endless_state() {
        let failure = State::read(std::io::repeat(b' ')).unwrap_err();
        assert_eq!(failure.to_string(), "standard input: longer than 4194304 bytes");
    }
}
