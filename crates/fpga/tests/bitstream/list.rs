//! Listing a store, good and bad files together, and its index.

use std::fs;
use std::os::unix::fs::symlink;

use fpga::store::{Error, Store};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::store::{gbs_name, store};
use crate::writer::{aocx, gbs, metadata};
use crate::{HASH, INTERFACE, NLB0, NLB3, good_aocx, good_gbs};

/// Path relative to the root, and `ok` or the fault without the path.
fn lines(store: &Store) -> Vec<String> {
    let entries = store.list().unwrap();
    let root = format!("{}/", store.root().display());
    entries
        .into_iter()
        .map(|entry| {
            let path = entry.path.display().to_string();
            let state = match entry.summary {
                Ok(summary) => format!("ok {} {}", summary.image_id, summary.afu_id),
                Err(fault) => fault.to_string().replace(&format!("{path}: "), ""),
            };
            format!("{} {state}", path.replace(&root, ""))
        })
        .collect()
}

#[test]
fn one_bad_file_hides_no_other() {
    let (dir, store) = store(&[
        (&gbs_name(NLB0), &good_gbs()),
        (&format!("{INTERFACE}/{HASH}.aocx"), &good_aocx()),
        (&gbs_name(NLB3), b""),
        (&gbs_name("wrong"), &good_gbs()),
        (&format!("{INTERFACE}/.install-1-0"), b"partial"),
        ("README", b"notes"),
        ("lost+found/x", b""),
        (".snapshot", b""),
    ]);
    let region = store.root().join(INTERFACE);
    symlink(dir.path(), region.join("zlink")).unwrap();
    symlink(dir.path(), store.root().join("f".repeat(32))).unwrap();
    fs::create_dir(region.join("zdirectory")).unwrap();
    mkfifo(&region.join("zfifo"), Mode::S_IRUSR).unwrap();
    let expected = [
        format!("{INTERFACE}/{HASH}.aocx ok {HASH} {NLB0}"),
        format!("{INTERFACE}/{NLB0}.gbs ok {NLB0} {NLB0}"),
        format!("{INTERFACE}/{NLB3}.gbs magic: truncated: 0 of 8 bytes are there"),
        format!(
            "{INTERFACE}/wrong.gbs is misnamed: its contents belong at {INTERFACE}/{NLB0}.gbs"
        ),
        format!("{INTERFACE}/zdirectory found a directory, expected a bitstream"),
        format!("{INTERFACE}/zfifo found a FIFO, expected a bitstream"),
        format!(
            "{INTERFACE}/zlink is or goes through a symbolic link, which a store must not contain"
        ),
        "README found a file, expected a directory named by an interface id (32 lower-case digits)".to_owned(),
        format!("{} is or goes through a symbolic link, which a store must not contain", "f".repeat(32)),
        "lost+found found a directory, expected a directory named by an interface id (32 lower-case digits)".to_owned(),
    ];
    assert_eq!(lines(&store), expected);
}

#[test]
fn summaries_hold_the_description() {
    let (_dir, store) = store(&[(&gbs_name(NLB0), &good_gbs())]);
    let summary = store.list().unwrap().pop().unwrap().summary.unwrap();
    assert_eq!(summary.interface_id.to_string(), INTERFACE);
    assert_eq!(summary.file_len, good_gbs().len() as u64);
    assert_eq!(summary.contents.metadata().name.as_deref(), Some("nlb_400"));
}

#[test]
fn a_store_that_does_not_exist_is_empty() {
    let (dir, _) = store(&[]);
    assert!(Store::new(dir.path().join("absent")).list().unwrap().is_empty());
}

#[test]
fn a_root_that_cannot_be_read_is_an_error() {
    let (_dir, file) = store(&[("file", b"")]);
    let fault = Store::new(file.root().join("file")).list().unwrap_err();
    assert!(matches!(fault, Error::Io { .. }), "{fault}");
}

#[test]
fn names_in_upper_case_would_never_be_found() {
    let upper = format!("{INTERFACE}/{}.gbs", NLB0.to_uppercase());
    let (_dir, store) = store(&[(&upper, &good_gbs())]);
    assert_eq!(
        lines(&store),
        [format!("{upper} is misnamed: its contents belong at {}", gbs_name(NLB0))]
    );
}

/// Upstream never recognises an OpenCL image that is loaded, because its hash is no AFU id.
#[test]
fn the_index_gives_the_opencl_images_that_show_an_afu_id() {
    let second = format!("{:040}", 2);
    let other = aocx(&format!("{:040}", 3), &gbs(&metadata(INTERFACE, NLB3), b"x"));
    let (_dir, store) = store(&[
        (&gbs_name(NLB0), &good_gbs()),
        (&format!("{INTERFACE}/{HASH}.aocx"), &good_aocx()),
        (&format!("{INTERFACE}/{second}.aocx"), &aocx(&second, &good_gbs())),
        (&format!("{INTERFACE}/{:040}.aocx", 3), &other),
        (&format!("{INTERFACE}/{:040}.aocx", 4), b"bad"),
    ]);
    let index = store.index().unwrap();
    let hashes = |afu: &str| {
        let hashes = index.hashes(INTERFACE.parse().unwrap(), afu.parse().unwrap());
        hashes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(hashes(NLB0), [second, HASH.to_owned()]);
    assert_eq!(hashes(NLB3), [format!("{:040}", 3)]);
    assert!(hashes(INTERFACE).is_empty());
}
