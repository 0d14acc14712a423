//! Follows the Secret and serves what is in it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use rustls::crypto::CryptoProvider;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;

use super::keyring::Keyring;
use super::pair::Pair;
use crate::client::Reach;
use crate::tls::Serving;

/// What is known of the Secret: nothing yet, that there is none, or what it is.
#[derive(Clone, Default)]
pub enum Known {
    /// Nobody has answered yet.
    #[default]
    Nothing,
    /// There is none.
    Absent,
    /// It is this.
    Secret(Arc<Secret>),
}

/// Serves the current certificate of the Secret `name`, and passes the Secret on to who renews it. Never ends.
pub async fn follow(
    client: Client,
    namespace: String,
    name: String,
    serving: Serving,
    provider: Arc<CryptoProvider>,
    known: watch::Sender<Known>,
) {
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let mut reach = Reach::new("certificate");
    let mut replica = Replica { serving, provider, served: None, refused: None };
    let mut updates = std::pin::pin!(watch_object(secrets, &name));
    while let Some(update) = updates.next().await {
        match update {
            Ok(Some(secret)) => {
                reach.succeeded();
                replica.serve(&name, Keyring::of(&secret).current);
                known.send_replace(Known::Secret(Arc::new(secret)));
            }
            Ok(None) => {
                reach.succeeded();
                known.send_replace(Known::Absent);
            }
            Err(error) => tokio::time::sleep(reach.watch_failed(&error)).await,
        }
    }
}

/// One place where certificates come from.
pub(super) struct Replica {
    pub(super) serving: Serving,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) served: Option<Pair>,
    /// What was last complained of.
    pub(super) refused: Option<String>,
}

impl Replica {
    /// Serves a certificate, unless it is the same or cannot be: then the last good one stays.
    pub(super) fn serve(&mut self, place: &str, pair: Option<Pair>) {
        let Some(pair) = pair else {
            return self.complain(place, "it holds no certificate yet");
        };
        if self.served.as_ref() == Some(&pair) {
            return;
        }
        match pair.load(&self.provider) {
            Ok(certified) => {
                self.serving.set(certified);
                self.served = Some(pair);
                self.refused = None;
                tracing::info!("serving the certificate of {place}");
            }
            Err(error) => self.complain(place, &error.to_string()),
        }
    }

    pub(super) fn complain(&mut self, place: &str, reason: &str) {
        if self.refused.as_deref() != Some(reason) {
            tracing::warn!("{place}: {reason}");
        }
        self.refused = Some(reason.to_owned());
    }
}
