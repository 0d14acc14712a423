use super::*;
use crate::errors::Severity;

const TABLES: [Register; 6] = [
    Register::Port,
    Register::Fme,
    Register::Pcie,
    Register::Nonfatal,
    Register::Fatal,
    Register::Reconfiguration,
];

#[test]
fn every_bit_of_every_table_has_its_own_name_and_words() {
    for register in TABLES {
        let mut covered = 0u64;
        let mut names = Vec::new();
        for entry in register.table() {
            assert_eq!(covered & entry.mask(), 0, "{register:?}: {} overlaps", entry.name);
            covered |= entry.mask();
            assert!(!entry.words.is_empty());
            assert!(!names.contains(&entry.name), "{} twice in {register:?}", entry.name);
            names.push(entry.name);
            let decoded = register.decode(1 << entry.low);
            assert_eq!(decoded.len(), 1);
            assert_eq!(decoded[0].to_string(), entry.words);
            assert_eq!((decoded[0].bit, decoded[0].name), (entry.low, Some(entry.name)));
        }
        let everything = register.decode(u64::MAX);
        let unknown = everything.iter().filter(|error| error.name.is_none()).count();
        assert_eq!(unknown, usize::try_from(covered.count_zeros()).unwrap());
        assert!(everything.is_sorted_by_key(|error| error.bit));
    }
}

#[test]
fn nothing_set_is_nothing_said() {
    for register in TABLES {
        assert_eq!(register.words(0), "");
    }
}

#[test]
fn bits_of_no_table_are_numbered() {
    assert_eq!(Register::Fatal.words(1 << 40 | 1 << 20), "bit 20, bit 40");
    assert_eq!(Register::Port.words(1 << 63 | 1), "read requests overflowed, bit 63");
}

#[test]
fn a_group_of_bits_is_one_error() {
    let errors = Register::Fme.decode(0b11 << 8);
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].bit, errors[0].name), (8, Some("Pcie0CdcParErr")));
}

#[test]
fn the_first_error_names_its_register_in_the_upper_bits() {
    assert_eq!(Register::FmeOrder.words(1), Register::Fme.words(1));
    assert_eq!(Register::FmeOrder.words(1 << 60 | 1 << 7), "completion did not come in time");
    assert_eq!(Register::FmeOrder.words(2 << 60 | 1), Register::Pcie.words(1));
    assert_eq!(Register::FmeOrder.words(7 << 60 | 1), "bit 0, bit 60, bit 61, bit 62");
}

#[test]
fn both_drivers_names_of_an_attribute_are_known() {
    assert_eq!(Register::of_port("errors"), Some(Register::Port));
    assert_eq!(Register::of_port("first_malformed_req"), None);
    for (dfl, opae) in [
        ("fme_errors", "fme-errors/errors"),
        ("first_error", "fme-errors/first_error"),
        ("next_error", "fme-errors/next_error"),
        ("nonfatal_errors", "bbs_errors"),
        ("catfatal_errors", "gbs_errors"),
    ] {
        assert!(Register::of_fme(dfl).is_some());
        assert_eq!(Register::of_fme(dfl), Register::of_fme(opae));
    }
    assert_eq!(Register::of_fme("warning_errors"), None);
}

/// The lines of `status_show` in `drivers/fpga/fpga-mgr.c`.
#[test]
fn reconfiguration_errors_have_the_kernels_words() {
    assert_eq!(
        Register::Reconfiguration.words(0b11111),
        "reconfig operation error, reconfig CRC error, reconfig incompatible image, \
         reconfig IP protocol error, reconfig fifo overflow error"
    );
}

#[test]
fn severities_follow_the_names() {
    let fatal = |register: Register| -> Vec<_> {
        let errors = register.decode(u64::MAX).into_iter();
        let fatal = errors.filter(|error| error.severity == Severity::Fatal);
        fatal.map(|error| error.name.unwrap_or("unnamed")).collect()
    };
    let named = |register: Register| -> Vec<_> {
        register.decode(u64::MAX).iter().filter_map(|error| error.name).collect()
    };
    let except = |register: Register, others: &[&str]| -> Vec<_> {
        named(register).into_iter().filter(|name| !others.contains(name)).collect()
    };
    assert_eq!(
        fatal(Register::Port),
        except(Register::Port, &["MMIORdWhileRst", "MMIOWrWhileRst", "VfFlrAccessError"])
    );
    assert_eq!(fatal(Register::Fme), except(Register::Fme, &["AfuAccessModeErr", "MBPErr"]));
    assert_eq!(fatal(Register::Pcie), ["ParityErr"]);
    assert_eq!(fatal(Register::Nonfatal), ["TempThreshAP6"]);
    // The register itself says that the card does not go on.
    assert_eq!(fatal(Register::Fatal).len(), 64);
    assert_eq!(fatal(Register::Reconfiguration), [""; 0]);
    let ordered = Register::FmeOrder.decode(1 << 60 | 1 << 8);
    assert_eq!((ordered[0].name, ordered[0].severity), (Some("ParityErr"), Severity::Fatal));
}
