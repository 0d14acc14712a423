//! A container of the model, and its process.

use std::sync::mpsc::{self, Sender};
use std::thread::{Builder, JoinHandle};

use fpga::ledger::{Life, Owner};
use fpga::names::Use;
use nix::unistd::gettid;

pub(crate) struct Container {
    pub(crate) owner: Owner,
    process: Option<Process>,
    pub(crate) usage: Use,
    pub(crate) regions: Vec<usize>,
    /// Indices of images, one for each region.
    pub(crate) wishes: Vec<usize>,
    /// The builds that these were when it was prepared.
    pub(crate) promised: Vec<u64>,
    /// It was prepared and has not ended.
    pub(crate) runs: bool,
}

/// A thread is as good as a process here: `/proc` has it under its id as long as it runs.
struct Process {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Container {
    pub(crate) fn start(id: usize, usage: Use, regions: Vec<usize>, wishes: Vec<usize>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let run = move || {
            tell.send(gettid().as_raw()).unwrap();
            let _ = stopped.recv();
        };
        let thread = Builder::new().stack_size(64 << 10).spawn(run).unwrap();
        let pid = told.recv().unwrap().cast_unsigned();
        let owner = Owner::container(format!("c{id}"), Some(pid));
        let process = Some(Process { stop, thread });
        Self { owner, process, usage, regions, wishes, promised: Vec::new(), runs: false }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn end(&mut self) {
        self.runs = false;
        if let Some(Process { stop, thread }) = self.process.take() {
            drop(stop);
            thread.join().unwrap();
            // The kernel forgets it a moment after whoever waited for it was told.
            while self.owner.life() != Life::Ended {
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.end();
    }
}
