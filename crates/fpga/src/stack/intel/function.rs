//! What is behind a port, read from its `afu_id`.

use nix::errno::Errno;

use crate::card::Function;
use crate::id::{AfuId, ParseIdError};
use crate::sysfs::AttrError;

/// Why an `afu_id` attribute does not say what is loaded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum FunctionError {
    Attribute(#[from] AttrError),
    Malformed(#[from] ParseIdError),
}

/// What an `afu_id` attribute says. The kernel answers EBUSY while the port is disabled, as it is during a
/// reconfiguration and after a failed one (`afu_id_show` in dfl-afu-main.c). Where there is no such attribute,
/// `is_driven` says whether a driver is bound to the port (`port_afu_attrs_visible` in the same file).
///
/// # Errors
/// It does not say; the function is [`Function::Unreadable`] for this reason.
pub(super) fn of_attribute(
    attribute: Result<Option<String>, AttrError>,
    is_driven: impl FnOnce() -> bool,
) -> Result<Function, FunctionError> {
    let text = match attribute {
        Ok(Some(text)) => text,
        Ok(None) if is_driven() => return Ok(Function::Anonymous),
        Ok(None) => return Ok(Function::Absent),
        Err(AttrError::Os(Errno::EBUSY)) => return Ok(Function::Busy),
        Err(error) => return Err(error.into()),
    };
    Ok(match text.parse::<AfuId>()? {
        id if id.is_crash_marker() => Function::Crashed,
        afu_id => Function::Loaded { afu_id },
    })
}
