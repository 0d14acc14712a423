//! The one call that a plugin makes to the kubelet.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga::names::ResourceName;
use kubelet_api::DEVICE_PLUGIN_VERSION;
use kubelet_api::v1beta1::RegisterRequest;
use kubelet_api::v1beta1::registration_client::RegistrationClient;

use crate::kubelet::dial::{DialError, dial};
use crate::plugin::service::OPTIONS;

/// A registration that failed and may succeed later.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegisterError {
    /// No kubelet listens.
    #[error("cannot connect to the kubelet at {}: {error}", path.display())]
    Connect { path: PathBuf, error: io::Error },
    /// The kubelet does not speak the protocol, or went away.
    #[error("the kubelet at {} broke off: {error}", path.display())]
    Transport { path: PathBuf, error: tonic::transport::Error },
    /// The kubelet answered that it will not have the resource.
    #[error("the kubelet refused: {0}")]
    Refused(String),
    /// The kubelet did not answer.
    #[error("the kubelet did not answer Register within {}s", .0.as_secs())]
    Silent(Duration),
}

/// Registers a resource whose server listens already.
///
/// # Errors
/// [`RegisterError`], at the latest after `limit`.
pub(super) async fn register(
    kubelet: &Path,
    resource: &ResourceName,
    limit: Duration,
) -> Result<(), RegisterError> {
    let request = RegisterRequest {
        version: DEVICE_PLUGIN_VERSION.to_owned(),
        endpoint: resource.socket_name(),
        resource_name: resource.to_string(),
        options: Some(OPTIONS),
    };
    match tokio::time::timeout(limit, call(kubelet, request)).await {
        Ok(result) => result,
        Err(_) => Err(RegisterError::Silent(limit)),
    }
}

async fn call(kubelet: &Path, request: RegisterRequest) -> Result<(), RegisterError> {
    let channel = dial(kubelet).await.map_err(|error| match error {
        DialError::Connect(error) => RegisterError::Connect { path: kubelet.to_owned(), error },
        DialError::Transport(error) => RegisterError::Transport { path: kubelet.to_owned(), error },
    })?;
    match RegistrationClient::new(channel).register(request).await {
        Ok(_) => Ok(()),
        Err(status) => Err(RegisterError::Refused(refusal(&status))),
    }
}

/// A status without a message still has a code.
fn refusal(status: &tonic::Status) -> String {
    match status.message() {
        "" => status.code().to_string(),
        message => message.to_owned(),
    }
}
