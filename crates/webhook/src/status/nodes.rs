//! What the nodes offer, kept as little as the question needs: which node has how many of which FPGA resource.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;
use serde::Deserialize;

/// The part of a Node object that is of interest. The rest of it is never kept.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct NodeOffer {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Status {
    #[serde(default)]
    allocatable: BTreeMap<String, String>,
}

impl Resource for NodeOffer {
    type DynamicType = ();
    type Scope = <Node as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Node::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        Node::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        Node::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        Node::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Resource to how many a node has of it.
type Offer = BTreeMap<String, u64>;

/// The nodes that offer something.
#[derive(Debug, Default)]
pub(super) struct Offers {
    nodes: BTreeMap<String, Offer>,
    /// A list that is still arriving. Until it is complete, what was there before counts.
    arriving: Option<BTreeMap<String, Offer>>,
    is_complete: bool,
}

impl Offers {
    /// Takes an event in; true when something else is offered than before.
    pub(super) fn take(&mut self, event: Event<NodeOffer>) -> bool {
        match event {
            Event::Init => {
                self.arriving = Some(BTreeMap::new());
                false
            }
            Event::InitApply(node) => {
                let (name, offer) = offer(node);
                if !offer.is_empty() {
                    self.arriving.get_or_insert_default().insert(name, offer);
                }
                false
            }
            Event::InitDone => {
                let new = self.arriving.take().unwrap_or_default();
                let was_complete = std::mem::replace(&mut self.is_complete, true);
                let is_new = self.nodes != new;
                self.nodes = new;
                is_new || !was_complete
            }
            Event::Apply(node) => {
                let (name, new) = offer(node);
                if new.is_empty() {
                    self.nodes.remove(&name).is_some()
                } else {
                    self.nodes.insert(name, new.clone()) != Some(new)
                }
            }
            Event::Delete(node) => self.nodes.remove(&offer(node).0).is_some(),
        }
    }

    /// True once all nodes have been seen.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The nodes that have a resource, in the order of their names, with how many.
    pub(super) fn of<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let count = move |offer: &Offer| offer.get(resource).copied();
        self.nodes.iter().filter_map(move |(name, offer)| Some((name.as_str(), count(offer)?)))
    }
}

/// Its name, and what it has of FPGA resources; zeros are what a resource that is gone leaves behind.
fn offer(node: NodeOffer) -> (String, Offer) {
    let resources = node.status.allocatable.into_iter();
    let ours = resources.filter(|(name, _)| name.starts_with("fpga.intel.com/"));
    let counted = ours.filter_map(|(name, count)| Some((name, count.parse().ok()?)));
    let name = node.metadata.name.unwrap_or_default();
    (name, counted.filter(|(_, count)| *count > 0).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "fpga.intel.com/af-1";
    const B: &str = "fpga.intel.com/region-2";

    fn node(name: &str, allocatable: serde_json::Value) -> NodeOffer {
        let status = json!({ "allocatable": allocatable, "conditions": [{ "type": "Ready" }] });
        serde_json::from_value(json!({ "metadata": { "name": name }, "status": status })).unwrap()
    }

    #[test]
    fn what_changes_is_told_and_what_does_not_is_not() {
        let mut offers = Offers::default();
        assert!(!offers.take(Event::Init));
        offers.take(Event::InitApply(node("n1", json!({ A: "2", "cpu": "8", "memory": "1Gi" }))));
        offers.take(Event::InitApply(node("n2", json!({ A: "0", B: "1" }))));
        assert!(!offers.is_complete());
        assert!(offers.take(Event::InitDone));
        assert!(offers.is_complete());
        assert_eq!(offers.of(A).collect::<Vec<_>>(), [("n1", 2)]);
        assert_eq!(offers.of(B).collect::<Vec<_>>(), [("n2", 1)]);
        // A heartbeat, and a list that says the same.
        assert!(!offers.take(Event::Apply(node("n1", json!({ A: "2", "cpu": "7" })))));
        assert!(!offers.take(Event::Apply(node("n3", json!({ "cpu": "7" })))));
        offers.take(Event::Init);
        offers.take(Event::InitApply(node("n1", json!({ A: "2" }))));
        offers.take(Event::InitApply(node("n2", json!({ B: "1" }))));
        assert!(!offers.take(Event::InitDone));
        assert!(offers.take(Event::Apply(node("n1", json!({ A: "0", B: "1" })))));
        assert_eq!(offers.of(A).count(), 0);
        assert_eq!(offers.of(B).collect::<Vec<_>>(), [("n1", 1), ("n2", 1)]);
        assert!(offers.take(Event::Delete(node("n2", json!({})))));
        assert_eq!(offers.of(B).collect::<Vec<_>>(), [("n1", 1)]);
        assert!(!offers.take(Event::Delete(node("n2", json!({})))));
    }

    #[test]
    fn a_cluster_without_cards_is_known_all_the_same() {
        let mut offers = Offers::default();
        offers.take(Event::Init);
        assert!(offers.take(Event::InitDone), "what nobody offers is to be said once");
    }

    #[test]
    fn nodes_without_a_status_and_strange_counts_offer_nothing() {
        let mut offers = Offers::default();
        let bare = serde_json::from_value(json!({ "metadata": { "name": "new" } })).unwrap();
        assert!(!offers.take(Event::Apply(bare)));
        let strange = node("n", json!({ A: "-1", B: "1k" }));
        assert!(!offers.take(Event::Apply(strange)));
    }
}
