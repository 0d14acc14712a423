//! Random sequences of all that can happen to a node's regions, with what must hold after every step: nobody has a
//! region that somebody else has; what runs has the image that it was promised, by what is really loaded; nobody but
//! its owner's end cleans a region, and after its owner's end somebody does.
//!
//! The procedure is the shipped one, down to its system calls. `FPGA_MODEL_SEQUENCES` says how many sequences are
//! played, `FPGA_MODEL_SEED` which is the first.
#![allow(clippy::unwrap_used)] // A panic in a test is the failure report.

mod container;
mod driver;
mod node;
mod random;
mod sequence;

use std::time::{Instant, SystemTime};

use node::Node;
use sequence::Sequence;

const STEPS: usize = 10;

#[test]
fn ten_thousand_sequences() {
    play(number("FPGA_MODEL_SEQUENCES").unwrap_or(10_000));
}

/// Takes an hour.
#[test]
#[ignore = "takes long: for changes of the procedure or the ledger"]
fn a_million_sequences() {
    play(number("FPGA_MODEL_SEQUENCES").unwrap_or(1_000_000));
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().expect(variable))
}

fn play(count: u64) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let first = number("FPGA_MODEL_SEED").unwrap_or(u64::try_from(now).unwrap() >> 8);
    println!("FPGA_MODEL_SEED={first}");
    let started = Instant::now();
    // Much of a sequence is waiting: for whoever holds a region, and for children that die.
    let workers = 4 * std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let work = |worker: u64| {
        let mut node = Node::new();
        for number in (worker..count).step_by(usize::try_from(workers).unwrap()) {
            Sequence::new(&mut node, first.wrapping_add(number)).play(STEPS);
            if number % 50_000 == 0 {
                println!("sequence {number} after {:.0} s", started.elapsed().as_secs_f64());
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        assert!(workers.into_iter().all(|worker| worker.join().is_ok()), "see above");
    });
    println!("{count} sequences in {:.1} s", started.elapsed().as_secs_f64());
}
