//! Bitstreams in files: what can be opened, and what the image is.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;

use fpga::bitstream::{Bitstream, Error, ImageId};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo, setfsuid};
use tempfile::TempDir;

use crate::writer::{aocx, gbs, metadata};
use crate::{HASH, INTERFACE, NLB0, good_aocx, good_gbs};

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn fault(path: &PathBuf) -> String {
    Bitstream::open(path).unwrap_err().to_string()
}

/// Upstream: TestOpen "correct GBS", TestFileGBSMethods.
#[test]
fn a_gbs_opens_and_gives_its_image() {
    let (_dir, path) = file("nlb_mode_0.gbs", &good_gbs());
    let bitstream = Bitstream::open(&path).unwrap();
    assert_eq!(bitstream.path(), path);
    assert_eq!(bitstream.file_len(), good_gbs().len() as u64);
    assert_eq!(bitstream.interface_id().unwrap().to_string(), INTERFACE);
    assert_eq!(bitstream.image_id().unwrap(), ImageId::Afu(NLB0.parse().unwrap()));
    assert_eq!(bitstream.verify().unwrap(), 5);
    assert_eq!(&*bitstream.payload().unwrap(), b"image");
}

#[test]
fn an_aocx_opens_and_gives_its_image() {
    let image: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let (_dir, path) = file("kernel.aocx", &aocx(HASH, &gbs(&metadata(INTERFACE, NLB0), &image)));
    let bitstream = Bitstream::open(&path).unwrap();
    assert_eq!(bitstream.image_id().unwrap(), ImageId::Aocx(HASH.parse().unwrap()));
    assert_eq!(bitstream.afu_id().unwrap().to_string(), NLB0);
    assert_eq!(bitstream.verify().unwrap(), image.len() as u64);
    assert!(*bitstream.payload().unwrap() == *image);
    let limited = bitstream.with_inflate_limit(100_000);
    let expected = format!(
        "{}: .acl.gbs.gz: cannot be read: inflates to more than 100000 bytes",
        path.display()
    );
    assert_eq!(limited.payload().unwrap_err().to_string(), expected);
    assert_eq!(limited.verify().unwrap_err().to_string(), expected);
}

#[test]
fn an_image_outlives_its_name_and_its_bitstream() {
    let (dir, path) = file("x.gbs", &good_gbs());
    let payload = Bitstream::open(&path).unwrap().payload().unwrap();
    drop(dir);
    assert_eq!(&*payload, b"image");
}

/// Upstream goes by the extension alone (TestOpen "Unsupported file format").
#[test]
fn the_contents_decide_what_a_file_is() {
    for name in ["image", "image.bin", "image.GBS"] {
        let (_dir, path) = file(name, &good_gbs());
        assert!(Bitstream::open(&path).is_ok(), "{name}");
    }
    let (_dir, path) = file("image.txt", b"some notes");
    assert_eq!(
        fault(&path),
        format!(
            "{}: magic: found 736f6d65206e6f74, expected a GBS (58656f6e46504741) or an ELF file (7f454c46)",
            path.display()
        )
    );
}

#[test]
fn an_extension_that_says_otherwise_is_refused() {
    for (name, bytes, expected) in [
        ("image.aocx", good_gbs(), "the extension says AOCX, the contents are GBS"),
        ("image.gbs", good_aocx(), "the extension says GBS, the contents are AOCX"),
    ] {
        let (_dir, path) = file(name, &bytes);
        assert_eq!(fault(&path), format!("{}: {expected}", path.display()));
    }
}

#[test]
fn an_empty_file_is_refused() {
    let (_dir, path) = file("x.gbs", b"");
    assert_eq!(
        fault(&path),
        format!("{}: magic: truncated: 0 of 8 bytes are there", path.display())
    );
}

/// Upstream: TestOpenGBS "file doesn't exist".
#[test]
fn a_file_that_does_not_exist_is_refused() {
    let (dir, _) = file("x.gbs", b"");
    let path = dir.path().join("absent.gbs");
    assert_eq!(
        fault(&path),
        format!("{}: cannot be opened: No such file or directory (os error 2)", path.display())
    );
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo.gbs");
    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    for path in [dir.path().to_owned(), fifo, PathBuf::from("/dev/zero")] {
        assert_eq!(fault(&path), format!("{}: not a regular file", path.display()));
    }
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let (_dir, path) = file("x.gbs", &good_gbs());
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    assert_eq!(
        as_nobody(|| fault(&path)),
        format!("{}: cannot be opened: Permission denied (os error 13)", path.display())
    );
}

/// Runs `work` in a thread that root's exemption from file permissions does not cover.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if Uid::effective().is_root() {
                setfsuid(Uid::from_raw(65534));
            }
            work()
        });
        thread.join().unwrap()
    })
}

#[test]
fn a_file_that_changes_its_length_meanwhile_is_not_programmed() {
    let (_dir, path) = file("x.gbs", &good_gbs());
    let length = good_gbs().len();
    let bitstream = Bitstream::open(&path).unwrap();
    let writer = OpenOptions::new().append(true).open(&path).unwrap();
    let check = |now: usize| {
        let expected = format!(
            "{}: had {length} bytes when it was opened and has {now} now: it is being written to",
            path.display()
        );
        assert_eq!(bitstream.payload().unwrap_err().to_string(), expected);
        assert_eq!(bitstream.verify().unwrap_err().to_string(), expected);
    };
    (&writer).write_all(b"more").unwrap();
    check(length + 4);
    writer.set_len(3).unwrap();
    check(3);
}

/// The lengths in the file ask for 4 GiB; it has them, as a hole, and still next to nothing is read.
#[test]
fn a_huge_sparse_file_costs_nothing() {
    let (_dir, path) = file("x.gbs", &good_gbs());
    File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let bitstream = Bitstream::open(&path).unwrap();
    let image = (1 << 40) - (good_gbs().len() as u64 - 5);
    assert_eq!(bitstream.verify().unwrap(), image);
    assert_eq!(bitstream.payload().unwrap().len() as u64, image);
}

#[test]
fn errors_tell_what_kind_they_are() {
    let (_dir, path) = file("x.gbs", b"");
    assert!(matches!(Bitstream::open(&path), Err(Error::Malformed { .. })));
    assert!(matches!(Bitstream::open("/"), Err(Error::NotRegular { .. })));
}
