//! The serial line to the host, and the emulator's control socket that it carries.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use crate::wire::{Answer, Request};

/// The serial line, whose other end is the host.
const LINE: &str = "/dev/ttyS0";

/// The emulator's control socket in the guest.
pub(crate) const SOCKET: &str = "/run/lab/emulator.sock";

/// The line. One request at a time.
pub(super) struct Link(Mutex<(BufReader<File>, File)>);

impl Link {
    pub(super) fn open() -> anyhow::Result<Self> {
        let open = || File::options().read(true).write(true).open(LINE);
        let line = open().context(LINE)?;
        let mut settings = tcgetattr(&line).context(LINE)?;
        cfmakeraw(&mut settings);
        tcsetattr(&line, SetArg::TCSANOW, &settings).context(LINE)?;
        Ok(Self(Mutex::new((BufReader::new(line.try_clone()?), line))))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the line breaks or the host refuses.
    pub(super) fn call(&self, request: &Request) -> anyhow::Result<Answer> {
        let mut message = serde_json::to_vec(request)?;
        message.push(b'\n');
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.1.write_all(&message).context(LINE)?;
        if let Request::End(_) = request {
            return Ok(Answer::Done);
        }
        let mut answer = String::new();
        line.0.read_line(&mut answer).context(LINE)?;
        match serde_json::from_str(&answer).with_context(|| format!("the host said {answer:?}"))? {
            Answer::Error(reason) => bail!(reason),
            answer => Ok(answer),
        }
    }
}

/// Serves the emulator's control socket in the guest, so that its own client works here as it does on the host.
pub(super) fn share(link: &Arc<Link>) -> anyhow::Result<()> {
    let listener = UnixListener::bind(SOCKET).context(SOCKET)?;
    let link = Arc::clone(link);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let link = Arc::clone(&link);
            std::thread::spawn(move || carry(&link, client));
        }
    });
    Ok(())
}

fn carry(link: &Link, mut client: UnixStream) {
    let Ok(reader) = client.try_clone() else { return };
    for command in BufReader::new(reader).lines().map_while(Result::ok) {
        let answer = match link.call(&Request::Emulator(command)) {
            Ok(Answer::Emulator(line)) => line,
            Ok(other) => error(&format!("the host answered {other:?}")),
            Err(reason) => error(&format!("{reason:#}")),
        };
        if writeln!(client, "{answer}").is_err() {
            return;
        }
    }
}

fn error(reason: &str) -> String {
    serde_json::json!({ "error": reason }).to_string()
}
