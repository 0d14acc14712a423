//! One run: program the registers, start, wait, stop, check.

use std::time::Duration;

use fpga::stack::intel::driver::Error;

use crate::data;
use crate::failure::{Expected, Problem};
use crate::memory::{LINE, Memory};
use crate::mode::Mode;
use crate::registers::{
    CLOCK, CONFIG, CONFIG_CONTINUOUS, CONFIG_READ_AND_WRITE, CONTROL, CONTROL_RESET, CONTROL_RUN,
    CONTROL_START, CONTROL_STOP, DEFAULT_MHZ, DESTINATION, DSM_BASE, LINES, PENDING, Registers,
    SOURCE, STRIDE,
};
use crate::status::Status;
use crate::wait::wait;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) mode: Mode,
    pub(crate) lines: u32,
    /// Repeat until this much time has passed.
    pub(crate) continuous: Option<Duration>,
    /// How long to wait for the function.
    pub(crate) timeout: Duration,
}

/// What was done, and found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) reads: u32,
    pub(crate) writes: u32,
    /// Duration without the overhead that the function reports.
    pub(crate) clocks: u64,
    /// The clock's rate.
    pub(crate) mhz: u64,
}

/// Runs the function whose registers begin at `base`. The status page must be zeroed.
pub(crate) fn run(
    registers: &impl Registers,
    base: usize,
    memory: &Memory<'_>,
    job: &Job,
) -> Result<Outcome, Problem> {
    let function = Function { registers, base };
    data::prepare(memory.source.buffer, memory.destination.buffer, job.lines as usize);
    function.start(memory, job)?;
    if let Some(duration) = job.continuous {
        std::thread::sleep(duration);
        // A continuous run reports only once it is stopped.
        function.write32(CONTROL, CONTROL_STOP)?;
    }
    let status = function.finish(memory, job)?;
    let outcome = check(&status, job, function.mhz()?)?;
    data::verify(job.mode, memory.destination.buffer, job.lines as usize)?;
    Ok(outcome)
}

/// Registers relative to the function's header.
struct Function<'a, R> {
    registers: &'a R,
    base: usize,
}

impl<R: Registers> Function<'_, R> {
    /// The function samples everything at the start, so that comes last.
    fn start(&self, memory: &Memory<'_>, job: &Job) -> Result<(), Error> {
        let in_lines = |iova: u64| iova / LINE as u64;
        self.write32(CONTROL, CONTROL_RESET)?;
        self.write64(DSM_BASE, memory.status.iova)?;
        self.write32(CONTROL, CONTROL_RUN)?;
        self.write64(SOURCE, in_lines(memory.source.iova))?;
        self.write64(DESTINATION, in_lines(memory.destination.iova))?;
        self.write32(LINES, job.lines)?;
        self.write32(STRIDE, 0)?;
        self.write32(CONFIG, config(job))?;
        self.write32(CONTROL, CONTROL_START)
    }

    /// Waits for the status line and for the last transactions, and stops the function.
    fn finish(&self, memory: &Memory<'_>, job: &Job) -> Result<Status, Problem> {
        if !wait(job.timeout, || Ok::<_, Error>(Status::is_complete(memory.status.buffer)))? {
            return Err(self.no_answer(job.timeout, "the completion flag in its status line"));
        }
        if job.continuous.is_none() {
            self.write32(CONTROL, CONTROL_STOP)?;
        }
        if !wait(job.timeout, || Ok::<_, Error>(self.read64(PENDING)? == 0))? {
            return Err(self.no_answer(job.timeout, "its pending transactions to finish"));
        }
        self.write32(CONTROL, CONTROL_RESET)?;
        Ok(Status::read(memory.status.buffer))
    }

    /// A card that was taken out answers every read with ones.
    fn no_answer(&self, waited: Duration, awaited: &'static str) -> Problem {
        match self.read64(0) {
            Ok(u64::MAX) => Problem::Gone { waited, awaited },
            _ => Problem::Timeout { waited, awaited },
        }
    }

    fn mhz(&self) -> Result<u64, Error> {
        let mhz = self.read64(CLOCK)? >> 32 & 0xffff;
        Ok(if mhz == 0 { DEFAULT_MHZ } else { mhz })
    }

    fn read64(&self, offset: usize) -> Result<u64, Error> {
        self.registers.read64(self.base + offset)
    }

    fn write32(&self, offset: usize, value: u32) -> Result<(), Error> {
        self.registers.write32(self.base + offset, value)
    }

    fn write64(&self, offset: usize, value: u64) -> Result<(), Error> {
        self.registers.write64(self.base + offset, value)
    }
}

fn config(job: &Job) -> u32 {
    let test = match job.mode {
        Mode::Copy => 0,
        Mode::Throughput => CONFIG_READ_AND_WRITE,
    };
    test | if job.continuous.is_some() { CONFIG_CONTINUOUS } else { 0 }
}

