//! What others may have loaded by tools that do not write the ledger.
//!
//! Whoever watches a card's management node ([`crate::watch`]) sees that it was closed after writing, and not by
//! whom. So a program of ours says when it closes one ([`Ledger::closing`]): it makes a file in the ledger's directory
//! immediately before, and removes it immediately after. The kernel queues the events of both places in their order
//! for one watcher. A close without the file is somebody else's, and the watcher notes the time in another file:
//! what was loaded before is not believed any more.
//!
//! The time is that of the load, not that of the entry: an entry that is written later with the same image, because
//! the watcher was slower than a procedure, is doubted all the same.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::{Binding, Entry, Error, LIMIT, Ledger};
use crate::files;
use crate::id::{CardId, DeviceId};
use crate::program::CardLock;
use crate::stack::Management;

/// How the name of a file ends that says since when a card is in doubt.
const DOUBT: &str = ".doubt";
/// How the name of a file ends that stands while a program of ours closes a management node.
const CLOSING: &str = ".closing";

/// A time, in nanoseconds since the boot (`CLOCK_BOOTTIME`): no one sets this clock, and all processes of a node have
/// the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// Now. Where the clock cannot be read it is the boot: an image of that time is the first to be doubted.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
        Self(now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// What was loaded on a card until some moment is not believed.
#[derive(Debug, Serialize, Deserialize)]
struct Doubt {
    /// The moment is one of this boot.
    boot: Binding,
    until: Moment,
}

impl Ledger {
    /// What is known of the images on `card` until now is not believed any more. Whose its regions are stays known.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn doubt(&self, card: CardId) -> Result<(), Error> {
        let path = self.doubt_path(card);
        let fail = |cause| Error { path: path.clone(), action: "write", cause };
        let doubt = Doubt { boot: Binding::of(&[]), until: Moment::now() };
        let text = serde_json::to_vec(&doubt).map_err(|error| fail(error.into()))?;
        self.make().map_err(fail)?;
        files::replace(&path, &text, 0o644).map_err(fail)
    }

    /// Closes a management node that was opened for writing by whoever has the card's lock, so that watchers take it
    /// for no one else's. Where that cannot be said, they doubt what is loaded, which costs one programming.
    pub(crate) fn closing<T>(&self, _lock: &CardLock, card: &Management, node: T) {
        let path = self.directory().join(format!("{}{CLOSING}", card.device.name));
        // Its own close after writing is the event, also where a program that was killed has left the file.
        let _ = fs::File::create(&path);
        drop(node);
        let _ = fs::remove_file(&path);
    }

    /// The entry without an image that is in doubt.
    pub(super) fn doubted(&self, slot: DeviceId, mut entry: Entry) -> Entry {
        if let Some(image) = &entry.image
            && self.is_in_doubt(slot.card, image.loaded)
        {
            entry.image = None;
        }
        entry
    }

    fn is_in_doubt(&self, card: CardId, loaded: Moment) -> bool {
        let text = match files::read(&self.doubt_path(card), LIMIT) {
            Ok(text) => text,
            Err(error) => return error.kind() != io::ErrorKind::NotFound,
        };
        // One that says nothing may have said anything.
        let Ok(doubt) = serde_json::from_slice::<Doubt>(&text) else { return true };
        doubt.boot.is_of_this_boot() && loaded <= doubt.until
    }

    fn doubt_path(&self, card: CardId) -> PathBuf {
        self.directory().join(format!("{}{DOUBT}", DeviceId { card, slot: None }))
    }
}

/// The management node that a file in the ledger's directory says is being closed.
pub(crate) fn closing_node(file: &OsStr) -> Option<OsString> {
    file.to_str()?.strip_suffix(CLOSING).map(OsString::from)
}
