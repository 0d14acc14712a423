//! The result of a run, left for the agent to count.

use std::path::Path;
use std::time::Duration;

use fpga::records::{MOST_PROGRAMMINGS, Record, RunResult, Stage};

use crate::args::{Args, Stage as RunStage};
use crate::failure::Code;
use crate::report::Report;

/// Leaves the result of a run that did or failed something. That it cannot be left is no failure: no
/// container has to wait for a count.
pub(crate) fn leave(args: &Args, report: &Report, took: Duration) {
    if args.results == Path::new("none") || !report.has_news() {
        return;
    }
    let programmed = report.programmed().iter().take(MOST_PROGRAMMINGS);
    let record = Record {
        stage: match args.stage {
            RunStage::CreateRuntime => Stage::Create,
            RunStage::Poststop => Stage::Clean,
        },
        result: report.code().into(),
        milliseconds: milliseconds(took),
        programmed: programmed.copied().map(milliseconds).collect(),
    };
    if let Err(error) = record.leave(&args.results) {
        report
            .done(format_args!("{}: the result was not written: {error}", args.results.display()));
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<Code> for RunResult {
    fn from(code: Code) -> Self {
        match code {
            Code::Done => Self::Done,
            Code::Failed => Self::Failed,
            Code::Gone => Self::Gone,
            Code::Busy => Self::Busy,
            Code::Bitstream => Self::Bitstream,
            Code::Programming => Self::Programming,
            Code::Disabled => Self::Disabled,
            Code::Input => Self::Input,
            Code::NotGranted => Self::NotGranted,
        }
    }
}
