//! Runs a command whose ioctls on emulated devices the emulator answers.

mod namespace;

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use crate::ctl::{self, Answer, Client};
use crate::sys::seccomp;
use crate::tree::LEDGER;

pub use crate::sys::namespace::permitted as namespace_permitted;
pub use crate::sys::seccomp::InstallError;
pub use namespace::Error as NamespaceError;

/// The variable that names the ledger's directory to the programs of this project.
const LEDGER_VARIABLE: &str = "FPGA_LEDGER";

/// How to run a command.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Socket of the emulator.
    pub socket: PathBuf,
    /// Opening an attribute that cannot be read fails with the kernel's error. Costs a round trip for each file
    /// that the command opens for reading.
    pub attribute_errors: bool,
    /// In a user and mount namespace where `/sys` is the emulated one and `/dev` has the usual nodes and these.
    pub namespace: Option<Devices>,
    /// Program and arguments.
    pub command: Vec<OsString>,
}

/// Which emulated nodes a command sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// All.
    All,
    /// Those with these names.
    Only(Vec<String>),
}

/// Why the command did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Talking to the emulator failed.
    #[error(transparent)]
    Control(#[from] ctl::Error),
    /// No seccomp listener.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// No namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The listener could not be handed over.
    #[error("handing the seccomp listener to the emulator: {0}")]
    HandOver(nix::errno::Errno),
    /// The program could not be started.
    #[error("{program}: {reason}")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        reason: std::io::Error,
    },
    /// No program was named.
    #[error("no command to run")]
    Nothing,
}

/// Becomes the command. Returns only when that fails; then this process is confined already and should end.
///
/// # Errors
/// [`Error`].
pub fn exec(options: &Options) -> Result<Infallible, Error> {
    let (program, arguments) = options.command.split_first().ok_or(Error::Nothing)?;
    let mut client = Client::connect(&options.socket)?;
    let mut command = std::process::Command::new(program);
    if let Some(devices) = &options.namespace {
        let root = client.status()?.root;
        namespace::enter(&root, devices)?;
        // What is in the emulated regions is not the machine's.
        command.env(LEDGER_VARIABLE, root.join(LEDGER));
    }
    let listener = seccomp::install(options.attribute_errors)?;
    let line = ctl::to_line(&ctl::Command::Listen)?;
    crate::sys::descriptor::send(client.stream(), line.as_bytes(), listener.as_raw_fd())
        .map_err(Error::HandOver)?;
    match client.answer()? {
        Answer::Done => {}
        other => return Err(ctl::Error::Answer(format!("{other:?}")).into()),
    }
    drop((client, listener));
    let reason = command.args(arguments).exec();
    Err(Error::Start { program: program.to_string_lossy().into_owned(), reason })
}
