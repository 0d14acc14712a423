//! Patches: RFC 6902 and RFC 7396. Server-side apply is refused as an old server refuses it: who owns which
//! field is not kept here.

use serde_json::Value;

use super::answer::Failure;

pub(super) fn apply(content_type: &str, body: &[u8], object: &mut Value) -> Result<(), Failure> {
    let unreadable = |error: serde_json::Error| Failure::bad_request(&error.to_string());
    match content_type {
        "application/merge-patch+json" => {
            let patch = serde_json::from_slice(body).map_err(unreadable)?;
            json_patch::merge(object, &patch);
            Ok(())
        }
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_slice(body).map_err(unreadable)?;
            json_patch::patch(object, &patch)
                .map_err(|error| Failure::new(422, "Invalid", &error.to_string()))
        }
        other => {
            let message = format!("the body of the request was in an unknown format: {other}");
            Err(Failure::new(415, "UnsupportedMediaType", &message))
        }
    }
}
