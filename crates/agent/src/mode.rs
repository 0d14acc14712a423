//! The mode that is in force: the configured one, unless the node's annotation says otherwise.
//!
//! The annotation is watched through the API server, in the background: the agent serves in the
//! configured mode until it knows better, and when the API server is away it goes on as it was.

use fpga::names::{Mode, NODE_MODE_ANNOTATION, UnknownWord};
use k8s_openapi::api::core::v1::Node;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;

use crate::api::{self, Server, chain, is_gone};

/// Starts watching the annotation of `node`. The value is `configured` until the annotation is known.
#[must_use]
pub fn follow(configured: Mode, node: String, server: Server) -> watch::Receiver<Mode> {
    let (mode, receiver) = watch::channel(configured);
    let follower = Follower { configured, node, mode, reachable: true, told: None };
    tokio::spawn(follower.run(server));
    receiver
}

/// Waits until the mode is as `wanted`: for ever, when it cannot change any more.
pub(crate) async fn reached(mode: &mut watch::Receiver<Mode>, wanted: impl Fn(Mode) -> bool) {
    let is_closed = mode.wait_for(|mode| wanted(*mode)).await.is_err();
    if is_closed {
        std::future::pending::<()>().await;
    }
}

struct Follower {
    configured: Mode,
    node: String,
    mode: watch::Sender<Mode>,
    /// Whether the last word to the log was that the API server answers.
    reachable: bool,
    /// The wrong annotation that was last complained of.
    told: Option<String>,
}

impl Follower {
    async fn run(mut self, server: Server) {
        let mut backoff = api::backoff();
        let client = loop {
            match server.client().await {
                Ok(client) => break client,
                Err(error) => self.unreachable(&error),
            }
            tokio::time::sleep(backoff.delay()).await;
        };
        let nodes = Api::<PartialObjectMeta<Node>>::all(client);
        let mut updates = std::pin::pin!(watch_object(nodes, &self.node));
        while let Some(update) = updates.next().await {
            match update {
                Ok(node) => {
                    backoff.reset();
                    self.answered();
                    let annotations = node.as_ref().map(|node| node.annotations());
                    let value = annotations.and_then(|all| all.get(NODE_MODE_ANNOTATION));
                    self.take(value.map(String::as_str));
                }
                // The history that the watch stood on has been compacted; it starts over by itself.
                Err(error) if is_gone(&error) => tracing::debug!("node {}: {error}", self.node),
                Err(error) => {
                    self.unreachable(&error);
                    tokio::time::sleep(backoff.delay()).await;
                }
            }
        }
    }

    fn take(&mut self, annotation: Option<&str>) {
        let mode = match decide(self.configured, annotation) {
            Ok(mode) => {
                self.told = None;
                mode
            }
            Err(error) => {
                if self.told.as_deref() != annotation {
                    let (node, configured) = (&self.node, self.configured);
                    tracing::warn!(
                        "node {node}: annotation {NODE_MODE_ANNOTATION}: {error}; using mode {configured}"
                    );
                    self.told = annotation.map(str::to_owned);
                }
                self.configured
            }
        };
        self.mode.send_if_modified(|current| {
            let changed = *current != mode;
            if changed && annotation.is_some() {
                tracing::info!(
                    "mode {mode} overrides {} by the annotation of node {}",
                    self.configured,
                    self.node
                );
            }
            *current = mode;
            changed
        });
    }

    fn answered(&mut self) {
        if !self.reachable {
            tracing::info!("the API server answers again");
        }
        self.reachable = true;
    }

    fn unreachable(&mut self, error: &dyn std::error::Error) {
        let reason = chain(error);
        if self.reachable {
            let (node, mode) = (&self.node, *self.mode.borrow());
            tracing::warn!(
                "cannot read the annotation of node {node}, staying in mode {mode} and retrying: {reason}"
            );
        } else {
            tracing::debug!("still cannot read the annotation of node {}: {reason}", self.node);
        }
        self.reachable = false;
    }
}

/// The mode for an annotation's value.
fn decide(configured: Mode, annotation: Option<&str>) -> Result<Mode, UnknownWord> {
    annotation.map_or(Ok(configured), str::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_wins_when_it_is_a_mode() {
        assert_eq!(decide(Mode::Af, None), Ok(Mode::Af));
        assert_eq!(decide(Mode::Af, Some("region")), Ok(Mode::Region));
        assert_eq!(decide(Mode::Region, Some("af")), Ok(Mode::Af));
        for wrong in ["", "Region", "region ", "both"] {
            decide(Mode::Af, Some(wrong)).unwrap_err();
        }
    }
}
