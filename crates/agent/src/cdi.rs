//! Specs of the Container Device Interface: what a container gets with a device, and what runs for it.

mod directory;
mod files;
mod region;

pub(crate) use directory::{Error, Specs, qualified_name};
pub(crate) use region::{Hook, device_spec};
