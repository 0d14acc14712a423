//! The process: it leaves the network, waits for its turn, serves until it is told to end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, io};

use fpga::files;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};

use crate::args::Args;
use crate::client::Client;
use crate::message::{Answer, Request};
use crate::server::Server;
use crate::work::Node;

/// How long work that is under way may take at the end, so that no card is left half done. Kubernetes' own limit is
/// 10 s here.
const LAST: Duration = Duration::from_secs(8);
/// How long `--status` waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &Args) -> ExitCode {
    let result = if args.status { ask(&args.socket) } else { serve(args) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("fpga-programmer: {message}");
            ExitCode::FAILURE
        }
    }
}

fn ask(socket: &Path) -> Result<(), String> {
    let answer = Client::new(socket).call(&Request::Status {}, PATIENCE);
    match answer.map_err(|error| error.to_string())? {
        Answer::Status(status) => {
            let text = serde_json::to_string_pretty(&status).map_err(|error| error.to_string())?;
            println!("{text}");
            Ok(())
        }
        other => Err(format!("{}: not a status: {other:?}", socket.display())),
    }
}

fn serve(args: &Args) -> Result<(), String> {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    // Before there are other threads, which inherit it.
    signals.thread_block().map_err(|error| format!("signals: {error}"))?;
    if !args.keep_network {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| format!("cannot leave the network: {error}: see --keep-network"))?;
    }
    let socket = absolute(&args.socket)?;
    let at_socket = |error: io::Error| format!("{}: {error}", socket.display());
    files::make_directories(socket.parent().unwrap_or(Path::new("/"))).map_err(at_socket)?;
    let node = Node {
        root: args.trees.root(),
        store: args.store.clone(),
        grants: (!args.allow_any).then(|| args.grants.clone()),
        blank: args.blank.clone(),
    };
    let server = Server::new(node);
    // In threads, so that a signal ends the wait for another instance as well.
    let (ended, end) = mpsc::channel();
    let (told, acceptor, path) = (ended.clone(), server.clone(), socket.clone());
    spawn("accept", move || {
        let failed = take_turn(&path).and_then(|turn| acceptor.listen(&path, turn));
        let _ = told.send(failed.map_err(|error| format!("{}: {error}", path.display())));
    })?;
    spawn("signals", move || {
        let waited = signals.wait().map_err(|error| format!("signals: {error}"));
        let _ = ended.send(waited.map(|_| ()));
    })?;
    let how = end.recv().map_err(|error| error.to_string())?;
    server.stop(LAST);
    how
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| format!("thread: {error}"))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The right to the socket at `path`: while a new instance starts, the one before it works on.
fn take_turn(path: &Path) -> io::Result<fs::File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&name)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    if file.try_lock().is_err() {
        eprintln!("fpga-programmer: another instance has {}: standing by", path.display());
        file.lock()?;
    }
    Ok(file)
}
