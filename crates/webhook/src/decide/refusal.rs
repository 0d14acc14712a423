//! Why a pod is refused, and what to do about it.

use fpga_api::Kind;

use super::text::quote;

/// Why a pod is refused. Prints as one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", in_container(.container))]
pub struct Refusal {
    /// The container; `None` when it is the pod as a whole.
    pub container: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

fn in_container(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!("container {}: ", quote(name))).unwrap_or_default()
}

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The review is about something else.
    #[error("unexpected resource type {0}: expected pods")]
    NoPod(String),
    /// The pod has not the form of one.
    #[error("the pod cannot be read: {0}")]
    Unreadable(String),
    /// The review and its pod are of different namespaces.
    #[error("the pod's namespace {pod} is not the request's, {request}")]
    Namespace {
        /// What the pod says.
        pod: String,
        /// What the request says.
        request: String,
    },
    /// The API server knows no such namespaces.
    #[error("{} is not the name of a namespace", quote(.0))]
    NoNamespace(String),
    /// No object has that name.
    #[error("no such resource: {}: {hint}", quote(.resource))]
    Unknown {
        /// The full name that was asked for.
        resource: String,
        /// What there is instead.
        hint: String,
    },
    /// A real resource that no object of the namespace stands for.
    #[error(
        "{} is not granted to namespace {namespace}: ask for an AcceleratorFunction or FpgaRegion of the namespace \
         by its name, or have one created (kubectl get af,fpga -n {namespace}){hint}",
        quote(.resource)
    )]
    NotGranted {
        /// The full name that was asked for.
        resource: String,
        /// The pod's namespace.
        namespace: String,
        /// What it has that is nearly that, or nothing.
        hint: String,
    },
    /// Objects of both kinds have that name.
    #[error(
        "{} is both an AcceleratorFunction and an FpgaRegion of the namespace: one of the two must be renamed",
        quote(.resource)
    )]
    Ambiguous {
        /// The full name that was asked for.
        resource: String,
    },
    /// The object of that name offers nothing.
    #[error("{} cannot be had: {kind} {name} is faulty: {reason}", quote(.resource))]
    Faulty {
        /// The full name that was asked for.
        resource: String,
        /// Of which kind the object is.
        kind: Kind,
        /// Its namespace and name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Request and limit differ.
    #[error(
        "'limits' and 'requests' for {} must be equal as extended resources cannot be overcommitted",
        quote(.0)
    )]
    Unequal(String),
    /// A request without a limit.
    #[error("{} is in 'requests' but not in 'limits': put it into 'limits', which is enough", quote(.0))]
    NoLimit(String),
    /// A number that counts no devices.
    #[error("resource quantity isn't of integral type for {}: {}", quote(.resource), quote(.quantity))]
    NotIntegral {
        /// The full name that was asked for.
        resource: String,
        /// The number as it is written.
        quantity: String,
    },
    /// Too many FPGAs.
    #[error("the pod asks for more than {limit} FPGAs: ask for fewer, or make several pods")]
    TooManyUnits {
        /// How many a pod may have.
        limit: u64,
    },
    /// Too many names.
    #[error("it asks for more than {limit} different resources of {}", fpga::names::NAMESPACE)]
    TooManyResources {
        /// How many a container may name.
        limit: usize,
    },
    /// Too many containers.
    #[error("more than {limit} containers ask for FPGAs: make several pods")]
    TooManyContainers {
        /// How many may.
        limit: usize,
    },
    /// A patch that is too long.
    #[error(
        "the changes would take more than {limit} bytes: ask for fewer FPGAs, or make several pods"
    )]
    LongPatch {
        /// How long it may be.
        limit: usize,
    },
    /// Functions that no node has together.
    #[error(
        "container cannot be scheduled as it requires resources operated in different modes: {} is of mode \
         {first_mode}, {} of mode {second_mode}: use two pods",
        quote(.first), quote(.second)
    )]
    Modes {
        /// One resource.
        first: String,
        /// The mode of `first`: af, region or regiondevel.
        first_mode: &'static str,
        /// Another one.
        second: String,
        /// The mode of `second`.
        second_mode: &'static str,
    },
    /// A variable that is for the webhook to set.
    #[error(
        "environment variable {} is reserved: remove it; it is set for who asks for an AcceleratorFunction by its name \
         ({reason})",
        quote(.name)
    )]
    Reserved {
        /// Name of the environment variable.
        name: String,
        /// What makes it another one than the webhook's own.
        reason: String,
    },
    /// Variables from elsewhere that would be reserved ones.
    #[error("envFrom has the prefix {}, which makes reserved variables: use another prefix", quote(.0))]
    ReservedPrefix(String),
    /// An annotation that is for the device plugin to give.
    #[error("annotation {} is reserved: remove it; containers get it with their devices", quote(.0))]
    ReservedAnnotation(&'static str),
    /// Resources that are for containers only.
    #[error("{} is asked for by the pod as a whole: put it into a container's 'limits'", quote(.0))]
    PodLevel(String),
    /// A name of an object that is in the pod when nobody changes it any more.
    #[error(
        "{} was put into the pod by another webhook after friendly names had been replaced: it must be in the pod \
         that is created, or that webhook must run earlier",
        quote(.0)
    )]
    Late(String),
    /// Resources in a container that never gets any.
    #[error("an ephemeral container cannot have {}: ask for it in another container", quote(.0))]
    Ephemeral(String),
}

impl Refusal {
    /// One word in CamelCase, for Events and counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.fault {
            Fault::NoPod(_)
            | Fault::Unreadable(_)
            | Fault::Namespace { .. }
            | Fault::NoNamespace(_) => "FpgaInvalidPod",
            Fault::Unknown { .. } => "FpgaUnknownFunction",
            Fault::NotGranted { .. } => "FpgaNotGranted",
            Fault::Ambiguous { .. } | Fault::Faulty { .. } => "FpgaFaultyObject",
            Fault::Unequal(_) | Fault::NoLimit(_) | Fault::NotIntegral { .. } => {
                "FpgaInvalidQuantity"
            }
            Fault::TooManyUnits { .. }
            | Fault::TooManyResources { .. }
            | Fault::TooManyContainers { .. }
            | Fault::LongPatch { .. } => "FpgaTooMany",
            Fault::Modes { .. } => "FpgaModesDiffer",
            Fault::Reserved { .. } | Fault::ReservedPrefix(_) => "FpgaReservedEnv",
            Fault::ReservedAnnotation(_) => "FpgaReservedAnnotation",
            Fault::PodLevel(_) | Fault::Ephemeral(_) | Fault::Late(_) => "FpgaMisplaced",
        }
    }
}
