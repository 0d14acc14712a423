//! The programmer on this node, which does what the agent may not: open cards.

use std::path::PathBuf;
use std::time::Duration;

use fpga::id::DeviceId;
use fpga_programmer::Client;
use fpga_programmer::message::{Answer, Clean, Failed, Leftover, Request};

/// How long a slot may take to be cleaned. Whoever has its card locked is reprogramming it.
const CLEANING: Duration = Duration::from_secs(5);
/// How much later the answer may come.
const MARGIN: Duration = Duration::from_secs(15);

/// Where it listens.
#[derive(Debug, Clone)]
pub(crate) struct Programmer(Client);

/// A device that could not be cleaned.
#[derive(Debug, thiserror::Error)]
#[error("device {device} cannot be given to a container: {}", .failed.message)]
pub(crate) struct Uncleaned {
    pub device: DeviceId,
    pub failed: Failed,
}

impl Programmer {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self(Client::new(socket))
    }

    /// Cleans devices that nobody holds, as the kubelet knows. One that does not answer is no reason to give nothing to
    /// anybody: the hook is the last check.
    pub(crate) fn clean_all(&self, devices: &[DeviceId]) -> Result<(), Uncleaned> {
        for &device in devices {
            match self.clean(device) {
                Ok(Ok(())) => {}
                Ok(Err(failed)) => return Err(Uncleaned { device, failed }),
                Err(reason) => {
                    tracing::warn!(%device, "not reset before it is handed out: {reason}")
                }
            }
        }
        Ok(())
    }

    /// Cleans a device that nobody holds, as the kubelet knows.
    ///
    /// # Errors
    /// Why there is no answer; within it, why the device is not clean.
    pub(crate) fn clean(&self, device: DeviceId) -> Result<Result<(), Failed>, String> {
        let timeout_ms = u64::try_from(CLEANING.as_millis()).unwrap_or(u64::MAX);
        let request = Request::Clean(Clean { what: Leftover::Device(device), timeout_ms });
        match self.0.call(&request, CLEANING + MARGIN) {
            Ok(Answer::Done(_)) => Ok(Ok(())),
            Ok(Answer::Failed(failed)) => Ok(Err(failed)),
            Ok(Answer::Status(_)) => Err("the programmer answers something else".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
