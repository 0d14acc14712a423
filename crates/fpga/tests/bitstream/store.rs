//! Finding images in a store.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use fpga::bitstream::ImageId;
use fpga::store::{DEFAULT_ROOT, Error, Store};
use tempfile::TempDir;

use crate::writer::{aocx, gbs, metadata};
use crate::{HASH, INTERFACE, NLB0, NLB3, good_aocx, good_gbs};

/// A store with `files`, whose names are relative to its root.
pub(crate) fn store(files: &[(&str, &[u8])]) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("fpga");
    fs::create_dir(&root).unwrap();
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    (dir, Store::new(root))
}

pub(crate) fn gbs_name(afu: &str) -> String {
    format!("{INTERFACE}/{afu}.gbs")
}

fn find(store: &Store, image: &str) -> Result<PathBuf, Error> {
    let bitstream = store.find(INTERFACE.parse().unwrap(), image.parse().unwrap())?;
    Ok(bitstream.path().to_owned())
}

#[test]
fn the_root_is_that_of_intels_tools() {
    assert_eq!(DEFAULT_ROOT, "/srv/intel.com/fpga");
    assert_eq!(Store::default(), Store::new(DEFAULT_ROOT));
    let path = Store::default().path(INTERFACE.parse().unwrap(), NLB0.parse().unwrap());
    assert_eq!(path, PathBuf::from(format!("/srv/intel.com/fpga/{INTERFACE}/{NLB0}.gbs")));
}

/// Upstream: TestGetFPGABitstream "Correct OPAE bitstream file".
#[test]
fn functions_are_found_by_afu_id() {
    let (_dir, store) = store(&[(&gbs_name(NLB0), &good_gbs())]);
    assert_eq!(find(&store, NLB0).unwrap(), store.root().join(gbs_name(NLB0)));
    let dashed = "D8424DC4-A4A3-C413-F89E-433683F9040B";
    assert_eq!(find(&store, dashed).unwrap(), store.root().join(gbs_name(NLB0)));
}

#[test]
fn opencl_images_are_found_by_hash() {
    let name = format!("{INTERFACE}/{HASH}.aocx");
    let (_dir, store) = store(&[(&name, &good_aocx())]);
    assert_eq!(find(&store, HASH).unwrap(), store.root().join(&name));
    assert!(matches!(find(&store, NLB0), Err(Error::NotFound { .. })));
}

/// Upstream: TestGetFPGABitstream "Bitstream not found".
#[test]
fn what_is_not_installed_is_named_with_its_place() {
    let (dir, store) = store(&[(&gbs_name(NLB0), &good_gbs())]);
    let path = store.root().join(gbs_name(NLB3));
    assert_eq!(
        find(&store, NLB3).unwrap_err().to_string(),
        format!(
            "no bitstream of function {NLB3} for region {INTERFACE}: {} does not exist",
            path.display()
        )
    );
    let absent = Store::new(dir.path().join("absent"));
    assert!(matches!(find(&absent, NLB0), Err(Error::NotFound { .. })));
}

/// Upstream: TestGetFPGABitstream "Get broken OPAE bistream file" and "Get broken OpenCL bistream
/// file".
#[test]
fn broken_files_are_refused() {
    let aocx = format!("{INTERFACE}/{HASH}.aocx");
    let (_dir, store) = store(&[(&gbs_name(NLB0), b"broken!!"), (&aocx, b"broken!!")]);
    for (image, name) in [(NLB0, gbs_name(NLB0)), (HASH, aocx)] {
        assert_eq!(
            find(&store, image).unwrap_err().to_string(),
            format!(
                "{}: magic: found 62726f6b656e2121, expected a GBS (58656f6e46504741) or an ELF file (7f454c46)",
                store.root().join(name).display()
            )
        );
    }
}

