//! Registers and ids in serialised form: hexadecimal text, as sysfs prints them. A JSON number would
//! lose the low bits of a 64-bit register in most readers.

use serde::Serializer;

macro_rules! hex {
    ($(#[$doc:meta])* $name:ident, $type:ty, $format:literal) => {
        $(#[$doc])*
        pub(super) fn $name<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!($format, value))
        }
    };
}

hex!(
    /// A PCI id: four digits.
    id, u16, "{:#06x}"
);
hex!(
    /// A PCI class code: six digits.
    class, u32, "{:#08x}"
);
hex!(
    /// A register.
    register, u64, "{:#x}"
);

/// A register that may be missing.
// The signature is serde's.
#[allow(clippy::ref_option)]
pub(super) fn optional<S: Serializer>(
    value: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => register(value, serializer),
        None => serializer.serialize_none(),
    }
}
