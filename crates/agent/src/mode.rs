//! The mode that is in force: the configured one, unless the node's annotation says otherwise.
//!
//! The annotation is watched through the API server, in the background: until it is known the agent serves as it
//! did before its last restart, by a file on the node, and when the API server is away it goes on as it was. In
//! another mode the devices of running pods would be offered under other names.

use std::path::PathBuf;

use fpga::files;
use fpga::names::{Mode, NODE_MODE_ANNOTATION, UnknownWord};
use fpga_cluster::api::Server;
use fpga_cluster::reach::Reach;
use fpga_cluster::told::Told;
use fpga_cluster::watch::Watch;
use k8s_openapi::api::core::v1::Node;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;

use crate::orphans::Orphans;

/// Starts watching the annotation of `node`. Until it is known the value is what it last was, by the file `kept`, and
/// `configured` where that says nothing.
#[must_use]
pub(crate) fn follow(
    configured: Mode,
    node: String,
    server: Server,
    kept: Option<PathBuf>,
    orphans: Orphans,
) -> watch::Receiver<Mode> {
    let kept = Kept(kept);
    let (mode, receiver) = watch::channel(kept.mode().unwrap_or(configured));
    let follower = Follower { configured, node, mode, kept, orphans, told: Told::default() };
    tokio::spawn(follower.run(server));
    receiver
}

struct Follower {
    configured: Mode,
    node: String,
    mode: watch::Sender<Mode>,
    kept: Kept,
    orphans: Orphans,
    /// The wrong annotation that was last complained of.
    told: Told,
}

impl Follower {
    async fn run(mut self, server: Server) {
        let mut reach = self.reach();
        let client = server.wait(&mut reach).await;
        let nodes = Api::<PartialObjectMeta<Node>>::all(client);
        let mut updates = Watch::one(nodes, &self.node, reach);
        loop {
            let node = updates.next().await;
            let annotations = node.as_ref().map(|node| node.annotations());
            let value = annotations.and_then(|all| all.get(NODE_MODE_ANNOTATION));
            self.take(value.map(String::as_str));
        }
    }

    fn reach(&self) -> Reach {
        let (node, mode) = (self.node.clone(), self.mode.subscribe());
        let lost = move |reason: &str| {
            let mode = *mode.borrow();
            format!(
                "cannot read the annotation of node {node}, staying in mode {mode} and retrying: {reason}"
            )
        };
        Reach::saying(lost, "the API server answers again")
    }

    fn take(&mut self, annotation: Option<&str>) {
        self.kept.keep(annotation.and_then(|word| word.parse().ok()), &self.orphans);
        let mode = match decide(self.configured, annotation) {
            Ok(mode) => {
                self.told.clear();
                mode
            }
            Err(error) => {
                if self.told.is_news(annotation.unwrap_or_default().to_owned()) {
                    let (node, configured) = (&self.node, self.configured);
                    tracing::warn!(
                        "node {node}: annotation {NODE_MODE_ANNOTATION}: {error}; using mode {configured}"
                    );
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
}

/// The file with the mode that the annotation last named; it is missing when there was none.
#[derive(Debug)]
struct Kept(Option<PathBuf>);

/// A mode is a word.
const LIMIT: u64 = 64;

impl Kept {
    fn mode(&self) -> Option<Mode> {
        let text = files::read(self.0.as_ref()?, LIMIT).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    fn keep(&self, mode: Option<Mode>, orphans: &Orphans) {
        let Some(path) = self.0.as_ref().filter(|_| self.mode() != mode) else { return };
        let kept = match mode {
            Some(mode) => path
                .parent()
                .map_or(Ok(()), files::make_directories)
                .and_then(|()| files::replace(path, format!("{mode}\n").as_bytes(), 0o644)),
            None => std::fs::remove_file(path),
        };
        if let Err(error) = kept {
            orphans.check(path);
            tracing::warn!("{}: the mode is not kept for a restart: {error}", path.display());
        }
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
    fn a_mode_is_kept_until_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/mode");
        let kept = Kept(Some(path.clone()));
        assert_eq!(kept.mode(), None);
        let keep = |mode| kept.keep(mode, &Orphans::default());
        keep(None);
        for mode in [Mode::Region, Mode::Region, Mode::Af] {
            keep(Some(mode));
            assert_eq!(kept.mode(), Some(mode));
        }
        for text in ["", "both", "region af", "\u{0}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(kept.mode(), None, "{text:?}");
        }
        keep(Some(Mode::Region));
        keep(None);
        assert!(!path.exists());
        Kept(None).keep(Some(Mode::Af), &Orphans::default());
    }

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
