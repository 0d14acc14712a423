//! A device in sysfs whose attributes are read with diagnosis: what goes wrong is noted against its
//! name, and the reading goes on.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use nix::errno::Errno;

use crate::card::{DeviceNode, DeviceNumber, Problem};
use crate::errors::ErrorRegister;
use crate::sysfs::{AttrError, Dir, number};

/// A device directory, its name, and where its problems go.
pub(in crate::stack::intel) struct Object<'p> {
    name: String,
    dir: Dir,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Object<'p> {
    /// Opens the directory `path` of the device `name`; that it cannot be is a problem.
    pub(in crate::stack::intel) fn open(
        name: &str,
        path: &Path,
        problems: &'p mut Vec<Problem>,
    ) -> Option<Self> {
        match Dir::open(path) {
            Ok(dir) => Some(Self { name: name.to_owned(), dir, problems }),
            Err(error) => {
                problems
                    .push(Problem::new(name, format_args!("{}: {}", path.display(), error.desc())));
                None
            }
        }
    }

    pub(in crate::stack::intel) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::stack::intel) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Whether there is an attribute of this name, readable or not.
    pub(in crate::stack::intel) fn has(&self, attr: &str) -> bool {
        self.dir.has(attr)
    }

    /// Notes a problem of the attribute or child `what`.
    pub(in crate::stack::intel) fn problem(&mut self, what: &str, message: impl Display) {
        self.problems.push(Problem::new(&self.name, format_args!("{what}: {message}")));
    }

    /// A text; `None` when the attribute is missing or unreadable.
    pub(in crate::stack::intel) fn text(&mut self, attr: &str) -> Option<String> {
        match self.dir.read(attr) {
            Ok(text) => text,
            Err(error) => {
                self.problem(attr, error);
                None
            }
        }
    }

    /// The outcome of a read that the caller interprets.
    pub(in crate::stack::intel) fn raw(&self, attr: &str) -> Result<Option<String>, AttrError> {
        self.dir.read(attr)
    }

    /// A number in decimal, or in hexadecimal after `0x`.
    pub(in crate::stack::intel) fn number<T: TryFrom<u64>>(&mut self, attr: &str) -> Option<T> {
        self.parse(attr, "a number", |text| number(text).and_then(|n| T::try_from(n).ok()))
    }

    /// A number without which the object makes no sense.
    pub(in crate::stack::intel) fn required<T: TryFrom<u64>>(&mut self, attr: &str) -> Option<T> {
        let before = self.problems.len();
        let number = self.number(attr);
        if number.is_none() && self.problems.len() == before {
            self.problem(attr, Errno::ENOENT.desc());
        }
        number
    }

    /// What the type parses from text.
    pub(in crate::stack::intel) fn id<T: FromStr>(
        &mut self,
        attr: &str,
        expected: &str,
    ) -> Option<T> {
        self.parse(attr, expected, |text| text.parse().ok())
    }

    fn parse<T>(
        &mut self,
        attr: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(attr)?;
        let value = read(&text);
        if value.is_none() {
            self.problem(attr, format_args!("{:?} is not {expected}", shortened(&text)));
        }
        value
    }

    /// The device's node, by its attribute `dev` (`MAJOR:MINOR`).
    pub(in crate::stack::intel) fn node(&mut self) -> DeviceNode {
        let number = self.parse("dev", "a device number MAJOR:MINOR", |text| {
            let (major, minor) = text.split_once(':')?;
            Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
        });
        DeviceNode { name: self.name.clone(), number }
    }

    /// The registers that are not zero, of those that the device has below `errors/`, as `read` takes them.
    pub(in crate::stack::intel) fn errors(
        &mut self,
        registers: &[&str],
        read: fn(&str, u64) -> ErrorRegister,
    ) -> Vec<ErrorRegister> {
        let errors = match self.dir.sub("errors") {
            Ok(Some(errors)) => errors,
            Ok(None) => return Vec::new(),
            Err(error) => {
                self.problem("errors", error.desc());
                return Vec::new();
            }
        };
        let mut object = Object {
            name: format!("{}/errors", self.name),
            dir: errors,
            problems: &mut *self.problems,
        };
        let mut set = Vec::new();
        for name in registers {
            match object.number(name) {
                None | Some(0) => {}
                // What the bus answers for a card that was torn out, until the kernel knows of it.
                Some(u64::MAX) => object.problem(name, "all ones: the card does not answer"),
                Some(value) => set.push(read(name, value)),
            }
        }
        set
    }
}

/// The start of a text, so that a page of garbage does not fill the message.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
