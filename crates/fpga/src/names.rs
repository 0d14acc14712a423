//! The contract with Kubernetes.
