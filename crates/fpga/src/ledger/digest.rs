//! Which image: the digest of its file.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id;

/// SHA-256 (FIPS 180-4) of a whole bitstream file; its text is `sha256:` and 64 hexadecimal digits, as OCI
/// registries spell it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("digest {0:?}: expected sha256: and 64 lower-case hexadecimal digits")]
pub struct ParseDigestError(String);

const PREFIX: &str = "sha256:";

impl Digest {
    /// Of everything in `file`, wherever its position is. It is read in pieces, so that a long one costs no
    /// memory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(file: &File) -> io::Result<Self> {
        let mut hash = Sha256::new();
        let mut piece = vec![0; 64 << 10];
        let mut offset = 0;
        loop {
            match file.read_at(&mut piece, offset) {
                Ok(0) => return Ok(Self(hash.finalize().into())),
                Ok(length) => {
                    hash.update(&piece[..length]);
                    offset += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        parse(text).map(Self).ok_or_else(|| ParseDigestError(text.chars().take(80).collect()))
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(PREFIX)?;
    // A second spelling would be a second name of the same image.
    if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return None;
    }
    id::hex_bytes(digits)
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;
    fn try_from(text: String) -> Result<Self, ParseDigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// What a file's contents cannot change without: while it is the same, the file need not be read to know its
/// digest. Whoever may write to the store could set a file's times, but not its time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

/// A file's digest, and what it had to be for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// While the file is this, it has this digest.
    pub identity: FileIdentity,
    /// The digest of its contents.
    pub digest: Digest,
}

impl FileIdentity {
    /// Of the file that has this status.
    #[must_use]
    pub fn of(status: &Metadata) -> Self {
        Self {
            device: status.dev(),
            inode: status.ino(),
            size: status.size(),
            changed: (status.ctime(), status.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use fpga_emulator::bitstream_writer as writer;

    use super::*;
    use crate::bitstream::Bitstream;

    #[test]
    fn a_digest_is_that_of_the_standard() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let digest = Digest::of(&file).unwrap();
        // FIPS 180-4's example.
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(Digest::of(&file).unwrap(), digest, "from the start, wherever the file stands");
        file.write_all(&[0; 200_000]).unwrap();
        assert_ne!(Digest::of(&file).unwrap(), digest);
    }

    #[test]
    fn other_texts_are_not_digests() {
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for text in [
            "",
            "sha256:",
            digits,
            &format!("sha512:{digits}"),
            &format!("sha256:{}", digits.to_uppercase()),
            &format!("sha256:{digits}0"),
            &format!("sha256:{}g", &digits[1..]),
            &format!("sha256:{}", "é".repeat(32)),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert!("x".repeat(1 << 20).parse::<Digest>().unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn a_fingerprint_is_of_the_file_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gbs");
        let gbs = |payload: &[u8]| {
            let metadata = writer::metadata(&"1".repeat(32), &"2".repeat(32));
            std::fs::write(&path, writer::gbs(&metadata, payload)).unwrap();
        };
        gbs(b"one");
        let bitstream = Bitstream::open(&path).unwrap();
        let first = bitstream.fingerprint().unwrap();
        assert_eq!(first, bitstream.fingerprint().unwrap());
        assert_eq!(first.digest, Digest::of(bitstream.file()).unwrap());
        // The same file, open all the time.
        gbs(b"longer");
        let second = bitstream.fingerprint().unwrap();
        assert_ne!(first.identity, second.identity);
        assert_eq!(second.digest, Digest::of(bitstream.file()).unwrap());
        assert_ne!(first.digest, second.digest);
    }

    #[test]
    fn a_file_that_is_replaced_or_written_has_another_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gbs");
        let identity = || FileIdentity::of(&std::fs::metadata(&path).unwrap());
        std::fs::write(&path, "one").unwrap();
        let first = identity();
        assert_eq!(first, identity());
        let other = dir.path().join("b.gbs");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(first, identity());
        let second = identity();
        std::fs::write(&path, "longer").unwrap();
        assert_ne!(second, identity());
    }
}
