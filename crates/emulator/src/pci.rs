//! The second face: the cards as PCI functions of a User Mode Linux guest, which runs the real drivers on them.
//!
//! A guest's virt-pci driver takes each PCI function from a vhost-user socket (virtio device 1234), and sends accesses
//! to configuration space and BARs as messages; interrupts go back as messages, DMA is access to the guest's memory.
//! User space in the guest maps registers too, which no message tells: they are in a [file](Options::mmio) that is
//! I/O memory of the guest and mapped here as well. Only while a function could have work in them, they are looked at
//! again and again.
//!
//! Guest memory and virtqueues are those of the rust-vmm project (`vm-memory`, `virtio-queue`): they are kept by those
//! who run untrusted guests on them. Its `vhost` and `vhost-user-backend` do not serve: they refuse the memory table of
//! User Mode Linux, which has room for two regions and says that it has one (`struct vhost_user_mem_regions` in the
//! kernel's `arch/um/drivers/vhost_user.h`; version 0.18 of `vhost` takes a table of exactly the size that its count
//! gives). The session is own code, therefore; the tests hold it against `vhost`'s front end.

mod board;
mod config;
mod connection;
mod control;
mod function;
mod memory;
mod message;
mod msix;
mod place;
mod ring;
mod server;
mod vhost;
mod window;
mod worker;

#[cfg(test)]
mod tests;

pub use server::{Error, Options, Server};
