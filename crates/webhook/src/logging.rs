//! Log lines on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::args::LogFormat;

/// Sends log lines to standard error for the rest of the process. A second call does nothing.
pub fn start(format: LogFormat, verbosity: u8) {
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    // Nothing of a library's is shown below a warning: an API client would log whole bodies, Secrets among them.
    let (ours, libraries) = match verbosity {
        0..=3 => (LevelFilter::INFO, LevelFilter::OFF),
        4..=5 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::WARN),
    };
    let filter = Targets::new().with_default(libraries).with_target("fpga_webhook", ours);
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
