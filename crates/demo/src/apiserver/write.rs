//! Writing, with optimistic concurrency: who says which version was changed is refused when it was another.

use hyper::Response;
use serde_json::{Value, json};

use super::answer::{Body, Failure, respond};
use super::patch;
use super::read::shown;
use super::request::Asked;
use super::store::{Key, State};

pub(super) fn create(
    asked: &Asked,
    body: &[u8],
    state: &mut State,
) -> Result<Response<Body>, Failure> {
    let mut object = parse(asked, body)?;
    let serial = state.serial();
    if let (None, Some(prefix)) = (name(&object), object["metadata"]["generateName"].as_str()) {
        // A dash at the end is for what follows; a point is not.
        if !is_name(prefix.strip_suffix('-').unwrap_or(prefix)) {
            return Err(invalid("metadata.generateName", prefix));
        }
        object["metadata"]["name"] = json!(format!("{prefix}{serial:05}"));
    }
    let Some(name) = name(&object) else {
        return Err(Failure::new(422, "Invalid", "name or generateName is required"));
    };
    if !is_name(&name) {
        return Err(invalid("metadata.name", &name));
    }
    if asked.resource.namespaced && asked.namespace.is_empty() {
        return Err(Failure::bad_request("an empty namespace may not be set during creation"));
    }
    if version(&object).is_some() {
        return Err(Failure::bad_request("resourceVersion should not be set on creation"));
    }
    let key = (asked.namespace.clone(), name);
    if state.object(&asked.resource, &key).is_some() {
        let message = format!("{} {:?} already exists", asked.resource.plural, key.1);
        return Err(Failure::new(409, "AlreadyExists", &message));
    }
    if asked.resource.namespaced {
        object["metadata"]["namespace"] = json!(asked.namespace);
    }
    object["metadata"]["uid"] = json!(uid(serial));
    object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    object["metadata"]["generation"] = json!(1);
    if asked.resource.status
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    let stored = save(asked, state, key, object);
    Ok(respond(201, &stored))
}

pub(super) fn update(
    asked: &Asked,
    body: &[u8],
    state: &mut State,
) -> Result<Response<Body>, Failure> {
    let object = parse(asked, body)?;
    replace(asked, object, state)
}

pub(super) fn patch(
    asked: &Asked,
    body: &[u8],
    state: &mut State,
) -> Result<Response<Body>, Failure> {
    let key = key(asked);
    let old = state.object(&asked.resource, &key).ok_or_else(|| Failure::not_found(asked))?;
    let mut object = shown_whole(asked, old);
    patch::apply(&asked.content_type, body, &mut object)?;
    replace(asked, object, state)
}

pub(super) fn delete(
    asked: &Asked,
    body: &[u8],
    state: &mut State,
) -> Result<Response<Body>, Failure> {
    let key = key(asked);
    let old = state.object(&asked.resource, &key).ok_or_else(|| Failure::not_found(asked))?;
    let options: Value = serde_json::from_slice(body).unwrap_or_default();
    for field in ["resourceVersion", "uid"] {
        let wanted = &options["preconditions"][field];
        if !wanted.is_null() && *wanted != old["metadata"][field] {
            return Err(Failure::conflict(&format!("the {field} in the precondition is another")));
        }
    }
    state.remove(&asked.resource, &key);
    let done = json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success" });
    Ok(respond(200, &done))
}

/// Puts `new` where the old object is: its status alone by way of the subresource, and otherwise everything
/// but the status, where that is one.
fn replace(asked: &Asked, mut new: Value, state: &mut State) -> Result<Response<Body>, Failure> {
    let key = key(asked);
    let old = state.object(&asked.resource, &key).ok_or_else(|| Failure::not_found(asked))?;
    let old = (**old).clone();
    if name(&new).as_ref() != asked.name.as_ref() {
        return Err(Failure::bad_request("the name of the object does not match the URL"));
    }
    if version(&new).is_some_and(|version| Some(version) != self::version(&old)) {
        let message = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(Failure::conflict(message));
    }
    if asked.subresource.is_some() {
        let mut object = old.clone();
        object["status"] = new["status"].take();
        new = object;
    } else {
        if asked.resource.status {
            match old.get("status") {
                Some(status) => new["status"] = status.clone(),
                None => drop(new.as_object_mut().and_then(|fields| fields.remove("status"))),
            }
        }
        for field in ["uid", "creationTimestamp", "namespace", "generation"] {
            if let Some(value) = old["metadata"].get(field) {
                new["metadata"][field] = value.clone();
            }
        }
        if new.get("spec") != old.get("spec") {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or(1);
            new["metadata"]["generation"] = json!(generation + 1);
        }
    }
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    if new == old {
        // As the real one does: what changes nothing is no change.
        return Ok(respond(200, &shown(asked, &old)));
    }
    let stored = save(asked, state, key, new);
    Ok(respond(200, &stored))
}

fn save(asked: &Asked, state: &mut State, key: Key, mut object: Value) -> Value {
    if let Some(version) = asked.resource.versions.last() {
        object["apiVersion"] = json!(asked.resource.api_version(version));
    }
    let stored = state.store(&asked.resource, key, object);
    shown(asked, &stored)
}

/// The whole object in the version of the request, whatever form the answer is to have.
fn shown_whole(asked: &Asked, object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!(asked.resource.api_version(&asked.version));
    object
}

fn parse(asked: &Asked, body: &[u8]) -> Result<Value, Failure> {
    let object: Value =
        serde_json::from_slice(body).map_err(|error| Failure::bad_request(&error.to_string()))?;
    let api_version = asked.resource.api_version(&asked.version);
    if object["kind"] != json!(asked.resource.kind) || object["apiVersion"] != json!(api_version) {
        let message = format!(
            "the object provided is unrecognized: {} {}, expected {api_version} {}",
            object["apiVersion"], object["kind"], asked.resource.kind
        );
        return Err(Failure::bad_request(&message));
    }
    if !object["metadata"].is_object() {
        return Err(Failure::bad_request("metadata is missing"));
    }
    Ok(object)
}

fn key(asked: &Asked) -> Key {
    (asked.namespace.clone(), asked.name.clone().unwrap_or_default())
}

fn name(object: &Value) -> Option<String> {
    object["metadata"]["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// As an RFC 1123 subdomain.
fn is_name(name: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.starts_with(is_alphanumeric)
        && name.ends_with(is_alphanumeric)
        && name.chars().all(|c| is_alphanumeric(c) || c == '-' || c == '.')
}

fn invalid(field: &str, value: &str) -> Failure {
    let expected = "a lowercase RFC 1123 subdomain";
    Failure::new(422, "Invalid", &format!("{field}: Invalid value: {value:?}: expected {expected}"))
}

fn version(object: &Value) -> Option<&str> {
    object["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty())
}

pub(super) fn uid(serial: u64) -> String {
    format!("00000000-0000-4000-8000-{serial:012}")
}
