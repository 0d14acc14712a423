//! The variables of an environment that promise a container a function.

use std::fmt;
use std::num::NonZeroU32;

/// Which half of a promise a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PromisePart {
    /// The interface id of a region that the container gets.
    Region,
    /// The function, or OpenCL image, that is to be in the region when the container starts.
    Function,
}

impl PromisePart {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Region, Self::Function];

    /// Start of the variable's name, before the underscore and the number.
    #[must_use]
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Region => "FPGA_REGION",
            Self::Function => "FPGA_AFU",
        }
    }
}

/// A variable that is half of a promise: `FPGA_REGION_<n>` or `FPGA_AFU_<n>`, as the webhook writes it, with
/// n from 1 to 4294967295 in decimal digits without leading zeros. `FPGA_REGION` and `FPGA_AFU` themselves are the
/// one pair of Intel's first versions.
///
/// Other names that begin so are not promises: for a Service `fpga-afu-monitor` Kubernetes sets
/// `FPGA_AFU_MONITOR_PORT` and more in every container of the namespace, for one `fpga-region-1`
/// `FPGA_REGION_1_SERVICE_HOST` and more.
///
/// The order is that of the numbers; the pair without a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromiseVariable {
    /// What pairs it with the variable of the other part.
    pub number: Option<NonZeroU32>,
    /// Which half it is.
    pub part: PromisePart,
}

impl PromiseVariable {
    /// The variable of this name; `None` if the name is not that of a promise.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (part, rest) = split(name)?;
        let number = match rest {
            "" => None,
            _ => Some(number(rest.strip_prefix('_')?)?),
        };
        Some(Self { number, part })
    }

    /// True if a name that begins with `prefix` can be that of a promise, whatever follows.
    #[must_use]
    pub fn may_begin_with(prefix: &str) -> bool {
        match split(prefix) {
            Some((_, rest)) => rest == "_" || Self::parse(prefix).is_some(),
            None => PromisePart::ALL.iter().any(|part| part.stem().starts_with(prefix)),
        }
    }
}

fn split(name: &str) -> Option<(PromisePart, &str)> {
    PromisePart::ALL.into_iter().find_map(|part| Some((part, name.strip_prefix(part.stem())?)))
}

/// A number in the one spelling that it has. What [`str::parse`] takes besides, a sign and leading zeros, is another
/// spelling.
fn number(digits: &str) -> Option<NonZeroU32> {
    let is_plain = digits.starts_with(|first: char| ('1'..='9').contains(&first));
    digits.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for PromiseVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            None => f.pad(self.part.stem()),
            Some(number) => write!(f, "{}_{number}", self.part.stem()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that the webhook writes, and the pair of the first versions.
    #[test]
    fn names_of_promises_print_as_they_parse() {
        let number = |number| Some(NonZeroU32::new(number).unwrap());
        for (name, part, number) in [
            ("FPGA_REGION", PromisePart::Region, None),
            ("FPGA_AFU", PromisePart::Function, None),
            ("FPGA_REGION_1", PromisePart::Region, number(1)),
            ("FPGA_AFU_1", PromisePart::Function, number(1)),
            ("FPGA_AFU_10", PromisePart::Function, number(10)),
            ("FPGA_REGION_4294967295", PromisePart::Region, number(u32::MAX)),
        ] {
            let variable = PromiseVariable { number, part };
            assert_eq!(PromiseVariable::parse(name), Some(variable), "{name}");
            assert_eq!(variable.to_string(), name);
            assert!(PromiseVariable::may_begin_with(name), "{name}");
        }
    }

    /// What Kubernetes sets for Services and Docker for links, and other spellings of a number.
    #[test]
    fn other_names_are_not_promises() {
        for name in [
            "FPGA_AFU_MONITOR_SERVICE_HOST",
            "FPGA_AFU_MONITOR_SERVICE_PORT",
            "FPGA_AFU_MONITOR_SERVICE_PORT_HTTP",
            "FPGA_AFU_MONITOR_PORT",
            "FPGA_AFU_MONITOR_PORT_80_TCP",
            "FPGA_AFU_MONITOR_PORT_80_TCP_ADDR",
            "FPGA_AFU_PORT",
            "FPGA_AFU_SERVICE_HOST",
            "FPGA_REGION_1_SERVICE_HOST",
            "FPGA_REGION_1_PORT",
            "FPGA_REGION_1_PORT_80_TCP_PROTO",
            "FPGA_AFU_1_NAME",
            "FPGA_AFU_1_ENV_PATH",
            "FPGA_AFU_",
            "FPGA_AFU_0",
            "FPGA_AFU_01",
            "FPGA_AFU_00",
            "FPGA_AFU_+1",
            "FPGA_AFU_-1",
            "FPGA_AFU_ 1",
            "FPGA_AFU_1 ",
            "FPGA_AFU_1_",
            "FPGA_AFU__1",
            "FPGA_AFU_1a",
            "FPGA_AFU_0x1",
            "FPGA_AFU_1e3",
            "FPGA_AFU_4294967296",
            "FPGA_AFU_18446744073709551617",
            "FPGA_AFU_340282366920938463463374607431768211457",
            "FPGA_AFU_\u{661}",
            "FPGA_AFU_\u{ff11}",
            "FPGA_AFU_1\u{ff11}",
            "FPGA_AFU_\u{b2}",
            "FPGA_AFU1",
            "FPGA_AFUS",
            "FPGA_REGIONS_1",
            "FPGA_REGION_AFU_1",
            "fpga_afu_1",
            "FPGA_AFU-1",
            "FPGA_AFU.1",
            "XFPGA_AFU_1",
            " FPGA_AFU_1",
            "",
        ] {
            assert_eq!(PromiseVariable::parse(name), None, "{name}");
        }
        assert_eq!(PromiseVariable::parse(&format!("FPGA_AFU_{}", "1".repeat(1 << 20))), None);
    }

    #[test]
    fn the_order_is_that_of_the_numbers() {
        let names = ["FPGA_AFU", "FPGA_AFU_2", "FPGA_AFU_10"];
        assert!(names.map(PromiseVariable::parse).is_sorted());
    }

    /// A prefix is one of a promise if some rest makes it one.
    #[test]
    fn prefixes_of_promises() {
        for prefix in
            ["", "F", "FPGA_", "FPGA_A", "FPGA_REGION", "FPGA_REGION_", "FPGA_AFU_4294967295"]
        {
            assert!(PromiseVariable::may_begin_with(prefix), "{prefix}");
        }
        for prefix in
            ["FPGA_AFU_MONITOR_", "FPGA_AFU_0", "FPGA_AFU_1_", "FPGA_AFUS", "FPGA_B", "fpga_"]
        {
            assert!(!PromiseVariable::may_begin_with(prefix), "{prefix}");
        }
    }
}
