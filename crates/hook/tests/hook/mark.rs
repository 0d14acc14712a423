//! What `fpgactl doctor` reads out of the program's file.

#[test]
fn the_version_stands_in_the_program() {
    let mark = concat!("[kube-fpga hook ", env!("CARGO_PKG_VERSION"), "]").as_bytes();
    let program = std::fs::read(env!("CARGO_BIN_EXE_fpga-hook")).unwrap();
    assert_eq!(program.windows(mark.len()).filter(|window| *window == mark).count(), 1);
}
