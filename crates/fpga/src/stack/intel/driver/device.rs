//! An opened device node and the one place that calls ioctl(2).
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

use super::abi::{Argument, Common, Request};
use super::error::{Error, Operation};
use super::node::{Node, NodeKind};
use crate::card::Driver;
use crate::stack::Sharing;

#[derive(Debug)]
pub(super) struct Device {
    file: File,
    path: PathBuf,
    driver: Driver,
}

impl Device {
    pub(super) fn open(path: &Path, kind: NodeKind, sharing: Sharing) -> Result<Self, Error> {
        let expected = match kind {
            NodeKind::Port => "port",
            NodeKind::Fme => "fme",
        };
        let node = Node::of_path(path)
            .filter(|node| node.kind == kind)
            .ok_or_else(|| Error::UnknownNode { path: path.to_owned(), expected })?;
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Both drivers read it as "nobody else" (`dfl_feature_dev_use_begin`).
        if sharing == Sharing::Exclusive {
            options.custom_flags(libc::O_EXCL);
        }
        let file = options.open(path).map_err(|e| {
            // Only a path with a NUL byte fails without a number.
            let errno = e.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
            Error::refused(path, Operation::Open, errno)
        })?;
        Ok(Self { file, path: path.to_owned(), driver: node.driver })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn driver(&self) -> Driver {
        self.driver
    }

    pub(super) fn common(&self) -> Common {
        Common::of(self.driver)
    }

    pub(super) fn error(&self, operation: Operation, errno: Errno) -> Error {
        Error::refused(&self.path, operation, errno)
    }

    /// A call that passes a structure in, out or both ways.
    pub(super) fn call<T: Argument>(
        &self,
        request: &Request<T>,
        argument: &mut T,
    ) -> Result<(), Errno> {
        // SAFETY: `Request<T>` ties the number to the structure that the kernel reads and writes
        // there, `T: Argument` has no padding and takes every bit pattern, and the reference keeps
        // it alive and unshared for the call.
        let answer = unsafe {
            libc::ioctl(self.file.as_raw_fd(), code(request), std::ptr::from_mut(argument))
        };
        Errno::result(answer).map(drop)
    }

    /// A call that passes a number, and answers with one.
    pub(super) fn call_value(&self, request: &Request<()>, value: u32) -> Result<u32, Errno> {
        // SAFETY: the kernel takes the argument of these calls as a number and touches no memory.
        let answer = unsafe {
            libc::ioctl(self.file.as_raw_fd(), code(request), libc::c_ulong::from(value))
        };
        // `Errno::result` has excluded the negative answer.
        Errno::result(answer).map(i32::cast_unsigned)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The C library's type of request numbers: `unsigned long` in glibc, `int` in musl.
// The kernel looks at the low 32 bits only, and they are kept in both.
#[allow(clippy::cast_possible_wrap, clippy::useless_conversion, clippy::unnecessary_cast)]
fn code<T>(request: &Request<T>) -> libc::Ioctl {
    request.number() as libc::Ioctl
}
