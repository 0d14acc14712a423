//! FPGA cards on a Linux node: what is there, what it is called in Kubernetes, and the driver's verbs.
//!
//! The crate is synchronous and knows neither Kubernetes' client nor an async runtime, so that a
//! runtime hook, a command-line tool and a daemon can share it. What differs by the driver of a card is behind
//! [`stack::Stack`]. [`stack::intel`] speaks two kernel interfaces, on one node at the same time:
//! the in-tree Device Feature List driver (`/sys/class/fpga_region`, ioctl magic `0xB6`) and Intel's
//! out-of-tree OPAE driver (`/sys/class/fpga`, ioctl magic `0xB5`).
//!
//! [`root::Root`] says where `sys/` and `dev/` are, [`scan::scan`] turns them into a [`card::Inventory`],
//! [`watch::Watcher`] says when to scan again, [`names`] is the contract with Kubernetes.

pub mod bitstream;
pub mod card;
pub mod catalog;
pub mod deadline;
pub mod duration;
pub mod errors;
pub mod files;
pub mod grants;
pub mod id;
pub mod ledger;
pub mod names;
pub mod program;
pub mod records;
pub mod root;
pub mod scan;
pub mod stack;
pub mod store;
pub mod sysfs;
pub mod uses;
pub mod watch;
