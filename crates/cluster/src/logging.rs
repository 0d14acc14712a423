//! Log lines on standard error, and the flags that choose them.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// The flags about log lines.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Form of the log lines on standard error.
    #[arg(long, default_value = "text", value_enum, value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// Verbosity as in klog: 0 to 3 state changes, 4 and 5 details, from 6 on everything.
    #[arg(short, long = "v", default_value_t = 0, value_name = "N")]
    pub verbosity: u8,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogArgs {
    /// Sends log lines to standard error for the rest of the process; a second call does nothing. `ours` are the
    /// crates whose lines are shown. Those of all others are shown as warnings at most, with some verbosity: their
    /// troubles are in our own lines, and an API client would log whole bodies, Secrets among them.
    pub fn start(self, ours: &[&str]) {
        let (level, others) = match self.verbosity {
            0..=3 => (LevelFilter::INFO, LevelFilter::OFF),
            4..=5 => (LevelFilter::DEBUG, LevelFilter::WARN),
            _ => (LevelFilter::TRACE, LevelFilter::WARN),
        };
        let ours = ours.iter().chain(&[env!("CARGO_CRATE_NAME")]).map(|target| (*target, level));
        let filter = Targets::new().with_default(others).with_targets(ours);
        let layer = fmt::layer().with_writer(std::io::stderr);
        let layer = match self.log_format {
            LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
            LogFormat::Json => layer.json().boxed(),
        };
        let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    }
}
