//! What a command prints differently each time: times, rates, names of temporary files.

/// The output with what changes from run to run made the same, and spaces that depend on its width.
pub(crate) fn settled(output: &str, is_unordered: bool) -> Vec<String> {
    let mut lines: Vec<String> = output.lines().map(line).collect();
    if is_unordered {
        lines.sort();
    }
    lines
}

fn line(line: &str) -> String {
    // A row of counters that are measured.
    let is_measured =
        line.contains("GB/s") && line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |(index, word): (usize, &&str)| {
        let is_rate =
            words.get(index + 1).is_some_and(|next| next.trim_end_matches(')').ends_with("B/s"));
        if is_timestamp(word) {
            "TIME".to_owned()
        } else if is_duration(word) {
            "DURATION".to_owned()
        } else if is_rate
            || (is_measured && word.len() > 3 && word.bytes().all(|b| b.is_ascii_digit()))
        {
            "NUMBER".to_owned()
        } else {
            temporary(word)
        }
    };
    words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}

/// As `2026-11-25T20:52:21.036486Z`.
fn is_timestamp(word: &str) -> bool {
    word.len() > 19 && word.ends_with('Z') && word.as_bytes()[10] == b'T' && word.starts_with("20")
}

/// As `1.8ms`.
fn is_duration(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.len() < word.len() && matches!(unit, "s" | "ms" | "µs" | "ns")
}

/// Without the letters that make the demo's directory its own.
fn temporary(word: &str) -> String {
    const NAME: &str = "fpga-demo-";
    match word.split_once(NAME) {
        Some((start, end)) => {
            let end = end.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            // The directory is in memory where there is room.
            let start = start.replace("/dev/shm", "/tmp");
            format!("{start}{NAME}{}", temporary(end))
        }
        None => word.to_owned(),
    }
}

#[test]
fn what_changes_is_made_the_same() {
    for (one, other) in [
        ("programmed 64 KiB in 1.8ms (35.91 MiB/s)", "programmed 64 KiB in 12ms (4.1 MiB/s)"),
        ("2026-11-25T20:52:21.036486Z  INFO x", "2027-01-02T03:04:05.000000Z INFO x"),
        ("at /dev/shm/fpga-demo-Ofwmgf/root", "at /tmp/fpga-demo-a1b2C3/root"),
        ("  1   1   14836   0.002 GB/s  0.002 GB/s", "1 1  9999 0.1 GB/s 0.3 GB/s"),
    ] {
        assert_eq!(settled(one, false), settled(other, false));
    }
    assert_ne!(settled("succeeded", false), settled("failed", false));
    assert_ne!(settled("a\nb", false), settled("b\na", false));
    assert_eq!(settled("a\nb", true), settled("b\na", true));
}
