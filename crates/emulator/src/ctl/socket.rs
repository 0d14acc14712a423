//! The emulator's end of the control socket.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::Answer;

/// A line longer than this is not a command.
const LONGEST: usize = 64 << 10;

/// Binds a socket that everyone may connect to. One that nobody listens on is a left-over and replaced.
pub(crate) fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match UnixStream::connect(path) {
        Ok(_) => {
            let taken = "another emulator listens there";
            return Err(std::io::Error::new(ErrorKind::AddrInUse, taken));
        }
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Answers a connection's lines until its end. `answer` gets a line and the last descriptor that came.
pub(crate) fn serve(
    mut stream: &UnixStream,
    mut answer: impl FnMut(&[u8], &mut Option<OwnedFd>) -> Answer,
) {
    let (mut pending, mut descriptor) = (Vec::new(), None);
    let mut buffer = [0; 4096];
    while pending.len() < LONGEST {
        let Ok((count, fd)) = crate::sys::descriptor::receive(stream, &mut buffer) else { return };
        if count == 0 {
            return;
        }
        pending.extend_from_slice(&buffer[..count]);
        descriptor = fd.or(descriptor);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let Ok(text) = super::to_line(&answer(&line, &mut descriptor)) else { return };
            if stream.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }
}
