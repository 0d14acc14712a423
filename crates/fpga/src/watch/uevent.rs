//! The kernel's uevents, by the netlink protocol that udev reads too (lib/kobject_uevent.c).
//!
//! They reach every network namespace that the initial user namespace owns, so a pod with its own
//! network gets them. Any local root may send false ones; that costs a scan and nothing else.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use nix::unistd::read;

use crate::stack;

/// The multicast group of the kernel's own events; udev's processed ones are another.
const KERNEL_GROUP: u32 = 1;

/// Larger than `UEVENT_BUFFER_SIZE` (2048) and the header before it.
const LONGEST: usize = 8192;

/// A socket on which the kernel's events arrive.
pub(super) struct Uevents(OwnedFd);

impl Uevents {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            flags,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self(socket))
    }

    /// Takes the events there are; true when one of them matters.
    pub(super) fn drain(&self) -> io::Result<bool> {
        let mut matters = false;
        let mut message = [0; LONGEST];
        loop {
            match read(&self.0, &mut message) {
                Ok(length) => matters |= is_relevant(&message[..length]),
                Err(Errno::EAGAIN) => return Ok(matters),
                Err(Errno::EINTR) => {}
                // Events were lost: any of them may have been one of ours.
                Err(Errno::ENOBUFS) => matters = true,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// True of an event of an FPGA device, driver or module, and of every PCI event, since virtual
/// functions are made and bound by such.
///
/// A message is `ACTION@DEVPATH` and then `KEY=VALUE` texts, each ended by a zero.
fn is_relevant(message: &[u8]) -> bool {
    let mut texts =
        message.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let Some((_action, path)) = texts.next().and_then(|header| header.split_once('@')) else {
        return false;
    };
    path.split('/').any(stack::is_in_uevents) || texts.any(|text| text == "SUBSYSTEM=pci")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_fpga_devices_drivers_and_modules_matter() {
        for (path, subsystem) in [
            ("/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/fpga_region/region0", "fpga_region"),
            (
                "/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/fpga_region/region0/dfl-port.0",
                "platform",
            ),
            (
                "/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/fpga/intel-fpga-dev.0/intel-fpga-fme.0",
                "platform",
            ),
            ("/module/dfl_pci", "module"),
            ("/module/intel_fpga_pci", "module"),
            ("/bus/platform/drivers/dfl-afu", "drivers"),
            ("/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.1", "pci"),
        ] {
            let message = format!(
                "add@{path}\0ACTION=add\0DEVPATH={path}\0SUBSYSTEM={subsystem}\0SEQNUM=4711\0"
            );
            assert!(is_relevant(message.as_bytes()), "{path}");
        }
    }

    #[test]
    fn other_events_do_not() {
        for message in [
            "add@/devices/virtual/net/veth0\0ACTION=add\0DEVPATH=/devices/virtual/net/veth0\0SUBSYSTEM=net\0",
            "change@/devices/virtual/block/zram0\0ACTION=change\0SUBSYSTEM=block\0NOTE=fpga\0",
            "libudev\0\u{1}",
            "",
            "\0\0",
            "no header\0SUBSYSTEM=pci\0",
        ] {
            assert!(!is_relevant(message.as_bytes()), "{message:?}");
        }
        assert!(!is_relevant(b"\xff\xfe@/x\0SUBSYSTEM=pci\0"));
    }

    #[test]
    fn the_socket_opens_without_privilege_and_is_quiet_at_first() {
        let uevents = Uevents::open().unwrap();
        let fd = uevents.as_fd().try_clone_to_owned().unwrap();
        // Draining an open socket ends, whatever the machine is doing.
        Uevents(fd).drain().unwrap();
    }
}
