//! Flags about the health of devices.

use std::time::Duration;

use clap::Args;
use fpga_cluster::optional::OrNone;

use crate::node::health::Cause;

/// What was typed about health.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Health")]
pub(crate) struct HealthArgs {
    /// Interval of checks of temperatures, errors and power states, whose changes the kernel does not
    /// report; none leaves it at the scans.
    #[arg(long, default_value = "30s", value_parser = super::parse_optional, value_name = "TIME")]
    pub health_interval: OrNone<Duration>,

    /// Conditions that make a device unhealthy, beside those that leave no choice. Metrics and Events report
    /// the rest.
    #[arg(
        long,
        default_value = "fatal-errors,port-errors,power-off,temperature",
        value_enum,
        value_delimiter = ',',
        value_name = "CAUSES"
    )]
    pub unhealthy_on: Vec<Cause>,

    /// Temperature from which a card is too hot, instead of the one from which it throttles its functions the
    /// most.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=127), value_name = "CELSIUS")]
    pub temperature_limit: Option<u8>,

    /// Degrees that a card must cool below a limit to be healthy again.
    #[arg(
        long,
        default_value_t = 5,
        value_parser = clap::value_parser!(u8).range(0..=50),
        value_name = "CELSIUS"
    )]
    pub temperature_hysteresis: u8,

    /// Time for which the devices of a card that vanished stay listed, as unhealthy; none withdraws them at
    /// once.
    #[arg(long, default_value = "10m", value_parser = super::parse_optional, value_name = "TIME")]
    pub keep_vanished: OrNone<Duration>,
}
