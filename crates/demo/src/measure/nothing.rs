//! A static process that does nothing: what no program can be faster than.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// `exit(0)` by the system call alone.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60
    0x31, 0xff, // xor edi, edi
    0x0f, 0x05, // syscall
];
#[cfg(not(target_arch = "x86_64"))]
const CODE: &[u8] = &[];

/// Where it is loaded.
const BASE: u64 = 0x40_0000;
/// Lengths of the file's header and of its one program header (`elf(5)`).
const HEADERS: u16 = 64 + 56;

/// Writes it as `path`. `None` where its machine code is not known.
pub(super) fn write(path: &Path) -> io::Result<Option<PathBuf>> {
    if CODE.is_empty() {
        return Ok(None);
    }
    fs::write(path, elf())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(Some(path.to_owned()))
}

fn elf() -> Vec<u8> {
    let length = u64::from(HEADERS) + CODE.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    // An executable for x86-64, version 1: its entry, its program headers, no sections, no flags.
    half(&mut file, 2);
    half(&mut file, 62);
    word(&mut file, 1);
    long(&mut file, BASE + u64::from(HEADERS));
    long(&mut file, 64);
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [64, 56, 1, 0, 0, 0] {
        half(&mut file, value);
    }
    // One segment, which is loaded to be read and executed: all of the file.
    word(&mut file, 1);
    word(&mut file, 5);
    for value in [0, BASE, BASE, length, length, 0x1000] {
        long(&mut file, value);
    }
    file.extend(CODE);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_nothing_and_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let Some(program) = write(&dir.path().join("nothing")).unwrap() else { return };
        assert!(std::process::Command::new(program).status().unwrap().success());
    }
}
