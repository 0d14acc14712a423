//! What a container was promised: pairs of variables `FPGA_REGION_<n>` and `FPGA_AFU_<n>`, or the one
//! pair without a number of the first versions.
//!
//! Other variables that begin so are nobody's promise: Kubernetes sets some in every container of a namespace with a
//! Service `fpga-afu-monitor`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;
use fpga::names::{PromisePart, PromiseVariable};

use crate::failure::{Code, Failure};

/// As much of a wrong value as is shown.
const SHOWN: usize = 60;

/// A function in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The variable that names the function.
    pub variable: PromiseVariable,
    /// The region that it needs.
    pub interface: InterfaceId,
    /// The function, or the OpenCL image.
    pub image: ImageId,
}

/// True of an entry of the environment that is one of the variables.
pub(crate) fn is_about_fpgas(entry: &str) -> bool {
    PromiseVariable::parse(name_and_value(entry).0).is_some()
}

/// The promises in an environment, in the order of the variables' numbers.
pub(crate) fn promises(env: &[String]) -> Result<Vec<Promise>, Failure> {
    let regions = values(env, PromisePart::Region)?;
    let mut afus = values(env, PromisePart::Function)?;
    let mut promises = Vec::new();
    for (number, region) in regions {
        let name = PromiseVariable { number, part: PromisePart::Region };
        let variable = PromiseVariable { number, part: PromisePart::Function };
        let Some(afu) = afus.remove(&number) else {
            return Err(fail(format!("{name} is set but {variable} is not")));
        };
        let interface =
            region.parse().map_err(|_| wrong(name, &region, "an interface id of 32"))?;
        let image = afu.parse().map_err(|_| {
            wrong(variable, &afu, "a function id of 32 or the hash of an OpenCL image of 40")
        })?;
        promises.push(Promise { variable, interface, image });
    }
    match afus.keys().next() {
        None => Ok(promises),
        Some(&number) => Err(fail(format!(
            "{} is set but {} is not",
            PromiseVariable { number, part: PromisePart::Function },
            PromiseVariable { number, part: PromisePart::Region }
        ))),
    }
}

/// The values of the variables of one part by their numbers. Runtimes differ in which of several
/// entries for one variable wins, so they must have the same value.
fn values(
    env: &[String],
    part: PromisePart,
) -> Result<BTreeMap<Option<NonZeroU32>, String>, Failure> {
    let mut values = BTreeMap::new();
    for entry in env {
        let (name, value) = name_and_value(entry);
        let Some(variable) = PromiseVariable::parse(name).filter(|found| found.part == part) else {
            continue;
        };
        let Some(value) = value else { return Err(fail(format!("{name} has no value"))) };
        let value = canonical(value);
        if values.get(&variable.number).is_some_and(|other| *other != value) {
            return Err(fail(format!("{name} is set twice, to different values")));
        }
        values.insert(variable.number, value);
    }
    Ok(values)
}

fn name_and_value(entry: &str) -> (&str, Option<&str>) {
    match entry.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (entry, None),
    }
}

/// As Intel's hook reads it: dashes anywhere do not count.
fn canonical(value: &str) -> String {
    value.replace('-', "").trim().to_ascii_lowercase()
}

fn wrong(variable: PromiseVariable, value: &str, expected: &str) -> Failure {
    let shown: String = value.chars().take(SHOWN).collect();
    let more = if shown.len() < value.len() { "..." } else { "" };
    fail(format!("{variable}: {shown:?}{more} is not {expected} hexadecimal digits"))
}

