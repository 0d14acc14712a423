//! Answers reviews, and says in Events what their pods' owners should know.

use std::sync::Arc;

use fpga_cluster::events::{Events, Notice};
use hyper::StatusCode;
use k8s_openapi::api::core::v1::ObjectReference;

use crate::decide::{About, Decision, Outcome, Settings, decide_at};
use crate::follow::Known;
use crate::server::{Reply, Review};

/// The review of bytes by what is known.
#[must_use]
pub(crate) fn review(known: Arc<Known>, events: Events) -> Review {
    let settings = Settings::default();
    Box::new(move |stage, bytes| {
        let Decision { outcome, body, about } = decide_at(stage, bytes, &known.index, &settings);
        // What comes to nothing must leave nothing behind.
        if !about.is_dry_run
            && let Some(notice) = notice(&known, about)
        {
            events.send(notice);
        }
        let status = match outcome {
            Outcome::BadRequest => StatusCode::BAD_REQUEST,
            Outcome::Patched | Outcome::Passed | Outcome::Refused => StatusCode::OK,
        };
        Reply { status, body, outcome }
    })
}

fn notice(known: &Known, about: About) -> Option<Notice> {
    let (reason, note) = match &about.refusal {
        Some(refusal) => ("FpgaRefused", refusal.to_string()),
        None => {
            let mut names = about.objects.iter();
            let name = names.find(|name| known.is_unservable(&about.namespace, name))?;
            let note = format!(
                "no node offers what {name} stands for: the pod stays pending until one does"
            );
            ("FpgaUnservable", note)
        }
    };
    Some(Notice { regarding: regarding(about), reason, note, is_warning: true })
}

/// What makes the pod, where people look when none comes; else the pod, which has no uid yet.
fn regarding(about: About) -> ObjectReference {
    let namespace = Some(about.namespace);
    match about.owner {
        Some(owner) => ObjectReference {
            api_version: Some(owner.api_version),
            kind: Some(owner.kind),
            namespace,
            name: Some(owner.name),
            uid: Some(owner.uid),
            ..ObjectReference::default()
        },
        None => ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace,
            name: Some(about.pod),
            ..ObjectReference::default()
        },
    }
}
