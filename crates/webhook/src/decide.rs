//! What is done with a pod: a pure function of a review's bytes and the objects.

use crate::index::Index;

mod answer;
mod bounded;
mod container;
mod env;
mod hints;
mod patch;
mod pod;
mod quantity;
mod refusal;
mod review;
mod text;

pub use refusal::{Fault, Refusal};

/// How much a pod may ask for. What is beyond is refused, so that the work for one review is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a review.
    pub review_bytes: usize,
    /// Containers that ask for FPGAs, in one pod.
    pub containers: usize,
    /// FPGA resources in one container.
    pub resources: usize,
    /// FPGAs for one pod.
    pub units: u64,
    /// Bytes of a patch.
    pub patch_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            review_bytes: 7 * 1024 * 1024,
            containers: 64,
            resources: 32,
            units: 256,
            patch_bytes: 256 * 1024,
        }
    }
}

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The pod is changed.
    Patched,
    /// The pod goes through as it is.
    Passed,
    /// The pod is refused.
    Refused,
    /// The bytes are no review that could be answered.
    BadRequest,
}

/// The answer to a review, and what to count and to tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How it ended.
    pub outcome: Outcome,
    /// The bytes of the AdmissionReview to answer with; after a bad request a line of text.
    pub body: Vec<u8>,
    /// What it was about.
    pub about: About,
}

/// What a review was about. Everything here is what a user wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name, or the start of the one that it will get.
    pub pod: String,
    /// True when nothing is to come of the request, so nothing may be written about it either.
    pub is_dry_run: bool,
    /// The object that makes the pod, when one does.
    pub owner: Option<Owner>,
    /// Names of AcceleratorFunction and FpgaRegion objects that the pod asks for and gets.
    pub objects: Vec<String>,
    /// Why the pod was refused.
    pub refusal: Option<Refusal>,
}

/// What makes a pod, such as a ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// Its name, in the pod's namespace.
    pub name: String,
    /// Its `uid`.
    pub uid: String,
}

/// When a request is reviewed: the API server asks twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// While pods are still changed, by us and by other webhooks.
    Mutating,
    /// When no webhook can change the pod any more. What would have to be changed is refused.
    Validating,
}

/// Decides on the bytes of an AdmissionReview about a pod that can still be changed.
#[must_use]
pub fn decide(review: &[u8], index: &Index, settings: &Settings) -> Decision {
    decide_at(Stage::Mutating, review, index, settings)
}

/// Decides on the bytes of an AdmissionReview about a pod. Both stages have the same rules: the validating one accepts
/// what the mutating one would leave as it is, and refuses all else.
#[must_use]
pub fn decide_at(stage: Stage, review: &[u8], index: &Index, settings: &Settings) -> Decision {
    answer::answer(stage, review, &index.snapshot(), settings)
}