/// What the function says about the run. A continuous run has no end overhead: it is stopped.
fn check(status: &Status, job: &Job, mhz: u64) -> Result<Outcome, Problem> {
    if status.errors != 0 {
        return Err(Problem::ErrorVector(status.errors));
    }
    let (expected, end) = match job.continuous {
        None => (Expected::Exactly(job.lines), status.end_overhead),
        Some(_) => (Expected::AtLeast(job.lines), 0),
    };
    let Status { reads, writes, clocks, .. } = *status;
    if !expected.fits(reads) || !expected.fits(writes) {
        return Err(Problem::Counters { reads, writes, expected });
    }
    let overhead = u64::from(status.start_overhead) + u64::from(end);
    match clocks.checked_sub(overhead) {
        None | Some(0) => Err(Problem::Clocks { clocks, overhead }),
        Some(clocks) => Ok(Outcome { reads, writes, clocks, mhz }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Behaviour, Model, TestMemory};

    fn job(mode: Mode, lines: u32) -> Job {
        Job { mode, lines, continuous: None, timeout: Duration::from_secs(30) }
    }

    fn run_model(behaviour: Behaviour, job: &Job) -> Result<Outcome, Problem> {
        let memory = TestMemory::new();
        let model = Model::new(&memory, 0, behaviour);
        run(&model, 0, &memory.memory(), job)
    }

    #[test]
    fn both_modes_succeed() {
        for mode in [Mode::Copy, Mode::Throughput] {
            for lines in [1, 2, 63, 64] {
                let outcome = run_model(Behaviour::Good, &job(mode, lines)).unwrap();
                assert_eq!(
                    outcome,
                    Outcome { reads: lines, writes: lines, clocks: 1000, mhz: 400 }
                );
            }
        }
    }

    #[test]
    fn a_function_behind_another_header() {
        let memory = TestMemory::new();
        let model = Model::new(&memory, 0x1000, Behaviour::Good);
        assert!(run(&model, 0x1000, &memory.memory(), &job(Mode::Copy, 4)).is_ok());
    }

    #[test]
    fn registers_are_programmed_in_order() {
        let memory = TestMemory::new();
        let model = Model::new(&memory, 0, Behaviour::Good);
        run(&model, 0, &memory.memory(), &job(Mode::Throughput, 3)).unwrap();
        let expected = [
            (0x138, 0),
            (0x110, TestMemory::STATUS),
            (0x138, 1),
            (0x120, TestMemory::SOURCE >> 6),
            (0x128, TestMemory::DESTINATION >> 6),
            (0x130, 3),
            (0x178, 0),
            (0x140, 0b01100),
            (0x138, 3),
            (0x138, 7),
            (0x138, 0),
        ];
        assert_eq!(model.writes(), expected);
    }

    #[test]
    fn a_continuous_run_is_stopped_and_then_reports() {
        let memory = TestMemory::new();
        let model = Model::new(&memory, 0, Behaviour::Good);
        let continuous = Job { continuous: Some(Duration::from_millis(1)), ..job(Mode::Copy, 4) };
        let outcome = run(&model, 0, &memory.memory(), &continuous).unwrap();
        // The model does two rounds; its end overhead is not taken off.
        assert_eq!(outcome, Outcome { reads: 8, writes: 8, clocks: 1002, mhz: 400 });
        let controls: Vec<_> =
            model.writes().into_iter().filter(|w| w.0 == 0x138).map(|w| w.1).collect();
        assert_eq!(controls, [0, 1, 3, 7, 0]);
        assert!(model.writes().contains(&(0x140, 2)));
    }

    #[test]
    fn the_clock_of_the_card() {
        let outcome = run_model(Behaviour::Clock(200), &job(Mode::Copy, 1)).unwrap();
        assert_eq!(outcome.mhz, 200);
    }

    #[test]
    fn wrong_data_is_found_in_both_modes() {
        for mode in [Mode::Copy, Mode::Throughput] {
            let problem = run_model(Behaviour::Corrupt(2), &job(mode, 4)).unwrap_err();
            assert!(
                matches!(problem, Problem::Mismatch { line: 2, byte: 0, wrong: 1, lines: 4, .. }),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_function_that_hangs_says_what_was_waited_for() {
        let short = Job { timeout: Duration::from_millis(20), ..job(Mode::Copy, 1) };
        let problem = run_model(Behaviour::Hang, &short).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "no answer from the function: waited 0.02 s for the completion flag in its status line"
        );
        let problem = run_model(Behaviour::NeverQuiet, &short).unwrap_err();
        assert!(
            problem.to_string().ends_with("for its pending transactions to finish"),
            "{problem}"
        );
    }

    #[test]
    fn what_the_function_reports_is_checked() {
        let run = |behaviour| run_model(behaviour, &job(Mode::Copy, 4)).unwrap_err().to_string();
        assert_eq!(
            run(Behaviour::ErrorVector(0x20)),
            "the function reported errors: error vector 0x00000020"
        );
        assert_eq!(
            run(Behaviour::OneReadShort),
            "the function counted 3 reads and 4 writes, expected 4 of each"
        );
        assert_eq!(
            run(Behaviour::NoTime),
            "the function counted 10 clocks, of which it calls 10 overhead"
        );
    }
}
