//! A guest and the cards under it share a processor. They wake each other for every register that is read, and neither
//! has anything to do while the other works: waking another processor each time takes longer. The exception is a large
//! bitstream, which the guest writes while the card works.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

/// Has this thread, and all that it starts, run on the processor whose turn it is among those that it may use. Where that
/// cannot be, everything runs as it did.
pub(super) fn take(turn: usize) {
    if let Err(error) =
        sched_getaffinity(SELF).and_then(|all| sched_setaffinity(SELF, &one(&all, turn)?))
    {
        eprintln!("fpga-lab: guests may use all processors, and are slower: {error}");
    }
}

fn one(all: &CpuSet, turn: usize) -> nix::Result<CpuSet> {
    let usable: Vec<usize> = (0..CpuSet::count()).filter(|n| all.is_set(*n) == Ok(true)).collect();
    let number = usable.get(turn % usable.len().max(1)).ok_or(Errno::EINVAL)?;
    let mut set = CpuSet::new();
    set.set(*number)?;
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_the_processors_that_may_be_used() {
        let mut all = CpuSet::new();
        for number in [1, 5, 900] {
            all.set(number).unwrap();
        }
        for (turn, number) in [(0, 1), (1, 5), (2, 900), (3, 1), (7, 5)] {
            let set = one(&all, turn).unwrap();
            let found: Vec<_> = (0..CpuSet::count()).filter(|n| set.is_set(*n).unwrap()).collect();
            assert_eq!(found, [number], "turn {turn}");
        }
        assert_eq!(one(&CpuSet::new(), 0), Err(Errno::EINVAL));
    }

    #[test]
    fn what_a_thread_starts_is_where_it_is() {
        std::thread::spawn(|| {
            take(1);
            let output = std::process::Command::new("nproc").output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "1\n");
        })
        .join()
        .unwrap();
    }
}
