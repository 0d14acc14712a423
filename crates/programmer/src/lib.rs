//! The programmer: the one part on a node that opens cards for others, and talks to nobody but root.
//!
//! It listens on a unix socket for three verbs: `prepare` a container's or claim's devices, `clean` them, and
//! `status`. What it does is [`fpga_hook::session`], the procedure of the runtime hook, which finds its work done where
//! the programmer was there first.

#![deny(missing_docs)]
// The doc comments of arguments are help texts, in which <...> stands for what is to be filled in.
#![allow(rustdoc::invalid_html_tags)]

mod args;
mod client;
pub mod message;
mod run;
mod server;
mod status;
mod work;

pub use args::{Args, command};
pub use client::{CallError, Client};
pub use run::run;

/// Where the socket is unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/kube-fpga/programmer.sock";
