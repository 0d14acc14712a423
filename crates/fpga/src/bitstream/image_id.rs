//! What a bitstream is called: by its function, or by its own hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Format;
use crate::id::{AfuId, AocxHash};

/// The name of an image among those built for one interface id, and the stem of its file name in a
/// store. Pods ask for a function by the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageId {
    /// A GBS, named by the AFU id that it shows when loaded.
    Afu(AfuId),
    /// An AOCX, named by its hash because many share one AFU id.
    Aocx(AocxHash),
}

impl ImageId {
    /// The format of the files that have such a name.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Self::Afu(_) => Format::Gbs,
            Self::Aocx(_) => Format::Aocx,
        }
    }

    /// `<afuId>.gbs` or `<hash>.aocx`.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{self}.{}", self.format().extension())
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Afu(id) => id.fmt(f),
            Self::Aocx(hash) => hash.fmt(f),
        }
    }
}

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "image id {text:?}: expected an AFU id (32 hexadecimal digits or a UUID) or an AOCX hash (40 hexadecimal digits)"
)]
pub struct ParseImageIdError {
    /// What was given.
    pub text: String,
}

impl FromStr for ImageId {
    type Err = ParseImageIdError;
    fn from_str(text: &str) -> Result<Self, ParseImageIdError> {
        let afu = text.parse().map(Self::Afu);
        afu.or_else(|_| text.parse().map(Self::Aocx))
            .map_err(|_| ParseImageIdError { text: text.to_owned() })
    }
}

impl TryFrom<String> for ImageId {
    type Error = ParseImageIdError;
    fn try_from(text: String) -> Result<Self, ParseImageIdError> {
        text.parse()
    }
}

impl From<ImageId> for String {
    fn from(id: ImageId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_digits_tells_functions_from_hashes() {
        let afu: ImageId = "D8424DC4-A4A3-C413-F89E-433683F9040B".parse().unwrap();
        assert_eq!(afu.file_name(), "d8424dc4a4a3c413f89e433683f9040b.gbs");
        let hash: ImageId = "40007C0623210742000EBC58DF6F5343E668B03A".parse().unwrap();
        assert_eq!(hash.file_name(), "40007c0623210742000ebc58df6f5343e668b03a.aocx");
    }

    #[test]
    fn a_path_is_no_image() {
        for text in ["", "../d8424dc4a4a3c413f89e433683f9040b", "..", "/etc/passwd", "d8424dc4"] {
            assert_eq!(
                text.parse::<ImageId>(),
                Err(ParseImageIdError { text: text.to_owned() }),
                "{text}"
            );
        }
    }
}
