//! Follows the Secret and serves what is in it.

use std::sync::Arc;

use fpga_cluster::reach::Reach;
use fpga_cluster::told::Told;
use fpga_cluster::watch::Watch;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls::crypto::CryptoProvider;
use tokio::sync::watch;

use super::keyring::Keyring;
use super::pair::Pair;
use crate::tls::Serving;

/// What is known of the Secret: nothing yet, that there is none, or what it is.
#[derive(Clone, Default)]
pub(crate) enum Known {
    /// Nobody has answered yet.
    #[default]
    Nothing,
    /// There is none.
    Absent,
    /// It is this.
    Secret(Arc<Secret>),
}

/// Serves the current certificate of the Secret `name`, and passes the Secret on to who renews it. Never ends.
pub(crate) async fn follow(
    client: Client,
    namespace: String,
    name: String,
    serving: Serving,
    provider: Arc<CryptoProvider>,
    known: watch::Sender<Known>,
) {
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let mut replica = Replica { serving, provider, served: None, refused: Told::default() };
    let mut updates = Watch::one(secrets, &name, Reach::new("certificate"));
    loop {
        known.send_replace(match updates.next().await {
            Some(secret) => {
                replica.serve(&name, Keyring::of(&secret).current);
                Known::Secret(Arc::new(secret))
            }
            None => Known::Absent,
        });
    }
}

/// One place where certificates come from.
pub(super) struct Replica {
    pub(super) serving: Serving,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) served: Option<Pair>,
    /// What was last complained of.
    pub(super) refused: Told,
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
                self.refused.clear();
                tracing::info!("serving the certificate of {place}");
            }
            Err(error) => self.complain(place, &error.to_string()),
        }
    }

    pub(super) fn complain(&mut self, place: &str, reason: &str) {
        if self.refused.is_news(reason.to_owned()) {
            tracing::warn!("{place}: {reason}");
        }
    }
}