/// Upstream programs whatever is in the file.
#[test]
fn misnamed_files_are_refused() {
    let other_region = "a5d72a3cc8b04939912cf715e5dc10ca";
    let elsewhere = gbs(&metadata(other_region, NLB0), b"image");
    let other_hash = format!("{:040}", 1);
    let misnamed_aocx = aocx(&other_hash, &good_gbs());
    let (_dir, store) = store(&[
        (&gbs_name(NLB3), &good_gbs()),
        (&gbs_name(NLB0), &elsewhere),
        (&format!("{INTERFACE}/{HASH}.aocx"), &misnamed_aocx),
    ]);
    for (image, is, belongs) in [
        (NLB3, gbs_name(NLB3), gbs_name(NLB0)),
        (NLB0, gbs_name(NLB0), format!("{other_region}/{NLB0}.gbs")),
        (HASH, format!("{INTERFACE}/{HASH}.aocx"), format!("{INTERFACE}/{other_hash}.aocx")),
    ] {
        assert_eq!(
            find(&store, image).unwrap_err().to_string(),
            format!(
                "{}: is misnamed: its contents belong at {belongs}",
                store.root().join(is).display()
            )
        );
    }
}

#[test]
fn files_without_ids_are_refused() {
    let nameless = gbs(&metadata("", NLB0), b"image");
    let (_dir, store) = store(&[(&gbs_name(NLB0), &nameless)]);
    assert_eq!(
        find(&store, NLB0).unwrap_err().to_string(),
        format!(
            "{}: afu-image.interface-uuid: found nothing, expected 32 hexadecimal digits or a UUID",
            store.root().join(gbs_name(NLB0)).display()
        )
    );
}

#[test]
fn the_extension_counts_as_well() {
    let (_dir, store) = store(&[(&gbs_name(NLB0), &good_aocx())]);
    assert!(
        find(&store, NLB0)
            .unwrap_err()
            .to_string()
            .ends_with("the extension says GBS, the contents are AOCX")
    );
}

/// `FPGA_AFU` reached the path unchecked upstream.
#[test]
fn nothing_but_an_id_makes_a_path() {
    for text in ["../../../etc/x", "..", "d8424dc4a4a3c413f89e433683f9040b/..", "", "*"] {
        assert!(text.parse::<ImageId>().is_err(), "{text}");
    }
}

#[test]
fn links_in_the_store_are_not_followed() {
    let (dir, store) = store(&[]);
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join(format!("{NLB0}.gbs")), good_gbs()).unwrap();
    let check = |store: &Store| {
        assert_eq!(
            find(store, NLB0).unwrap_err().to_string(),
            format!(
                "{}: is or goes through a symbolic link, which a store must not contain",
                store.root().join(gbs_name(NLB0)).display()
            )
        );
    };
    // The directory is a link, and then the file is one.
    let directory = store.root().join(INTERFACE);
    symlink(&real, &directory).unwrap();
    check(&store);
    fs::remove_file(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    symlink(real.join(format!("{NLB0}.gbs")), store.root().join(gbs_name(NLB0))).unwrap();
    check(&store);
}

#[test]
fn the_root_itself_may_be_a_link() {
    let (dir, store) = store(&[(&gbs_name(NLB0), &good_gbs())]);
    let link = dir.path().join("link");
    symlink(store.root(), &link).unwrap();
    assert!(find(&Store::new(link), NLB0).is_ok());
}

#[test]
fn directories_in_the_place_of_files_are_refused() {
    let (_dir, store) = store(&[]);
    let path = store.root().join(gbs_name(NLB0));
    fs::create_dir_all(&path).unwrap();
    assert_eq!(
        find(&store, NLB0).unwrap_err().to_string(),
        format!("{}: not a regular file", path.display())
    );
}

#[test]
fn files_in_the_place_of_directories_are_refused() {
    let (_dir, store) = store(&[(INTERFACE, b"")]);
    let fault = find(&store, NLB0).unwrap_err().to_string();
    assert!(fault.ends_with(": cannot open it: Not a directory (os error 20)"), "{fault}");
}
