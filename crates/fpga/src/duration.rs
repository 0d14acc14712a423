//! Times on command lines, which mean the same for every program: `500ms`, `30s`, `5m`, `12h`, `90d`.

use std::time::Duration;

/// The longest time that is taken, 100 years: short enough to be added to any clock and calendar.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Parses a time; a number alone is in seconds.
///
/// # Errors
/// What is expected, in one line.
pub fn parse(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 24.0 * 3600.0,
        other => return Err(format!("unknown unit {other:?}: expected ms, s, m, h or d")),
    };
    let time = number.parse().ok().and_then(|n: f64| Duration::try_from_secs_f64(n * unit).ok());
    match time {
        Some(time) if time <= LONGEST => Ok(time),
        _ => {
            Err("expected a time of at most 100 years such as 500ms, 30s, 5m, 12h or 90d"
                .to_owned())
        }
    }
}

/// Parses a time that is a whole number above zero with a unit: something is done that often.
///
/// # Errors
/// What is expected, in one line.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if !unit.is_empty() && unit.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let time = parse(text)?;
        if !time.is_zero() {
            return Ok(time);
        }
    }
    Err("expected a number above zero and a unit, such as 500ms, 30s, 5m, 12h or 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_in_seconds() {
        for (text, ms) in
            [("30", 30_000), ("1.5s", 1500), ("500ms", 500), ("2m", 120_000), ("0", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in ["", "s", "-1", "1w", "inf", "nan", "1e99", "1 s", "é"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn intervals_have_units() {
        for (text, expected) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("90d", 90 * 86_400_000),
        ] {
            assert_eq!(parse_interval(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        for text in [
            "",
            "5",
            "90",
            "s",
            "d",
            "0s",
            "-1s",
            "-5s",
            "1.5s",
            "5 m",
            "1w",
            "99999999999999999999s",
            "99999999999999999999d",
            "18446744073709551615h",
            "1000000d",
        ] {
            assert!(parse_interval(text).is_err(), "{text:?}");
        }
    }
}
