//! What is answered to which request.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use fpga_cluster::http::{TEXT, health, text};

use crate::decide::{Outcome, Stage};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::server::memory::{Memory, Share};

/// Where pods are sent that nobody changes any more.
pub(crate) const VALIDATING_PATH: &str = "/validate";
/// The largest review: an API server takes objects of 3 MiB at most, and sends the old one and the new one.
const BODY_LIMIT: usize = 7 * 1024 * 1024;
/// For the whole of a request's body to arrive.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Bytes of bodies that are under way at once.
const BODIES_LIMIT: usize = 32 * 1024 * 1024;

/// The answer to a review.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// JSON, or a line of text with a status other than 200.
    pub(crate) body: Vec<u8>,
    /// How it ended, for the counters.
    pub(crate) outcome: Outcome,
}

/// Decides on the bytes of a review.
pub(crate) type Review = Box<dyn Fn(Stage, &[u8]) -> Reply + Send + Sync>;

/// Everything that is served.
pub(crate) struct Routes {
    /// Where pods are sent that can still be changed.
    path: String,
    review: Review,
    readiness: Readiness,
    pub(super) metrics: Metrics,
    memory: Memory,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Routes {
    /// Reviews are sent to `path` while pods are changed, and then to [`VALIDATING_PATH`].
    #[must_use]
    pub(crate) fn new(
        path: String,
        review: Review,
        readiness: Readiness,
        metrics: Metrics,
    ) -> Self {
        Self { path, review, readiness, metrics, memory: Memory::new(BODIES_LIMIT) }
    }

    /// The stage whose reviews are sent to `path`.
    pub(super) fn stage(&self, path: &str) -> Option<Stage> {
        match path {
            path if path == self.path => Some(Stage::Mutating),
            VALIDATING_PATH => Some(Stage::Validating),
            _ => None,
        }
    }

    /// The answer to a request of a client.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Response<Bytes> {
        let Some(stage) = self.stage(request.uri().path()) else {
            return self.about(request.uri().path());
        };
        if request.method() != Method::POST {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "expected POST\n".to_owned());
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return answer;
        }
        match self.body(request, client).await {
            Ok(body) => self.review(stage, &body),
            Err((status, reason)) => {
                self.metrics.reviewed(Outcome::BadRequest, Duration::ZERO);
                text(status, reason.to_owned())
            }
        }
    }

    /// Health, for whoever can only reach this port.
    fn about(&self, path: &str) -> Response<Bytes> {
        health(path, || self.readiness.missing())
            .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "not found\n".to_owned()))
    }

    fn review(&self, stage: Stage, body: &[u8]) -> Response<Bytes> {
        let begin = Instant::now();
        // A pod is refused for what its namespace lacks; without the objects nothing is known to be lacking.
        if !self.readiness.is_synced() {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the objects are not known yet\n".to_owned(),
            );
        }
        let Reply { status, body, outcome } = (self.review)(stage, body);
        self.metrics.reviewed(outcome, begin.elapsed());
        let is_json = status == StatusCode::OK;
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = status;
        let kind = if is_json { "application/json" } else { TEXT };
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        answer
    }

    async fn body(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Result<Vec<u8>, (StatusCode, &'static str)> {
        let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !kind.is_some_and(|kind| kind.starts_with(b"application/json")) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json\n"));
        }
        let body = request.into_body();
        let share = self.memory.share(client);
        tokio::select! {
            biased;
            () = share.given_up() => {
                Err((StatusCode::SERVICE_UNAVAILABLE, "too many large reviews at once\n"))
            }
            () = tokio::time::sleep(BODY_TIME) => {
                Err((StatusCode::REQUEST_TIMEOUT, "the review did not arrive in time\n"))
            }
            body = collect(body, &share) => body,
        }
    }
}

async fn collect(
    mut body: Incoming,
    share: &Share<'_>,
) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "the review is larger than 7 MiB\n");
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let unreadable = (StatusCode::BAD_REQUEST, "the review cannot be read\n");
        let Ok(data) = frame.map_err(|_| unreadable)?.into_data() else { continue };
        if data.len() > BODY_LIMIT - bytes.len() {
            return Err(too_large);
        }
        bytes.extend_from_slice(&data);
        share.hold(bytes.capacity());
        // Whoever was given up lets go of its memory before more is taken.
        tokio::task::yield_now().await;
    }
    Ok(bytes)
}
