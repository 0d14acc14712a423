//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use fpga::root::Root;

use crate::memory::MAX_LINES;
use crate::mode::Mode;
use crate::report::Format;

const AFTER_HELP: &str = "\
The nodes are those that the directory holds: dfl-port.* and intel-fpga-port.*, in natural order.
sysfs is not read. The first port whose accelerator function has the mode's id is used, and nobody
else can use it meanwhile.

More than 64 lines need 2 MiB huge pages (vm.nr_hugepages; in a pod: hugepages-2Mi), because the
driver maps only physically contiguous memory. Without one the run is cut to 64 lines, with a note.

Examples:
  nlb --mode 3                       one line, read and written
  nlb --mode 0 --lines 16384         copies 1 MiB
  nlb --mode 3 --continuous 5        five seconds of traffic
  nlb --mode 3 -o json | jq .clocks  for scripts
  nlb --mode 3 --absent 0            what a pod that was given nlb3 alone must see

Exit codes:
  0    the data and the counters are right
  1    wrong data, an error that the function or the driver reported, or no answer in time
  2    wrong arguments
  3    not found, but a port is in use by another process and was not looked into
  4    not found, but a port was not looked into for lack of permission
  5    the limit on locked memory (RLIMIT_MEMLOCK) is too small
  102  not found: no port holds the function
  103  a port holds the function of --absent";

/// Runs the native loopback function (NLB) of a card and checks what it did.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Which function: 0 copies memory, 3 reads and writes for throughput
    #[arg(short, long)]
    pub(crate) mode: Mode,

    /// Cache lines of 64 bytes to move
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LINES)))]
    pub(crate) lines: u32,

    /// Repeat the run for this long, in seconds, and count all of it
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) continuous: Option<Duration>,

    /// How long to wait for the function to finish, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Afterwards, require that no port here holds this mode's function, as of a pod that asked for the
    /// other one; then print SUCCESS
    #[arg(long, value_name = "MODE")]
    pub(crate) absent: Option<Mode>,

    /// The directory that holds dev/
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// The directory of the device nodes, if it is not ROOT/dev
    #[arg(long, visible_alias = "dev", value_name = "DIR")]
    devfs: Option<PathBuf>,

    /// How to print the result
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Format,
}

impl Args {
    /// Where the device nodes are.
    pub(crate) fn devfs(&self) -> PathBuf {
        self.devfs.clone().unwrap_or_else(|| Root::at(&self.root).dev().to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(duration) if !duration.is_zero() && duration <= Duration::from_secs(86_400) => {
            Ok(duration)
        }
        _ => Err("expected more than 0 and at most 86400 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let args = parse("nlb --mode 3").unwrap();
        assert_eq!((args.mode, args.lines, args.continuous), (Mode::Throughput, 1, None));
        assert_eq!(args.timeout, Duration::from_secs(10));
        assert_eq!(args.devfs(), Path::new("/dev"));
    }

    #[test]
    fn where_the_nodes_are() {
        assert_eq!(parse("nlb -m 0 --root /tmp/node").unwrap().devfs(), Path::new("/tmp/node/dev"));
        assert_eq!(parse("nlb -m 0 --devfs /d").unwrap().devfs(), Path::new("/d"));
        assert_eq!(parse("nlb -m 0 --root /tmp/node --dev /d").unwrap().devfs(), Path::new("/d"));
    }

    #[test]
    fn rejects_what_makes_no_sense() {
        for line in [
            "nlb",
            "nlb --mode 1",
            "nlb --mode 3 --lines 0",
            "nlb --mode 3 --lines 32769",
            "nlb --mode 3 --timeout 0",
            "nlb --mode 3 --timeout -1",
            "nlb --mode 3 --timeout nan",
            "nlb --mode 3 --continuous 1e9",
            "nlb --mode 3 extra",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
