//! Programming a region: the one procedure for both drivers, and the verbs around it.
//!
//! ```no_run
//! use fpga::bitstream::Bitstream;
//! use fpga::program::{self, Image, Options, Target};
//! use fpga::root::Root;
//!
//! let root = Root::host();
//! let inventory = fpga::scan::scan(&root);
//! let (card, slot) = program::slot_by_name(&inventory, "dfl-port.0").ok_or("no such slot")?;
//! let target = Target::new(&root, card, slot);
//! let bitstream = Bitstream::open("nlb_mode_3.gbs")?;
//! let payload = bitstream.payload()?;
//! let image = Image::new(&bitstream, &payload)?;
//! let outcome = program::program(&target, &image, &Options::default(), &mut ())?;
//! for warning in &outcome.warnings {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What holds whatever happens:
//!
//! - Programmings of one card do not overlap, across processes; a holder of the lock that is killed
//!   leaves it free ([`CardLock`]).
//! - Nothing is touched before the image is known to fit, its clock to be possible and the port to be unused.
//! - Success means that the region was seen to show the image's function, and the card to count the clock that the image
//!   asks for.
//! - Whose the region is and what is in it is noted in the [`crate::ledger`] before it is touched and when it is
//!   ready. Only there an image is known to be loaded already.
//! - After a programming that failed the in-tree driver keeps the region disabled until the driver is
//!   bound again, and a later success does not cure that: `fme_pr` leaves the port's count of
//!   disablings at one. That state is found, named and cured by [`recover`].

mod activity;
mod book;
mod claim;
mod clock;
mod error;
mod function;
mod holder;
mod image;
mod lock;
mod outcome;
mod procedure;
mod recover;
mod registers;
mod slots;
mod target;

use std::time::Duration;

pub use activity::is_programming;
pub use book::For;
pub use error::{Cause, Error, Problem};
pub use holder::{Holder, users};
pub use image::{Image, UserClock};
pub use lock::{CardLock, LockError};
pub use outcome::{Action, Cleaned, Outcome, Progress, Step, Warning};
pub use procedure::program;
pub use recover::{Method, RecoverOptions, Recovered, recover};
pub use registers::{Cleared, clear_errors};
pub use slots::{SlotOptions, assign, release, reset};
pub use target::{Target, slot_by_name, slot_by_number};

use crate::id::AfuId;

/// How long to wait for a card's lock unless told otherwise: longer than the drivers let a
/// programming take (8 s without an answer of the card), with others before it.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How to program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The function that is asked for; an image with another is refused. `None` takes the image's.
    pub function: Option<AfuId>,
    /// For whom. An owner's region that was prepared already is left as it is.
    pub purpose: For,
    /// How long to wait in all: for who holds the region, for the card's lock, and for who programs without it.
    pub timeout: Duration,
    /// Program even if the image is loaded already.
    pub reprogram: bool,
    /// Program though the port is in use. Its users lose what they run.
    pub ignore_users: bool,
    /// Clear errors and reset the port also when the function is loaded already, for a new user.
    pub clean: bool,
    /// Do everything but calls and writes.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            function: None,
            purpose: For::Nobody,
            timeout: LOCK_TIMEOUT,
            reprogram: false,
            ignore_users: false,
            clean: false,
            dry_run: false,
        }
    }
}
