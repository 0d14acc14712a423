//! What is to be said of an object: a pure function of its resource and of what the nodes offer.

use std::sync::Arc;

use fpga_api::{Condition, ConditionStatus, READY, Status};
use serde_json::{Value, json};

use super::nodes::Offers;

/// Nodes that are named; the others are counted.
const NAMED: usize = 16;

const AVAILABLE: &str = "NodesAvailable";
/// The reason of an object that no node can serve.
pub(crate) const NO_NODE: &str = "NoNode";
const INVALID: &str = "InvalidSpec";

/// Whether and where an object can be served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    resource: Option<String>,
    nodes: Vec<String>,
    count: usize,
    reason: &'static str,
    message: String,
}

impl Verdict {
    pub(super) fn of(resource: &Result<Arc<str>, String>, offers: &Offers) -> Self {
        let resource = match resource {
            Ok(resource) => resource.to_string(),
            Err(fault) => {
                let message = format!("nobody can be given this: {fault}");
                return Self {
                    resource: None,
                    nodes: Vec::new(),
                    count: 0,
                    reason: INVALID,
                    message,
                };
            }
        };
        let mut nodes: Vec<_> = offers.of(&resource).map(|(name, _)| name.to_owned()).collect();
        let count = nodes.len();
        nodes.truncate(NAMED);
        let (reason, message) = match count {
            0 => {
                (NO_NODE, format!("no node offers {resource}: pods that ask for this stay pending"))
            }
            1 => (AVAILABLE, format!("1 node offers {resource}")),
            n => (AVAILABLE, format!("{n} nodes offer {resource}")),
        };
        Self { resource: Some(resource), nodes, count, reason, message }
    }

    /// The status that says so, or `None` if `old` does already. The time of a change is `now`.
    pub(super) fn status(
        &self,
        old: &Status,
        generation: Option<i64>,
        now: &str,
    ) -> Option<Status> {
        let holds =
            if self.reason == AVAILABLE { ConditionStatus::True } else { ConditionStatus::False };
        let same = old.conditions.iter().find(|c| c.type_ == READY && c.status == holds);
        let since = same.map_or(now, |c| c.last_transition_time.as_str());
        let new = Status {
            observed_generation: generation,
            resource: self.resource.clone(),
            node_count: i32::try_from(self.count).ok(),
            nodes: self.nodes.clone(),
            conditions: vec![Condition {
                type_: READY.to_owned(),
                status: holds,
                reason: self.reason.to_owned(),
                message: self.message.clone(),
                last_transition_time: since.to_owned(),
                observed_generation: generation,
            }],
        };
        (new != *old).then_some(new)
    }
}

/// The merge patch that makes it the object's status: what is not said is removed.
pub(super) fn patch(status: &Status) -> Value {
    json!({ "status": {
        "observedGeneration": status.observed_generation,
        "resource": status.resource,
        "nodeCount": status.node_count,
        "nodes": status.nodes,
        "conditions": status.conditions,
    } })
}

/// A condition's reason as that of an Event.
pub(super) fn reason(reason: &str) -> &'static str {
    [AVAILABLE, NO_NODE, INVALID].into_iter().find(|known| *known == reason).unwrap_or("Changed")
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;

    use super::*;

    const REGION: &str = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";

    fn offers(count: usize) -> Offers {
        let mut offers = Offers::default();
        for n in 0..count {
            let node = json!({ "metadata": { "name": format!("n{n:02}") }, "status": { "allocatable": { REGION: "1" } } });
            offers.take(Event::Apply(serde_json::from_value(node).unwrap()));
        }
        offers
    }

    fn region() -> Result<Arc<str>, String> {
        Ok(REGION.into())
    }

    #[test]
    fn an_object_is_ready_when_some_node_has_its_resource() {
        let none = Verdict::of(&region(), &offers(0));
        let status = none.status(&Status::default(), Some(3), "then").unwrap();
        let [condition] = status.conditions.as_slice() else { panic!("{status:?}") };
        assert_eq!(
            (condition.status, condition.reason.as_str()),
            (ConditionStatus::False, "NoNode")
        );
        assert_eq!(condition.last_transition_time, "then");
        assert_eq!(none.status(&status, Some(3), "now"), None, "nothing is written that is there");

        // The same answer for another generation, since when it was first so.
        let newer = none.status(&status, Some(4), "now").unwrap();
        assert_eq!(newer.conditions[0].last_transition_time, "then");
        assert_eq!(newer.observed_generation, Some(4));

        let many = Verdict::of(&region(), &offers(20)).status(&status, Some(3), "now").unwrap();
        assert_eq!((many.node_count, many.nodes.len()), (Some(20), NAMED));
        assert_eq!(many.nodes.first().map(String::as_str), Some("n00"));
        assert_eq!(many.conditions[0].status, ConditionStatus::True);
        assert_eq!(many.conditions[0].last_transition_time, "now");
    }

    #[test]
    fn a_faulty_object_is_told_why_and_has_no_resource() {
        let verdict = Verdict::of(&Err("it has no spec.afuId".to_owned()), &offers(1));
        let status = verdict.status(&Status::default(), None, "now").unwrap();
        assert_eq!(status.conditions[0].reason, "InvalidSpec");
        assert!(status.conditions[0].message.ends_with("it has no spec.afuId"));
        let patch = patch(&status);
        assert_eq!(
            (&patch["status"]["resource"], &patch["status"]["nodes"]),
            (&Value::Null, &json!([]))
        );
    }
}
