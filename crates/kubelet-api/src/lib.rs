//! The gRPC interfaces between a kubelet and a device plugin, for both sides: the device plugin interface
//! ([`v1beta1`]) and the one that tells which pod holds which device and which could be given ([`podresources`]).
//!
//! A crate of its own because two programs of different trust speak them: the agent, and the stand-in
//! kubelet that tests it. The modules are generated from `proto/` and committed, so that a build needs
//! neither `protoc` nor a build script; `tests/generated.rs` compares and, with `UPDATE_GENERATED=1`,
//! rewrites them.

#![deny(missing_docs)]

/// Device plugin interface v1beta1, the only version that kubelets serve.
#[rustfmt::skip]
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1beta1;

/// Pod resources interface, served by kubelets since Kubernetes 1.20 as v1.
pub mod podresources {
    /// The part of it that tells who holds which device, and which could be given.
    #[rustfmt::skip]
    #[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
    pub mod v1;
}

/// Version that a plugin names in its registration.
pub const DEVICE_PLUGIN_VERSION: &str = "v1beta1";

/// [`v1beta1::Device::health`] of a device that can be allocated.
pub const HEALTHY: &str = "Healthy";

/// [`v1beta1::Device::health`] of a device that cannot be allocated.
pub const UNHEALTHY: &str = "Unhealthy";
