use std::fs;

use super::*;

fn fixture() -> (tempfile::TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open(temp.path()).unwrap();
    (temp, dir)
}

#[test]
fn a_value_is_trimmed() {
    let (temp, dir) = fixture();
    fs::write(temp.path().join("id"), " 7\n").unwrap();
    assert_eq!(dir.read("id"), Ok(Some("7".to_owned())));
}

#[test]
fn what_is_not_there_has_no_value_and_is_no_error() {
    let (temp, dir) = fixture();
    assert_eq!(dir.read("id"), Ok(None));
    std::os::unix::fs::symlink("gone", temp.path().join("dangling")).unwrap();
    assert_eq!(dir.read("dangling"), Ok(None));
    assert!(dir.sub("errors").unwrap().is_none());
}

#[test]
fn a_page_is_read_and_not_a_byte_more() {
    let (temp, dir) = fixture();
    fs::write(temp.path().join("page"), "1".repeat(LIMIT)).unwrap();
    assert_eq!(dir.read("page"), Ok(Some("1".repeat(LIMIT))));
    fs::write(temp.path().join("more"), "1".repeat(LIMIT + 1)).unwrap();
    assert_eq!(dir.read("more"), Err(AttrError::TooLong));
    std::os::unix::fs::symlink("/dev/zero", temp.path().join("endless")).unwrap();
    assert_eq!(dir.read("endless"), Err(AttrError::TooLong));
}

#[test]
fn other_files_are_errors_and_none_of_them_blocks() {
    let (temp, dir) = fixture();
    fs::write(temp.path().join("bytes"), [0xff, 0xfe]).unwrap();
    assert_eq!(dir.read("bytes"), Err(AttrError::NotText));
    fs::create_dir(temp.path().join("directory")).unwrap();
    assert_eq!(dir.read("directory"), Err(AttrError::Os(Errno::EISDIR)));
    nix::unistd::mkfifo(&temp.path().join("fifo"), Mode::S_IRWXU).unwrap();
    assert_eq!(dir.read("fifo"), Ok(Some(String::new())));
}

#[test]
fn numbered_names_are_in_the_order_of_their_numbers() {
    let (temp, dir) = fixture();
    for name in ["p.10", "p.2", "p.0", "p.", "p.1x", "p.+1", "q.1", "p.99999999999"] {
        fs::write(temp.path().join(name), "").unwrap();
    }
    assert_eq!(
        dir.numbered(".", "p."),
        Ok(vec!["p.0".to_owned(), "p.2".to_owned(), "p.10".to_owned()])
    );
    assert_eq!(dir.numbered("missing", "p."), Err(Errno::ENOENT));
}

#[test]
fn registers_are_hexadecimal_or_decimal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("errors");
    assert_eq!(read_number(&path), Ok(None));
    for (text, value) in [("0x10\n", Some(16)), ("10\n", Some(10)), ("", None), ("0xg", None)] {
        fs::write(&path, text).unwrap();
        assert_eq!(read_number(&path), Ok(value), "{text:?}");
    }
}

#[test]
fn a_write_replaces_the_text_and_makes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("unbind");
    assert_eq!(write(&path, "x"), Err(Errno::ENOENT));
    fs::write(&path, "a longer text").unwrap();
    assert_eq!(write(&path, "x"), Ok(()));
    assert_eq!(read(&path), Ok(Some("x".to_owned())));
}

#[test]
fn numbers_are_decimal_or_prefixed_hexadecimal() {
    assert_eq!(number("12"), Some(12));
    assert_eq!(number("0x09c4"), Some(0x9c4));
    assert_eq!(number("0xffffffffffffffff"), Some(u64::MAX));
    for text in ["", "0x", "+1", "-1", "0x+1", "9c4", "0x1ffffffffffffffff", "1 2"] {
        assert_eq!(number(text), None, "{text:?}");
    }
}
