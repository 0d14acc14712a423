//! Flags whose value can be switched off.

use std::fmt::Display;
use std::str::FromStr;

/// A flag's value, or `None` for the word `none` or no word at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

impl<T> OrNone<T> {
    /// Reads a value with `parse`, unless it is switched off.
    ///
    /// # Errors
    /// Those of `parse`, in words that mention `none`.
    pub fn parse<E: Display>(
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Self, String> {
        match text {
            "" | "none" => Ok(Self(None)),
            _ => {
                parse(text).map(|value| Self(Some(value))).map_err(|why| format!("{why}, or none"))
            }
        }
    }
}

impl<T: FromStr<Err: Display>> FromStr for OrNone<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_be_switched_off() {
        assert_eq!("none".parse(), Ok(OrNone::<u8>(None)));
        assert_eq!("".parse(), Ok(OrNone::<u8>(None)));
        assert_eq!("7".parse(), Ok(OrNone(Some(7_u8))));
        let error = "None".parse::<OrNone<u8>>().unwrap_err();
        assert!(error.ends_with(", or none"), "{error}");
    }
}
