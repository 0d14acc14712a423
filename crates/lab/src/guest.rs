//! The guest's side: the first process of a machine whose files are the host's, read-only.

mod link;
mod node;
mod nodes;
mod setup;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cases;
use crate::wire::{Answer, Ended, Program, Request, Task};
use link::Link;

pub(crate) use link::SOCKET;
pub(crate) use node::{Node, PATIENCE, eventually};

/// The word by which the program knows that it is the guest's first process.
pub(crate) const WORD: &str = "lab-guest";

/// Does what the host asks for and switches the machine off, or has that done.
pub(crate) fn run() -> ! {
    if let Err(error) = start().and_then(|(link, task)| finish(&link, task)) {
        eprintln!("fpga-lab: {error:#}");
    }
    setup::power_off()
}

fn finish(link: &Arc<Link>, task: Task) -> anyhow::Result<()> {
    let is_program = matches!(task, Task::Program(_));
    let ended = perform(link, task).unwrap_or_else(|e| Ended::Failed(format!("{e:#}")));
    if is_program {
        // What it wrote is on its way to the host.
        let _ = nix::sys::termios::tcdrain(std::io::stdout());
    }
    link.call(&Request::End(ended))?;
    // Where a person or a script reads the console, the kernel's own end has too much to say: the host ends the machine.
    if is_program {
        loop {
            nix::unistd::pause();
        }
    }
    Ok(())
}

fn start() -> anyhow::Result<(Arc<Link>, Task)> {
    setup::mounts()?;
    let link = Arc::new(Link::open()?);
    link::share(&link)?;
    match link.call(&Request::Task)? {
        Answer::Task(task) => Ok((link, task)),
        other => bail!("the host answered {other:?}"),
    }
}

fn perform(link: &Arc<Link>, task: Task) -> anyhow::Result<Ended> {
    match task {
        Task::Program(program) => {
            nodes::keep_links()?;
            execute(&program)
        }
        Task::Case(name) => {
            let case = cases::all().find(|case| case.name == name).context("no such case")?;
            let node = Node::new(Arc::clone(link), &(case.machine)())?;
            // A panic is a failure of this case like any other, and the host wants to hear it.
            let played = std::panic::catch_unwind(AssertUnwindSafe(|| (case.play)(&node)));
            match played {
                Ok(Ok(())) => Ok(Ended::Exit(0)),
                Ok(Err(error)) => Ok(Ended::Failed(format!("{error:#}"))),
                Err(panic) => Ok(Ended::Failed(format!("panicked: {}", words(panic.as_ref())))),
            }
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

fn execute(program: &Program) -> anyhow::Result<Ended> {
    let Some((name, arguments)) = program.command.split_first() else { bail!("no command") };
    let mut command = if program.interactive {
        println!(
            "A guest on the real DFL driver. Its files are the host's, read-only but /run; the emulator:\n  \
             fpga-emulator ctl --socket {} --help\nThe guest ends with this shell.",
            SOCKET
        );
        // A terminal of its own: job control and Ctrl-C.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(name);
        command
    } else {
        Command::new(name)
    };
    command.args(arguments).current_dir(&program.directory);
    command.env_clear().envs(setup::environment()).env("FPGA_LAB", "1");
    if program.interactive {
        let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty0")?;
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    } else {
        command.stdin(Stdio::null());
    }
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(match code {
        Some(code) => Ended::Exit(code),
        None => Ended::Failed(format!("{name} ended with {status}")),
    })
}
