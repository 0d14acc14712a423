//! Times on the command line: `30`, `30s`, `500ms`, `2m`.

use std::time::Duration;

/// The longest time taken: longer than anybody waits, short enough to be added to any clock.
const LONGEST: f64 = 365.0 * 24.0 * 3600.0;

/// Parses a time; a number alone is in seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        other => return Err(format!("unknown unit {other:?}: expected ms, s or m")),
    };
    match digits.parse::<f64>() {
        Ok(number) if (0.0..=LONGEST).contains(&(number * unit)) => {
            Ok(Duration::from_secs_f64(number * unit))
        }
        _ => Err("expected a time such as 30, 30s, 500ms or 2m".to_owned()),
    }
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
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "-1", "1h", "inf", "nan", "1e99", "1 s", "é"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
