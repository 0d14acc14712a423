//! Whether a container may have what it was promised.

use std::path::Path;
use std::time::Duration;

use fpga::deadline::Deadline;
use fpga::grants::Grants;

use crate::failure::{Code, Failure};
use crate::input::{self, Annotations};
use crate::promise::Promise;
use crate::run::Hook;

/// How long a grant may be behind the pod that needs it: both come from the same API server, by different ways.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the grants are read again meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// Every promise must be granted to the pod's namespace. Where the promises come from cannot be told:
/// a container's image sets variables just as its pod does.
pub(crate) fn check(
    hook: &Hook<'_>,
    promises: &[Promise],
    sources: &[&Annotations],
) -> Result<(), Failure> {
    if hook.args.allow_any || promises.is_empty() {
        return Ok(());
    }
    let namespace = input::namespace(sources)?;
    granted_in_time(&hook.args.grants, promises, &namespace, hook.session.left())
}

/// Makes sure that `promises` are granted to `namespace` in the file `grants`. A grant that is a moment behind is waited
/// for, at most for `limit`.
///
/// # Errors
/// The first that is not granted, or that the grants are unknown.
pub fn granted_in_time(
    grants: &Path,
    promises: &[Promise],
    namespace: &str,
    limit: Duration,
) -> Result<(), Failure> {
    if promises.is_empty() {
        return Ok(());
    }
    let patience = Deadline::after(PATIENCE.min(limit));
    loop {
        let checked = granted(grants, promises, namespace);
        if checked.is_ok() || patience.left().is_zero() {
            return checked;
        }
        std::thread::sleep(POLL.min(patience.left()));
    }
}

/// What the grants say now.
fn granted(path: &Path, promises: &[Promise], namespace: &str) -> Result<(), Failure> {
    let grants = Grants::load(path).map_err(|error| Failure::new(Code::NotGranted, error))?;
    let refused =
        promises.iter().find(|promise| !grants.allows(namespace, promise.interface, promise.image));
    match refused {
        None => Ok(()),
        Some(Promise { variable, interface, image }) => Err(Failure::new(
            Code::NotGranted,
            format!(
                "{variable}: function {image} for region {interface} is not granted to namespace {namespace} in {}",
                path.display()
            ),
        )),
    }
}
