//! OpenCL images, which are named by their hash.

use std::fs;

use fpga_emulator::card::pr::payload_head;

use crate::machine::{INTERFACE, NLB0, Running};
use fpga_emulator::bitstream_writer::{aocx, gbs, metadata};

const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";
const OTHER: &str = "1111111111111111111111111111111111111111";

fn running() -> Running {
    let running = Running::preset("pac-a10");
    let head = payload_head(INTERFACE.parse().unwrap(), NLB0.parse().unwrap());
    let file = aocx(HASH, &gbs(&metadata(INTERFACE, NLB0), &head));
    fs::write(running.node.path("matrix.aocx"), file).unwrap();
    running
}

#[test]
fn an_image_is_installed_listed_and_verified_by_its_hash() {
    let running = running();
    let answer = running.run(&["bitstream", "info", "-o", "json", "matrix.aocx"]).ended(0).json();
    assert_eq!((&answer[0]["hash"], &answer[0]["board"]), (&HASH.into(), &"pac_a10".into()));
    running.run(&["bitstream", "install", "--store", "store", "matrix.aocx"]).ended(0);
    assert!(running.node.path(&format!("store/{INTERFACE}/{HASH}.aocx")).exists());
    let rows =
        running.run(&["bitstream", "list", "--store", "store", "-o", "json"]).ended(0).json();
    assert_eq!((&rows[0]["imageId"], &rows[0]["afuId"]), (&HASH.into(), &NLB0.into()));
    running.run(&["bitstream", "verify", "--store", "store"]).ended(0);
}

/// The AFU id that a region shows does not tell which image is in it; the file that was loaded does.
#[test]
fn an_image_is_programmed_whatever_the_region_shows() {
    let running = running();
    running.run(&["bitstream", "install", "--store", "store", "matrix.aocx"]).ended(0);
    let head = payload_head(INTERFACE.parse().unwrap(), NLB0.parse().unwrap());
    let other = aocx(OTHER, &gbs(&metadata(INTERFACE, NLB0), &[&head[..], b"other"].concat()));
    fs::write(running.node.path("other.aocx"), other).unwrap();
    for (image, action) in [
        ("matrix.aocx", "programmed"),
        (HASH, "alreadyLoaded"),
        ("other.aocx", "programmed"),
        (HASH, "programmed"),
        (HASH, "alreadyLoaded"),
    ] {
        let args = ["program", "-o", "json", "--store", "store", image, "dfl-port.0"];
        let report = running.run(&args).ended(0).json();
        assert_eq!(report["action"], action, "{image}");
        assert_eq!(running.function("dfl-port.0"), NLB0);
    }
}

/// Intel's tool panics at one.
#[test]
fn an_image_without_the_fpgas_part_is_refused_by_name() {
    let running = running();
    let file = fpga_emulator::bitstream_writer::elf(
        fpga_emulator::bitstream_writer::Class::Elf64,
        &[(".acl.rand_hash", HASH.as_bytes())],
    );
    fs::write(running.node.path("empty.aocx"), file).unwrap();
    let answer = running.run(&["bitstream", "info", "empty.aocx"]).ended(1);
    assert!(answer.stderr.starts_with("fpgactl: empty.aocx: .acl.fpga.bin: "), "{answer:?}");
}
