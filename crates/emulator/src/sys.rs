//! The system calls that no safe interface covers: seccomp notification, shared registers, descriptors of
//! other processes. The only unsafe code of the crate.

#![allow(unsafe_code)]

pub(crate) mod descriptor;
pub mod namespace;
pub(crate) mod registers;
pub(crate) mod seccomp;
