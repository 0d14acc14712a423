//! The socket: who may connect, how many at once, lines in and out.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fpga::records::RunResult;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;

use crate::message::{Answer, Failed, LONGEST, Request};
use crate::work::Node;

/// More callers than a node has: the agent, and people.
const MOST_CONNECTIONS: usize = 32;
/// How long a caller may take to send a line, or to take an answer.
const IDLE: Duration = Duration::from_secs(30);

/// Answers on a socket. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Server(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    node: Node,
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connections: usize,
    /// Requests that are being worked on.
    busy: usize,
    is_stopping: bool,
    /// The socket, once it is bound.
    socket: Option<PathBuf>,
}

impl Server {
    pub(crate) fn new(node: Node) -> Self {
        Self(Arc::new(Shared { node, state: Mutex::default(), idle: Condvar::new() }))
    }

    /// Serves at `path` until the end of the process, by the right that `_turn` is.
    pub(crate) fn listen(&self, path: &Path, _turn: File) -> io::Result<()> {
        // Whoever had it before has ended.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        self.0.lock().socket = Some(path.to_owned());
        eprintln!("fpga-programmer: listening at {}", path.display());
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.take(stream),
                Err(error) => {
                    // Descriptors or memory are short, which passes.
                    eprintln!("fpga-programmer: accept: {error}");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn take(&self, stream: UnixStream) {
        if !is_root(&stream) {
            return eprintln!("fpga-programmer: a caller that is not root is refused");
        }
        let mut state = self.0.lock();
        if state.connections >= MOST_CONNECTIONS {
            return eprintln!(
                "fpga-programmer: {MOST_CONNECTIONS} callers are connected; one is refused"
            );
        }
        state.connections += 1;
        drop(state);
        let server = self.clone();
        let thread = std::thread::Builder::new().name("caller".to_owned()).spawn(move || {
            // A caller that went away is not waited for.
            let _ = server.converse(&stream);
            server.0.lock().connections -= 1;
        });
        if let Err(error) = thread {
            self.0.lock().connections -= 1;
            eprintln!("fpga-programmer: thread: {error}");
        }
    }

    fn converse(&self, stream: &UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_write_timeout(Some(IDLE))?;
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(());
            }
            let is_whole = line.last() == Some(&b'\n');
            let Some(answer) = self.work(&line) else { return Ok(()) };
            let mut text = serde_json::to_vec(&answer)?;
            text.push(b'\n');
            (&mut &*stream).write_all(&text)?;
            if !is_whole {
                return Ok(());
            }
        }
    }

    /// The answer; `None` when the process is about to end.
    fn work(&self, line: &[u8]) -> Option<Answer> {
        let request = match serde_json::from_slice::<Request>(line) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("not a request: {error}");
                return Some(Answer::Failed(Failed { code: RunResult::Input, message }));
            }
        };
        let mut state = self.0.lock();
        if state.is_stopping {
            return None;
        }
        state.busy += 1;
        drop(state);
        let answer = self.0.node.answer(&request);
        self.0.lock().busy -= 1;
        self.0.idle.notify_all();
        Some(answer)
    }

    /// Begins nothing more, and waits for what is under way.
    pub(crate) fn stop(&self, limit: Duration) {
        let mut state = self.0.lock();
        state.is_stopping = true;
        if let Some(socket) = state.socket.take() {
            let _ = fs::remove_file(socket);
        }
        let rest = self.0.idle.wait_timeout_while(state, limit, |state| state.busy > 0);
        let (state, _) = rest.unwrap_or_else(PoisonError::into_inner);
        if state.busy > 0 {
            eprintln!("fpga-programmer: ended while {} requests were worked on", state.busy);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True when root connected, or the user of this process.
fn is_root(stream: &UnixStream) -> bool {
    let user = getsockopt(stream, PeerCredentials).map(|peer| peer.uid());
    user.is_ok_and(|user| may_ask(user, Uid::effective().as_raw()))
}

fn may_ask(user: u32, own: u32) -> bool {
    user == 0 || user == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_user_of_the_process_may_ask() {
        assert!(may_ask(0, 0) && may_ask(0, 1000) && may_ask(1000, 1000));
        assert!(!may_ask(65534, 0) && !may_ask(1001, 1000) && !may_ask(u32::MAX, 0));
    }
}
