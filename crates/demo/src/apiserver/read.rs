//! Reading: one object, all in pages, and what changes.

use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answer::{Body, Failure, line, respond, stream};
use super::request::Asked;
use super::store::{Key, Objects, Show, State, Watcher};

/// How long a watch lasts that names no limit.
const WATCH_LIMIT: u64 = 30 * 60;

pub(super) fn get(asked: &Asked, state: &State) -> Result<Response<Body>, Failure> {
    let key = (asked.namespace.clone(), asked.name.clone().unwrap_or_default());
    let object = state.object(&asked.resource, &key).ok_or_else(|| Failure::not_found(asked))?;
    Ok(respond(200, &shown(asked, object)))
}

pub(super) fn list(asked: &Asked, state: &mut State) -> Result<Response<Body>, Failure> {
    let limit = asked.number("limit")?.filter(|limit| *limit > 0);
    let token = asked.query.get("continue").filter(|token| !token.is_empty());
    let (version, after) = match token {
        Some(token) => {
            let (version, key) = parse_token(token)?;
            (version, Some(key))
        }
        None => (state.version(), None),
    };
    let empty = Objects::new();
    let objects = match &after {
        Some(_) => state.snapshot(version)?,
        None => state.collection(&asked.resource).unwrap_or(&empty),
    };
    let labels = asked.labels()?;
    let has_labels = |object: &Value| {
        labels.iter().all(|(key, value)| object["metadata"]["labels"][key] == *value)
    };
    let wanted =
        objects.iter().filter(|(key, object)| asked.matches(&key.0, &key.1) && has_labels(object));
    let mut rest = wanted.skip_while(|(key, _)| after.as_ref().is_some_and(|after| *key <= after));
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let items: Vec<_> = page.iter().map(|(_, object)| item(asked, object)).collect();
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    let remaining = rest.count();
    if remaining > 0
        && let Some((key, _)) = page.last()
    {
        metadata["continue"] = json!(format!("{version}.{}.{}", key.0, key.1));
        metadata["remainingItemCount"] = json!(remaining);
        if after.is_none() {
            let snapshot = objects.clone();
            state.keep_snapshot(snapshot);
        }
    }
    let (api_version, kind) = if asked.metadata_only {
        ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
    } else {
        (asked.resource.api_version(&asked.version), format!("{}List", asked.resource.kind))
    };
    let list =
        json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata, "items": items });
    Ok(respond(200, &list))
}

/// The answer, its watcher, and how long it lasts.
type Watching = ((Response<Body>, Arc<Watcher>), Duration);

pub(super) fn watch(asked: &Asked, state: &mut State) -> Result<Watching, Failure> {
    let from = asked.number("resourceVersion")?.unwrap_or(0);
    let limit = asked.number("timeoutSeconds")?.unwrap_or(WATCH_LIMIT);
    if !asked.labels()?.is_empty() {
        return Err(Failure::bad_request("labels are known to lists alone"));
    }
    let initial = asked.flag("sendInitialEvents");
    let (sender, receiver) = mpsc::unbounded_channel();
    let bookmark = asked.flag("allowWatchBookmarks").then(|| form(asked));
    let watcher = Arc::new(Watcher::new(show(asked), bookmark, sender.clone()));
    if from == 0 || initial {
        let objects = state.collection(&asked.resource).into_iter().flatten();
        for (_, object) in objects.filter(|(key, _)| asked.matches(&key.0, &key.1)) {
            // There is a receiver: it is this function's.
            let _ = sender.send(line("ADDED", &shown(asked, object)));
        }
        watcher.stand_at(state.version());
        if initial {
            watcher.initial_events_end();
        }
        state.watch(Arc::clone(&watcher));
    } else {
        match state.since(from) {
            Ok(changes) => {
                watcher.stand_at(from);
                for change in &changes {
                    watcher.tell(change);
                }
                state.watch(Arc::clone(&watcher));
            }
            // As the real one does: the answer is 200, and the stream says it.
            Err(gone) => {
                let _ = sender.send(line("ERROR", &gone.status()));
                watcher.end();
            }
        }
    }
    Ok(((stream(receiver), watcher), Duration::from_secs(limit)))
}

/// What a watch of what was asked for shows of a change.
fn show(asked: &Asked) -> Show {
    let asked = Asked {
        resource: asked.resource.clone(),
        version: asked.version.clone(),
        namespace: asked.namespace.clone(),
        name: asked.name.clone(),
        subresource: None,
        query: asked.query.clone(),
        content_type: String::new(),
        ..*asked
    };
    Box::new(move |change| {
        let metadata = &change.object["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let wanted = change.plural == asked.resource.plural
            && asked.matches(text("namespace"), text("name"));
        wanted.then(|| shown(&asked, &change.object))
    })
}

/// An object in the version and form that were asked for.
pub(super) fn shown(asked: &Asked, object: &Value) -> Value {
    let mut shown = form(asked);
    if asked.metadata_only {
        shown["metadata"] = object["metadata"].clone();
        return shown;
    }
    let mut object = object.clone();
    object["apiVersion"] = shown["apiVersion"].take();
    object
}

/// An item of a list has no kind of its own, apart from metadata alone.
fn item(asked: &Asked, object: &Value) -> Value {
    let mut item = shown(asked, object);
    if !asked.metadata_only
        && let Some(fields) = item.as_object_mut()
    {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    item
}

fn form(asked: &Asked) -> Value {
    if asked.metadata_only {
        return json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata" });
    }
    json!({
        "apiVersion": asked.resource.api_version(&asked.version), "kind": asked.resource.kind,
    })
}

/// A version, and the key of the last object that was listed. Names hold no point twice over: namespaces
/// hold none at all.
fn parse_token(token: &str) -> Result<(u64, Key), Failure> {
    let mut parts = token.splitn(3, '.');
    let version = parts.next().and_then(|version| version.parse().ok());
    match (version, parts.next(), parts.next()) {
        (Some(version), Some(namespace), Some(name)) => {
            Ok((version, (namespace.to_owned(), name.to_owned())))
        }
        _ => Err(Failure::bad_request("continue key is not valid")),
    }
}
