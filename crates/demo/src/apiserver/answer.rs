//! Answers: objects, lines of a watch, and Status objects for what went wrong.

use std::convert::Infallible;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::request::Asked;

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Failure {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn new(code: u16, reason: &'static str, message: &str) -> Self {
        Self { code, reason, message: message.to_owned() }
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn forbidden(asked: &Asked) -> Self {
        let message = format!(
            "cannot {:?} resource {:?} in API group {:?}",
            asked.verb, asked.resource.plural, asked.resource.group
        );
        Self::new(403, "Forbidden", &message)
    }

    pub(super) fn not_found(asked: &Asked) -> Self {
        let name = asked.name.as_deref().unwrap_or_default();
        Self::new(404, "NotFound", &format!("{} {name:?} not found", asked.resource.plural))
    }

    pub(super) fn conflict(message: &str) -> Self {
        Self::new(409, "Conflict", message)
    }

    pub(super) fn gone() -> Self {
        Self::new(410, "Expired", "too old resource version")
    }

    /// The Status object.
    pub(super) fn status(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
            "code": self.code, "reason": self.reason, "message": self.message,
        })
    }

    pub(super) fn response(self) -> Response<Body> {
        respond(self.code, &self.status())
    }
}

pub(super) fn respond(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    as_json(response)
}

pub(super) fn stream(receiver: UnboundedReceiver<Bytes>) -> Response<Body> {
    let frames =
        UnboundedReceiverStream::new(receiver).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    as_json(Response::new(StreamBody::new(frames).boxed()))
}

/// One line of a watch.
pub(super) fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({ "type": kind, "object": object })))
}

fn as_json(mut response: Response<Body>) -> Response<Body> {
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}
