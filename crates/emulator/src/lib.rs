//! Emulated FPGA cards, for programs that expect Intel's FPGA drivers and for people without a card.
//!
//! Layers, each usable alone:
//!
//! - [`card`] is the hardware at register level, without any notion of files or processes;
//! - [`host`] is the kernel on top of it: what probing, sysfs and the ioctls of the two drivers do;
//! - [`tree`] shows that as a directory of plain files, and [`serve`] keeps the directory true and answers
//!   ioctls of programs started by [`exec`] through seccomp user notification.
//! - [`pci`] shows the cards to a User Mode Linux guest instead, whose real drivers then take the place of [`host`].
//!
//! ```
//! let machine = fpga_emulator::machine::Machine::preset("r740")?;
//! let dir = tempfile::tempdir()?;
//! fpga_emulator::tree::create(&machine, &dir.path().join("root"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bitstream_writer;
pub mod card;
pub mod ctl;
pub mod exec;
pub mod gbs;
pub mod host;
pub mod id;
pub mod machine;
pub mod pci;
pub mod serve;
pub mod sys;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tree;
pub mod view;
