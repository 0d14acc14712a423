//! Flags about the health of devices.

use std::time::Duration;

use clap::Args;
use fpga_cluster::optional::OrNone;

use crate::node::health::Cause;

/// What was typed about health.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Health")]
pub(crate) struct HealthArgs {
    /// How often temperatures, errors and power states are looked at, of which the kernel reports no
    /// change; none leaves it at the scans.
    #[arg(long, default_value = "30s", value_parser = super::parse_optional, value_name = "TIME")]
    pub health_interval: OrNone<Duration>,

    /// What makes a device unhealthy, beside what leaves no choice. The rest is told in metrics and events.
    #[arg(
        long,
        default_value = "fatal-errors,port-errors,power-off,temperature",
        value_enum,
        value_delimiter = ',',
        value_name = "CAUSES"
    )]
    pub unhealthy_on: Vec<Cause>,

    /// Degrees Celsius from which on a card is too hot, if not those from which on it throttles its functions
    /// the most.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=127), value_name = "CELSIUS")]
    pub temperature_limit: Option<u8>,

    /// How many degrees a card must cool below a limit to be well again.
    #[arg(
        long,
        default_value_t = 5,
        value_parser = clap::value_parser!(u8).range(0..=50),
        value_name = "CELSIUS"
    )]
    pub temperature_hysteresis: u8,

    /// How long the devices of a card that vanished stay listed, as unhealthy; none withdraws them at once.
    #[arg(long, default_value = "10m", value_parser = super::parse_optional, value_name = "TIME")]
    pub keep_vanished: OrNone<Duration>,
}
