//! The Kubernetes objects that give accelerator functions and regions a name people can read, and that
//! grant them to a namespace.
//!
//! An object is named as it is asked for: `fpga.intel.com/arria10-nlb3` in a pod means the
//! AcceleratorFunction `arria10-nlb3` in the pod's namespace. What an object says is read in one place,
//! [`Meaning`], by the webhook and by the agent alike.

#![deny(missing_docs)]

mod crd;
mod function;
mod manifest;
mod meaning;
mod region;
mod status;

pub use crd::{CATEGORY, GROUP, STORAGE_VERSION, VERSIONS, crds};
pub use function::{AcceleratorFunction, AcceleratorFunctionSpec, FunctionMode};
pub use manifest::Manifest;
pub use meaning::{Fault, Kind, Meaning, NAME_LIMIT};
pub use region::{FpgaRegion, FpgaRegionSpec};
pub use status::{Condition, ConditionStatus, READY, Status};