fn fail(message: String) -> Failure {
    Failure::new(Code::Input, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
    const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

    fn parse(env: &[&str]) -> Result<Vec<Promise>, Failure> {
        promises(&env.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>())
    }

    fn accepts(env: &[&str], expected: &[(&str, &str, &str)]) {
        let found: Vec<_> = parse(env)
            .unwrap()
            .into_iter()
            .map(|p| (p.variable.to_string(), p.interface.to_string(), p.image.to_string()))
            .collect();
        let owned = |(a, b, c): &(&str, &str, &str)| (a.to_string(), b.to_string(), c.to_string());
        assert_eq!(found, expected.iter().map(owned).collect::<Vec<_>>());
    }

    fn rejects(env: &[&str], message: &str) {
        let failure = parse(env).unwrap_err();
        assert_eq!((failure.code, failure.to_string().as_str()), (Code::Input, message));
    }

    /// Upstream: TestGetFPGAParams/valid_setup.
    #[test]
    fn accepts_pairs() {
        let (region, afu) = (&format!("FPGA_REGION_1={A10}"), &format!("FPGA_AFU_1={NLB3}"));
        accepts(&["PATH=/bin", afu, "FPGA=yes", region], &[("FPGA_AFU_1", A10, NLB3)]);
        let second = [&format!("FPGA_REGION_10={A10}"), &format!("FPGA_AFU_10={HASH}")];
        accepts(
            &[second[0], region, second[1], afu],
            &[("FPGA_AFU_1", A10, NLB3), ("FPGA_AFU_10", A10, HASH)],
        );
    }

    #[test]
    fn accepts_the_pair_without_number() {
        let plain = [format!("FPGA_REGION={A10}"), format!("FPGA_AFU={NLB0}")];
        accepts(&[&plain[0], &plain[1]], &[("FPGA_AFU", A10, NLB0)]);
    }

    #[test]
    fn accepts_every_spelling_of_an_id() {
        let expected = &[("FPGA_AFU_1", A10, NLB3)][..];
        for afu in [
            "F7DF405C-BD7A-CF72-22F1-44B0B93ACD18",
            " f7df405cbd7acf7222f144b0b93acd18\n",
            "f7df-405cbd7acf7222f144b0b93acd18-",
            "- f7df405cbd7acf7222f144b0b93acd18\t-",
        ] {
            let plain = &format!("FPGA_AFU_1={NLB3}");
            let entries = [&format!("FPGA_REGION_1={A10}"), &format!("FPGA_AFU_1={afu}"), plain];
            accepts(&[entries[0], entries[1]], expected);
            accepts(&entries.map(String::as_str), expected);
        }
    }

    #[test]
    fn accepts_the_same_twice() {
        let (region, afu) = (&format!("FPGA_REGION_1={A10}"), &format!("FPGA_AFU_1={NLB3}"));
        let upper = &format!("FPGA_AFU_1={}", NLB3.to_uppercase());
        accepts(&[region, afu, upper, region], &[("FPGA_AFU_1", A10, NLB3)]);
    }

    #[test]
    fn other_variables_are_nobodys_business() {
        for entry in [
            "FPGA_REGIONS=x",
            "FPGA_AFUX",
            "MY_FPGA_AFU_1=x",
            "",
            "=",
            "=FPGA_AFU_1",
            "fpga_afu_1=x",
            "FPGA_AFU_=",
            "FPGA_AFU_x=1",
            "FPGA_AFU_1_NAME=/x/y",
        ] {
            assert!(!is_about_fpgas(entry), "{entry}");
            accepts(&[entry], &[]);
        }
        for entry in ["FPGA_REGION=x", "FPGA_AFU", "FPGA_AFU_1=", "FPGA_REGION_1"] {
            assert!(is_about_fpgas(entry), "{entry}");
        }
    }

    /// What Kubernetes sets in every container for Services `fpga-afu-monitor` and `fpga-region-1`.
    #[test]
    fn variables_of_services_are_nobodys_promise() {
        let links = |stem: &str| {
            [
                format!("{stem}_SERVICE_HOST=10.96.0.7"),
                format!("{stem}_SERVICE_PORT=80"),
                format!("{stem}_PORT=tcp://10.96.0.7:80"),
                format!("{stem}_PORT_80_TCP=tcp://10.96.0.7:80"),
                format!("{stem}_PORT_80_TCP_PROTO=tcp"),
                format!("{stem}_PORT_80_TCP_PORT=80"),
                format!("{stem}_PORT_80_TCP_ADDR=10.96.0.7"),
            ]
        };
        let links = [links("FPGA_AFU_MONITOR"), links("FPGA_REGION_1"), links("FPGA_AFU")].concat();
        let mut entries: Vec<&str> = links.iter().map(String::as_str).collect();
        accepts(&entries, &[]);
        let (region, afu) = (&format!("FPGA_REGION_1={A10}"), &format!("FPGA_AFU_1={NLB3}"));
        entries.extend([region.as_str(), afu.as_str()]);
        accepts(&entries, &[("FPGA_AFU_1", A10, NLB3)]);
    }

    /// Numbers in other spellings than the webhook's pair with nothing.
    #[test]
    fn other_spellings_of_a_number_are_nobodys_promise() {
        for suffix in ["_", "_0", "_01", "_+1", "_4294967296", "_\u{661}", "1", "_b"] {
            let pair = [format!("FPGA_REGION{suffix}={A10}"), format!("FPGA_AFU{suffix}={NLB3}")];
            accepts(&[&pair[0], &pair[1]], &[]);
            let afu = &format!("FPGA_AFU_1={NLB3}");
            rejects(&[&pair[0], afu], "FPGA_AFU_1 is set but FPGA_REGION_1 is not");
        }
    }

    /// Upstream: TestGetFPGAParams/no_region_in_config, no_AFU_in_config, region_and_AFU_don't_match.
    #[test]
    fn rejects_half_a_pair() {
        let (region, afu) = (&format!("FPGA_REGION_1={A10}"), &format!("FPGA_AFU_2={NLB3}"));
        rejects(&[region], "FPGA_REGION_1 is set but FPGA_AFU_1 is not");
        rejects(&[afu], "FPGA_AFU_2 is set but FPGA_REGION_2 is not");
        rejects(&[region, afu], "FPGA_REGION_1 is set but FPGA_AFU_1 is not");
        rejects(&[&format!("FPGA_REGION={A10}"), afu], "FPGA_REGION is set but FPGA_AFU is not");
    }

    #[test]
    fn rejects_an_entry_without_a_value() {
        rejects(&["FPGA_REGION_1"], "FPGA_REGION_1 has no value");
        rejects(&[&format!("FPGA_REGION_1={A10}"), "FPGA_AFU_1"], "FPGA_AFU_1 has no value");
        rejects(&["FPGA_AFU"], "FPGA_AFU has no value");
    }

    #[test]
    fn rejects_one_variable_with_two_values() {
        let env = [format!("FPGA_AFU_1={NLB0}"), format!("FPGA_AFU_1={NLB3}")];
        rejects(&[&env[0], &env[1]], "FPGA_AFU_1 is set twice, to different values");
    }

    #[test]
    fn rejects_paths_and_other_texts() {
        let region = &format!("FPGA_REGION_1={A10}");
        for value in ["", "../../etc/passwd", "..", &format!("../{NLB3}"), "f7df", &"a".repeat(39)]
        {
            let failure = parse(&[region, &format!("FPGA_AFU_1={value}")]).unwrap_err();
            assert!(failure.to_string().starts_with("FPGA_AFU_1: "), "{failure}");
        }
        for value in ["", "../x", HASH, &"g".repeat(32), &"é".repeat(16)] {
            let failure =
                parse(&[&format!("FPGA_REGION_1={value}"), &format!("FPGA_AFU_1={NLB3}")])
                    .unwrap_err();
            assert!(failure.to_string().starts_with("FPGA_REGION_1: "), "{failure}");
        }
        rejects(
            &[region, "FPGA_AFU_1=../nlb"],
            r#"FPGA_AFU_1: "../nlb" is not a function id of 32 or the hash of an OpenCL image of 40 hexadecimal digits"#,
        );
    }

    #[test]
    fn a_wrong_value_is_shown_in_part() {
        let failure =
            parse(&[&format!("FPGA_REGION={}", "x".repeat(1 << 20)), "FPGA_AFU=y"]).unwrap_err();
        assert!(failure.to_string().len() < 200, "{failure}");
    }
}
