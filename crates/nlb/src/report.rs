//! Prints the result: the tables that users of Intel's samples know, or JSON.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fpga::id::AfuId;
use serde::{Serialize, Serializer};

use crate::mode::Mode;
use crate::run::{Job, Outcome};
use crate::search::Found;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Two tables, for people
    Table,
    /// One JSON object
    Json,
}

/// A run that went well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    mode: u8,
    afu_id: AfuId,
    #[serde(serialize_with = "path")]
    node: PathBuf,
    /// Where the function's registers begin in the port's.
    offset: usize,
    lines: u32,
    reads: u32,
    writes: u32,
    clocks: u64,
    clock_mhz: u64,
    /// 10^9 bytes a second.
    read_gb_per_s: f64,
    write_gb_per_s: f64,
}

/// JSON holds only text: bytes of a path that are not UTF-8 are shown as U+FFFD.
fn path<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

impl Report {
    pub(crate) fn new(found: &Found, job: &Job, outcome: &Outcome) -> Self {
        Self {
            mode: job.mode.number(),
            afu_id: job.mode.afu_id(),
            node: found.port.path().to_owned(),
            offset: found.offset,
            lines: job.lines,
            reads: outcome.reads,
            writes: outcome.writes,
            clocks: outcome.clocks,
            clock_mhz: outcome.mhz,
            read_gb_per_s: bandwidth(outcome.reads, outcome),
            write_gb_per_s: bandwidth(outcome.writes, outcome),
        }
    }

    pub(crate) fn print(&self, format: Format) -> String {
        match format {
            Format::Table => self.tables(),
            Format::Json => serde_json::json!(self).to_string() + "\n",
        }
    }

    /// The cache and channel counters belong to the management engine, which a container has no
    /// access to; they are 0, as Intel's samples print them with the in-tree driver.
    fn tables(&self) -> String {
        let found = match self.mode {
            n if n == Mode::Copy.number() => format!("found the NLB offset={:#x}\n", self.offset),
            _ => String::new(),
        };
        let clock = format!("'Clocks(@{} MHz)'", self.clock_mhz);
        let (read, write) = (speed(self.read_gb_per_s), speed(self.write_gb_per_s));
        format!(
            "{found}\n\
             Cachelines Read_Count Write_Count Cache_Rd_Hit Cache_Wr_Hit Cache_Rd_Miss Cache_Wr_Miss   Eviction \
             {clock}   Rd_Bandwidth   Wr_Bandwidth\n\
             {:>10} {:>10} {:>11} {:>12} {:>12} {:>13} {:>13} {:>10} {:>16} {read:>14} {write:>14}\n\
             \n\
             VH0_Rd_Count VH0_Wr_Count VH1_Rd_Count VH1_Wr_Count VL0_Rd_Count VL0_Wr_Count\n\
             {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n",
            self.lines, self.reads, self.writes, 0, 0, 0, 0, 0, self.clocks, 0, 0, 0, 0, 0, 0
        )
    }
}

/// Lines x 64 bytes x clock rate / clocks, in 10^9 bytes a second.
// The products are far below 2^53 for every run of less than a day, so nothing is lost.
#[allow(clippy::cast_precision_loss)]
fn bandwidth(lines: u32, outcome: &Outcome) -> f64 {
    let bytes = f64::from(lines) * 64.0;
    let seconds = outcome.clocks as f64 / (outcome.mhz as f64 * 1e6);
    bytes / seconds / 1e9
}

fn speed(gb_per_s: f64) -> String {
    format!("{gb_per_s:.3} GB/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(mode: Mode, lines: u32, clocks: u64) -> Report {
        let outcome = Outcome { reads: lines, writes: lines, clocks, mhz: 400 };
        Report {
            mode: mode.number(),
            afu_id: mode.afu_id(),
            node: "/dev/dfl-port.0".into(),
            offset: 0,
            lines,
            reads: lines,
            writes: lines,
            clocks,
            clock_mhz: 400,
            read_gb_per_s: bandwidth(lines, &outcome),
            write_gb_per_s: bandwidth(lines, &outcome),
        }
    }

    /// Space by space what Intel's sample prints.
    const TABLES: &str = "
Cachelines Read_Count Write_Count Cache_Rd_Hit Cache_Wr_Hit Cache_Rd_Miss Cache_Wr_Miss   Eviction 'Clocks(@400 MHz)'   Rd_Bandwidth   Wr_Bandwidth
         1          1           1            0            0             0             0          0             6628     0.004 GB/s     0.004 GB/s

VH0_Rd_Count VH0_Wr_Count VH1_Rd_Count VH1_Wr_Count VL0_Rd_Count VL0_Wr_Count
           0            0            0            0            0            0
";

    #[test]
    fn the_tables_are_the_known_ones() {
        assert_eq!(report(Mode::Throughput, 1, 6628).print(Format::Table), TABLES);
        assert_eq!(
            report(Mode::Copy, 1, 6628).print(Format::Table),
            format!("found the NLB offset=0x0\n{TABLES}")
        );
    }

    #[test]
    fn bandwidth_in_decimal_gigabytes() {
        // 16384 lines are 1 MiB; 65536 clocks of 400 MHz are 163.84 us.
        let outcome = Outcome { reads: 16384, writes: 16384, clocks: 65536, mhz: 400 };
        assert!((bandwidth(16384, &outcome) - 6.4).abs() < 1e-9);
    }

    #[test]
    fn json_has_the_figures() {
        let text = report(Mode::Throughput, 1, 6628).print(Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["afu_id"], "f7df405cbd7acf7222f144b0b93acd18");
        assert_eq!((&value["clocks"], &value["clock_mhz"]), (&6628.into(), &400.into()));
        assert_eq!(value["node"], "/dev/dfl-port.0");
        assert!(text.ends_with('\n'));
    }
}
