use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn record() -> Record {
    Record {
        stage: Stage::Create,
        result: RunResult::NotGranted,
        milliseconds: 12,
        programmed: vec![900, 1],
    }
}

#[test]
fn what_is_left_is_taken_once() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("run/kube-fpga/hook-results");
    make_directory(&directory).unwrap();
    make_directory(&directory).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
    assert!(record().leave(&directory).unwrap());
    assert_eq!(take(&directory).unwrap(), Taken { records: vec![record()], malformed: 0 });
    assert_eq!(take(&directory).unwrap(), Taken::default());
    let programmings: Vec<_> = record().programmings().collect();
    assert_eq!(programmings, [Duration::from_millis(900), Duration::from_millis(1)]);
}

#[test]
fn nothing_is_left_where_nobody_listens_or_others_write() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("results");
    assert!(!record().leave(&directory).unwrap());
    assert!(!directory.exists());

    make_directory(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!record().leave(&directory).unwrap());
    make_directory(&directory).unwrap_err();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();

    let link = temp.path().join("link");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    assert!(!record().leave(&link).unwrap());
    fs::write(temp.path().join("file"), "").unwrap();
    assert!(!record().leave(&temp.path().join("file")).unwrap());
    assert_eq!(take(&directory).unwrap(), Taken::default());
}

#[test]
fn records_that_nobody_takes_do_not_pile_up() {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..MOST {
        fs::write(temp.path().join(number.to_string()), "").unwrap();
    }
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!record().leave(temp.path()).unwrap());
    assert_eq!(take(temp.path()).unwrap().malformed, u64::try_from(MOST).unwrap());
    assert!(record().leave(temp.path()).unwrap());
}

#[test]
fn what_is_no_record_is_counted_and_removed() {
    let temp = tempfile::tempdir().unwrap();
    let file = |name: &str| temp.path().join(name);
    let good = serde_json::to_string(&record()).unwrap();
    fs::write(file("good.json"), &good).unwrap();
    for (number, text) in [
        "",
        "{}",
        "[1]",
        "\u{0}",
        &good.replace("not_granted", "granted"),
        &good.replace("12", "-1"),
        &good.replace("12", "1e99"),
        &good.replace("}", r#","more":1}"#),
        &good.replace("900", &["1"; 100].join(",")),
        &" ".repeat(5000),
    ]
    .iter()
    .enumerate()
    {
        fs::write(file(&format!("{number}.json")), text).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", file("endless.json")).unwrap();
    nix::unistd::mkfifo(&file("fifo.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(file(".being-written"), "").unwrap();
    let taken = take(temp.path()).unwrap();
    assert_eq!(taken, Taken { records: vec![record()], malformed: 12 });
    let names: Vec<_> =
        fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [".being-written"]);
}

#[test]
fn times_are_bounded() {
    let long = Record { milliseconds: u64::MAX, programmed: vec![u64::MAX], ..record() };
    assert_eq!(long.took(), LONGEST);
    assert_eq!(long.programmings().collect::<Vec<_>>(), [LONGEST]);
}

#[test]
fn words_are_those_of_the_file() {
    for result in [
        RunResult::Done,
        RunResult::Failed,
        RunResult::Gone,
        RunResult::Busy,
        RunResult::Bitstream,
        RunResult::Programming,
        RunResult::Disabled,
        RunResult::Input,
        RunResult::NotGranted,
    ] {
        assert_eq!(serde_json::to_value(result).unwrap(), result.as_str());
    }
    for stage in [Stage::Create, Stage::Clean] {
        assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
    }
}
