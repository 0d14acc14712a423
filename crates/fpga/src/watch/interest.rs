//! What a watched file is watched for, and which of its events count.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use nix::sys::inotify::AddWatchFlags as Flags;

use crate::stack;

/// Why a file or directory is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interest {
    /// A directory above a watched one: only for its own removal.
    Itself,
    /// A directory in which the entries of these names are wanted.
    Names(BTreeSet<OsString>),
    /// A directory of device nodes. Not for writes to them: on a busy node something writes to
    /// `/dev/null` all the time.
    Nodes,
    /// The management node of this name, for being closed after writing.
    Management(OsString),
    /// The ledger's directory, for what programs of ours say when they close a management node.
    Ledger,
    /// A directory of attributes: everything in it.
    Everything,
}

/// What an event amounts to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// A scan may find something else.
    pub(super) changed: bool,
    /// Directories or nodes came or went, so that watches must be added or dropped.
    pub(super) moved: bool,
}

const NOTHING: Verdict = Verdict { changed: false, moved: false };
const CHANGED: Verdict = Verdict { changed: true, moved: false };
pub(super) const MOVED: Verdict = Verdict { changed: true, moved: true };

impl Interest {
    pub(super) fn name(name: &OsStr) -> Self {
        Self::Names([name.to_owned()].into())
    }

    /// The interest in a file that is watched for both reasons.
    pub(super) fn merged(self, other: Self) -> Self {
        match (self, other) {
            (Self::Names(mut a), Self::Names(b)) => {
                a.extend(b);
                Self::Names(a)
            }
            (Self::Itself, more) | (more, Self::Itself) => more,
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            // A directory for nodes that is on the way to something: rare enough to look at all of it.
            (one, other) if one != other => Self::Everything,
            (same, _) => same,
        }
    }

    /// The events to ask for.
    pub(super) fn flags(&self) -> Flags {
        let itself = Flags::IN_DELETE_SELF | Flags::IN_MOVE_SELF | Flags::IN_ONLYDIR;
        let entries =
            Flags::IN_CREATE | Flags::IN_DELETE | Flags::IN_MOVED_FROM | Flags::IN_MOVED_TO;
        match self {
            Self::Itself => itself,
            Self::Names(_) | Self::Nodes => itself | entries,
            Self::Management(_) => Flags::IN_CLOSE_WRITE,
            Self::Ledger => itself | Flags::IN_CLOSE_WRITE | Flags::IN_DELETE,
            Self::Everything => {
                itself | entries | Flags::IN_MODIFY | Flags::IN_CLOSE_WRITE | Flags::IN_ATTRIB
            }
        }
    }

    /// What an event on the watched file amounts to.
    pub(super) fn verdict(&self, event: Flags, name: Option<&OsStr>) -> Verdict {
        if event.intersects(Flags::IN_DELETE_SELF | Flags::IN_MOVE_SELF | Flags::IN_UNMOUNT) {
            return MOVED;
        }
        match (self, name) {
            (Self::Names(names), Some(name)) if names.contains(name) => MOVED,
            (Self::Nodes, Some(name)) if is_management(name) || is_slot(name) => MOVED,
            (Self::Management(_), _) if event.contains(Flags::IN_CLOSE_WRITE) => CHANGED,
            (Self::Everything, _) if event.contains(Flags::IN_ISDIR) => MOVED,
            (Self::Everything, _) => CHANGED,
            _ => NOTHING,
        }
    }
}

/// True of the name of a management node.
pub(super) fn is_management(name: &OsStr) -> bool {
    name.to_str().is_some_and(stack::is_management_node)
}

fn is_slot(name: &OsStr) -> bool {
    name.to_str().is_some_and(stack::is_slot_node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_other_drivers_do_not_count() {
        for (name, verdict) in
            [("dfl-fme.0", MOVED), ("intel-fpga-port.3", MOVED), ("loop0", NOTHING)]
        {
            assert_eq!(
                Interest::Nodes.verdict(Flags::IN_CREATE, Some(name.as_ref())),
                verdict,
                "{name}"
            );
        }
    }

    #[test]
    fn only_the_wanted_names_of_a_directory_on_the_way_count() {
        let interest = Interest::name("sys".as_ref()).merged(Interest::name("dev".as_ref()));
        for (name, verdict) in [("sys", MOVED), ("dev", MOVED), ("tmp", NOTHING)] {
            assert_eq!(interest.verdict(Flags::IN_CREATE, Some(name.as_ref())), verdict, "{name}");
        }
        assert_eq!(interest.verdict(Flags::IN_MOVE_SELF, None), MOVED);
        assert_eq!(interest.verdict(Flags::IN_IGNORED, None), NOTHING);
    }

    #[test]
    fn two_interests_in_one_directory_lose_nothing() {
        let names = || Interest::name("sys".as_ref());
        assert_eq!(Interest::Itself.merged(names()), names());
        assert_eq!(names().merged(Interest::Itself), names());
        assert_eq!(names().merged(Interest::Nodes), Interest::Everything);
        assert_eq!(Interest::Nodes.merged(Interest::Nodes), Interest::Nodes);
        assert_eq!(Interest::Everything.merged(names()), Interest::Everything);
    }
}
