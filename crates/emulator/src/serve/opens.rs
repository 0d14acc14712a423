//! Who has a file open: a walk through `/proc`, as far as we may look.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// True when a process other than this one has one of the files open.
pub(super) fn any_process_has(inodes: &[(u64, u64)]) -> bool {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().filter(|p| is_number(&p.file_name()) && p.file_name() != own.as_str()).any(
        |p| {
            // Processes that ended meanwhile or that belong to others cannot be looked at.
            let Ok(files) = fs::read_dir(p.path().join("fd")) else { return false };
            files
                .flatten()
                .any(|f| fs::metadata(f.path()).is_ok_and(|m| inodes.contains(&(m.dev(), m.ino()))))
        },
    )
}

fn is_number(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}
