use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, symlink};

use super::*;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn contents_and_mode_are_replaced_and_nothing_is_left_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    for (contents, mode) in [("one", 0o644), ("two, longer", 0o600), ("", 0o755)] {
        replace(&path, contents.as_bytes(), mode).unwrap();
        assert_eq!(fs::read(&path).unwrap(), contents.as_bytes());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        assert!(holds(&path, contents.as_bytes()));
    }
    assert_eq!(names(dir.path()), ["a.json"]);
}

#[test]
fn what_has_the_old_file_open_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    replace(&path, b"one", 0o644).unwrap();
    let old = open(&path).unwrap();
    replace(&path, b"two", 0o644).unwrap();
    assert_eq!(read_from(old, 9).unwrap(), b"one");
}

#[test]
fn a_link_is_replaced_and_does_not_hold_what_it_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("a"), dir.path().join("other"));
    fs::write(&other, "one").unwrap();
    symlink(&other, &path).unwrap();
    assert!(!holds(&path, b"one"));
    replace(&path, b"two", 0o644).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(fs::read(&other).unwrap(), b"one");
}

#[test]
fn a_failure_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::create_dir(&path).unwrap();
    assert!(replace(&path, b"one", 0o644).is_err());
    assert_eq!(names(dir.path()), ["a"]);
    assert!(replace(&dir.path().join("missing/a"), b"one", 0o644).is_err());
    assert!(replace(Path::new("/"), b"one", 0o644).is_err());
}

#[test]
fn only_what_killed_writers_of_this_file_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let others = [".a.b.4711-0.tmp", ".a.swp", ".a.4711.tmp", ".ab.4711-0.tmp", "a.4711-0.tmp"];
    for name in others.iter().chain(&[".a.4711-0.tmp", ".a.1-1795000000000"]) {
        fs::write(dir.path().join(name), "half").unwrap();
    }
    let busy = dir.path().join(".a.7-7.tmp");
    let writer = File::create(&busy).unwrap();
    writer.lock().unwrap();
    replace(&dir.path().join("a"), b"one", 0o644).unwrap();
    let mut expected: Vec<_> = others.into_iter().chain(["a", ".a.7-7.tmp"]).collect();
    expected.sort_unstable();
    assert_eq!(names(dir.path()), expected);
}

#[test]
fn directories_are_made_for_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    make_directories(&path).unwrap();
    make_directories(&path).unwrap();
    for path in [path.as_path(), &dir.path().join("a")] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o755);
    }
    fs::write(path.join("file"), "").unwrap();
    assert!(make_directories(&path.join("file/c")).is_err());
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    make_directories(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700, "it was somebody else's");
}

#[test]
fn only_regular_files_of_some_length_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "four").unwrap();
    assert_eq!(read(&file, 4).unwrap(), b"four");
    assert_eq!(read(&file, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert!(read(dir.path(), 4).is_err());
    assert!(read(Path::new("/dev/zero"), 4).is_err());
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(read(&fifo, 4).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
