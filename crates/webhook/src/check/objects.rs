//! The objects that pods ask for: whether they are valid, and whether some node can serve them.

use std::collections::BTreeSet;

use fpga_api::{ConditionStatus, Kind, Manifest, READY};
use fpga_findings::Finding;
use kube::Api;

use super::LOGS;
use super::asking::{Asking, Trouble};
use crate::status::NO_NODE;

const AREA: &str = "objects";

/// Looks at every AcceleratorFunction and FpgaRegion.
pub(super) async fn check(asking: &Asking, report: &mut dyn FnMut(Finding)) {
    let mut names = BTreeSet::new();
    for kind in [Kind::Function, Kind::Region] {
        let api: Api<Manifest> = Api::all_with(asking.client.clone(), &kind);
        let objects = match asking.list(&api, "").await {
            Ok(objects) => objects,
            Err(trouble) => {
                report(unknown(kind, &trouble));
                continue;
            }
        };
        let (all, mut sound) = (objects.len(), 0);
        for object in &objects {
            let is_new = names.insert((object.namespace().to_owned(), object.name().to_owned()));
            match judge(kind, object, !is_new) {
                Some(finding) => report(finding.in_area(AREA)),
                None => sound += 1,
            }
        }
        if sound == all {
            report(
                Finding::ok(kind.plural(), format_args!("valid and served: {sound}")).in_area(AREA),
            );
        }
    }
}

fn unknown(kind: Kind, trouble: &Trouble) -> Finding {
    let finding = match trouble {
        Trouble::Missing => {
            let object = format!("{}.{}", kind.plural(), fpga_api::GROUP);
            Finding::error(object, "there is no such CustomResourceDefinition")
                .because("it is not installed, so that nothing can be granted")
                .fix("kubectl apply -k deploy/crds")
        }
        trouble => trouble.finding(kind.plural()),
    };
    finding.in_area(AREA)
}

/// What is wrong with an object, if anything is.
fn judge(kind: Kind, object: &Manifest, is_taken: bool) -> Option<Finding> {
    let (namespace, name) = (object.namespace(), object.name());
    let shown = format!("{} {namespace}/{name}", kind.as_str());
    let edit = format!("kubectl -n {namespace} edit {} {name}", kind.plural());
    let refused = "the webhook refuses pods that ask for it";
    if let Err(fault) = object.meaning(kind) {
        let finding = Finding::error(shown, format_args!("it is invalid: {fault}"));
        return Some(finding.because(refused).fix(edit));
    }
    if is_taken {
        let finding =
            Finding::error(shown, "an AcceleratorFunction of the namespace has the same name");
        return Some(finding.because(refused).fix(edit));
    }
    let status = &object.status;
    let Some(ready) = status.conditions.iter().find(|condition| condition.type_ == READY) else {
        return Some(
            Finding::warning(shown, "it has no status")
                .because("no replica of the webhook has written one yet")
                .fix(LOGS),
        );
    };
    if status.observed_generation != object.metadata.generation {
        return Some(
            Finding::warning(shown, "its status is about an earlier version of it")
                .because("no replica of the webhook has written a newer one yet")
                .fix(LOGS),
        );
    }
    match (ready.status, ready.reason.as_str()) {
        (ConditionStatus::True, _) => None,
        (_, NO_NODE) => Some(
            Finding::warning(shown, &ready.message)
                .because("no node has such a card or function, or its agent does not run")
                .fix("kubectl get nodes -o yaml | grep fpga.intel.com"),
        ),
        _ => Some(Finding::error(shown, &ready.message).because(refused).fix(edit)),
    }
}
