//! What describing and verifying a large bitstream costs in memory.
// Clippy exempts tests but not the functions that they share.
#![allow(clippy::unwrap_used)]

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use fpga::bitstream::{Bitstream, Format};
use fpga_emulator::bitstream_writer as writer;

const IMAGE_LEN: usize = 64 << 20;
/// Resident memory may grow by less than this, in KiB.
const BUDGET_KIB: u64 = 2 << 10;

/// The most memory that was ever resident, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Writes in small pieces, so that the memory of the writing does not hide that of the reading.
fn write_gbs(path: &Path, head: &[u8]) {
    let file = File::create(path).unwrap();
    file.write_all_at(head, 0).unwrap();
    let piece: Vec<u8> = (0..1 << 16).map(|i: u32| i.to_le_bytes()[0]).collect();
    for offset in (0..IMAGE_LEN).step_by(piece.len()) {
        file.write_all_at(&piece, (head.len() + offset) as u64).unwrap();
    }
}

/// Names the file for [`open_one`] to open; the test below sets it in a child.
const FILE: &str = "FPGA_TEST_BITSTREAM";

/// What the next test measures, in a process whose allocator has nothing in store.
#[test]
#[ignore = "measures itself as a child of the next test"]
fn open_one() {
    let Some(path) = env::var_os(FILE) else { return };
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak_kib();
    let bitstream = Bitstream::open(path).unwrap();
    assert_eq!(bitstream.verify().unwrap(), IMAGE_LEN as u64);
    if bitstream.contents().format() == Format::Gbs {
        assert_eq!(bitstream.payload().unwrap().len(), IMAGE_LEN);
    }
    println!("grown by {} KiB", peak_kib() - before);
}

fn growth_kib(path: &Path) -> u64 {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "open_one", "--nocapture"])
        .env(FILE, path)
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    let grown = output.split_once("grown by ").and_then(|(_, rest)| rest.split_once(" KiB"));
    grown.unwrap_or_else(|| panic!("{output}")).0.parse().unwrap()
}

#[test]
fn describing_verifying_and_mapping_64_mib_takes_less_than_2_mib() {
    let dir = tempfile::tempdir().unwrap();
    let head = writer::gbs(&writer::metadata(&"1".repeat(32), &"2".repeat(32)), b"");
    let gbs = dir.path().join("x.gbs");
    write_gbs(&gbs, &head);
    let aocx = dir.path().join("x.aocx");
    fs::write(&aocx, writer::aocx(&"3".repeat(40), &fs::read(&gbs).unwrap())).unwrap();
    for path in [gbs, aocx] {
        let grown = growth_kib(&path);
        println!("{}: {grown} KiB", path.display());
        // Not even one page would mean that nothing was measured.
        assert!((1..BUDGET_KIB).contains(&grown), "{}: {grown} KiB", path.display());
    }
}
