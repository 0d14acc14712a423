//! What every process of kube-fpga in a cluster needs and none of them is about: the way to the API server,
//! watches that outlive its absence, Events within a budget, the health and metrics endpoint, log lines,
//! signals, and the small things that go with them. It knows nothing of FPGAs.
#![deny(missing_docs)]

pub mod api;
pub mod backoff;
pub mod debounce;
pub mod events;
pub mod http;
pub mod logging;
pub mod optional;
pub mod reach;
pub mod signals;
pub mod told;
pub mod watch;
