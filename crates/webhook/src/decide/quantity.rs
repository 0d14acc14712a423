//! Quantities of Kubernetes (`1`, `1000m`, `0.002k`, `2e0`, `1Ki`), where only whole numbers count.

/// The value of a quantity, exact: `digits * 10^exponent * 2^(10 * binary)`, in lowest terms of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// A whole number that is not negative. What is more than `u64` holds is `u64::MAX`.
    Whole(u64),
    /// Anything else: negative or with a fraction.
    Other,
}

/// More digits than any quantity of devices has.
const DIGITS_LIMIT: usize = 36;

/// Reads a quantity; `None` for what is none, or has more than 36 digits.
pub(super) fn parse(text: &str) -> Option<Quantity> {
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || digits.len() > DIGITS_LIMIT || fraction.contains('.') {
        return None;
    }
    let mut value: u128 = digits.parse().ok()?;
    let (mut exponent, binary) = scale(suffix)?;
    exponent -= i32::try_from(fraction.len()).ok()?;
    if value == 0 {
        return Some(Quantity::Whole(0));
    }
    if is_negative {
        return Some(Quantity::Other);
    }
    let huge = Some(Quantity::Whole(u64::MAX));
    let Some(scaled) = value.checked_mul(1_u128 << binary) else { return huge };
    value = scaled;
    while exponent > 0 {
        let Some(scaled) = value.checked_mul(10) else { return huge };
        value = scaled;
        exponent -= 1;
    }
    while exponent < 0 {
        if !value.is_multiple_of(10) {
            return Some(Quantity::Other);
        }
        value /= 10;
        exponent += 1;
    }
    Some(Quantity::Whole(u64::try_from(value).unwrap_or(u64::MAX)))
}

/// Powers of ten and of two that a suffix stands for.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            // Beyond that every number but zero is huge or has a fraction.
            (exponent.parse::<i32>().ok()?.clamp(-100, 100), 0)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_has_many_spellings() {
        for one in [
            "1",
            "+1",
            "1000m",
            "1.0",
            "1.",
            "01",
            "0.001k",
            "1e0",
            "10E-1",
            "1000000u",
            "1000000000n",
        ] {
            assert_eq!(parse(one), Some(Quantity::Whole(1)), "{one}");
        }
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("0m", 0),
            ("0e9999999", 0),
            ("2k", 2000),
            ("1Ki", 1024),
            ("0.5Ki", 512),
            (".5k", 500),
        ] {
            assert_eq!(parse(text), Some(Quantity::Whole(value)), "{text}");
        }
    }

    #[test]
    fn what_is_not_whole_is_another() {
        for text in ["0.5", "1m", "1500m", "-1", "1e-1", "0.0001Ki", "1e-2147483648", "1n"] {
            assert_eq!(parse(text), Some(Quantity::Other), "{text}");
        }
    }

    #[test]
    fn huge_numbers_stay_huge() {
        for text in [
            "1e99",
            "18446744073709551616",
            "999999999999999999999999999999999999Ei",
            "1e2147483647",
        ] {
            assert_eq!(parse(text), Some(Quantity::Whole(u64::MAX)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_quantities() {
        let long = "1".repeat(37);
        for text in [
            "",
            "-",
            "+",
            ".",
            "1.2.3",
            "one",
            "1 ",
            " 1",
            "1K",
            "1ki",
            "1e",
            "--1",
            "é",
            "1é",
            "e1",
            "1e99999999999",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
