use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;
use crate::card::Function;
use crate::id::{AfuId, InterfaceId};

fn slot() -> DeviceId {
    "0000-3b-00-0-slot0".parse().unwrap()
}

struct Card {
    dir: tempfile::TempDir,
    lock: CardLock,
}

impl Card {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node");
        fs::write(&node, "").unwrap();
        let lock = CardLock::acquire(&node, Duration::ZERO, &mut |_| {}).unwrap();
        Self { dir, lock }
    }

    fn ledger(&self) -> Ledger {
        Ledger::at(self.dir.path().join("run/ledger"))
    }

    fn binding(&self) -> Binding {
        Binding::of(&[self.dir.path()])
    }
}

fn image(dir: &Path) -> Image {
    let path = dir.join("image");
    fs::write(&path, "image").unwrap();
    let file = fs::File::open(&path).unwrap();
    Image {
        interface_id: InterfaceId::new(1),
        afu_id: AfuId::new(2),
        digest: Digest::of(&file).unwrap(),
        file: Some(FileIdentity::of(&file.metadata().unwrap())),
        loaded: Moment::now(),
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let card = Card::new();
    let ledger = card.ledger();
    assert_eq!(ledger.read(slot()).unwrap(), None);
    assert!(ledger.entries().unwrap().is_empty());
    let owner = Owner::container("c1", Some(std::process::id()));
    let entry = Entry::new(State::Owned, Some(image(card.dir.path())), Some(owner), card.binding());
    ledger.write(&card.lock, slot(), &entry).unwrap();
    assert_eq!(ledger.read(slot()).unwrap(), Some(entry.clone()));
    let mode = fs::metadata(ledger.path(slot())).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);

    // What is not an entry has its own error, and other files are nobody's.
    fs::write(ledger.directory().join("0000-3b-00-0-slot1.json"), "{").unwrap();
    for name in ["notes.txt", "UPPER.json", "-.json", ".json"] {
        fs::write(ledger.directory().join(name), "").unwrap();
    }
    let all = ledger.entries().unwrap();
    let slots: Vec<_> = all.iter().map(|(slot, read)| format!("{slot} {}", read.is_ok())).collect();
    assert_eq!(slots, ["0000-3b-00-0-slot0 true", "0000-3b-00-0-slot1 false"]);
    assert_eq!(all[0].1.as_ref().unwrap(), &entry);
}

#[test]
fn what_is_not_an_entry_is_an_error_of_one_line() {
    let card = Card::new();
    let ledger = card.ledger();
    let entry = Entry::new(State::Clean, None, None, card.binding());
    ledger.write(&card.lock, slot(), &entry).unwrap();
    let good = fs::read_to_string(ledger.path(slot())).unwrap();
    let rejects = |text: &str, reason: &str| {
        fs::write(ledger.path(slot()), text).unwrap();
        let error = ledger.read(slot()).unwrap_err().to_string();
        assert!(error.contains("0000-3b-00-0-slot0.json") && error.contains(reason), "{error}");
        assert!(!error.contains('\n'), "{error}");
    };
    rejects("", "EOF");
    rejects("[]", "cannot read");
    rejects(&good.replace("\"version\":1", "\"version\":2"), "version 2 is not known");
    rejects(&good.replace("clean", "dirty"), "unknown variant");
    rejects(&" ".repeat(1 << 20), "longer than");
    fs::remove_file(ledger.path(slot())).unwrap();
    fs::create_dir(ledger.path(slot())).unwrap();
    assert!(ledger.read(slot()).is_err());
    assert!(ledger.write(&card.lock, slot(), &entry).is_err());
}

#[test]
fn an_image_is_known_only_while_everything_holds() {
    let card = Card::new();
    let known = image(card.dir.path());
    let shown = Function::Loaded { afu_id: known.afu_id };
    let binding = card.binding();
    let entry = |state| Entry::new(state, Some(known.clone()), None, binding.clone());
    for state in [State::Clean, State::Owned, State::Released] {
        assert_eq!(entry(state).image(&binding, &shown), Some(&known));
    }
    for state in [State::Programming, State::Failed] {
        assert_eq!(entry(state).image(&binding, &shown), None);
    }
    let clean = entry(State::Clean);
    let elsewhere = Binding::of(&[Path::new("/")]);
    assert_eq!(clean.image(&elsewhere, &shown), None);
    for other in [Function::Busy, Function::Crashed, Function::Loaded { afu_id: AfuId::new(3) }] {
        assert_eq!(clean.image(&binding, &other), None);
    }
}

#[test]
fn an_owner_holds_its_region_until_it_has_ended() {
    let card = Card::new();
    let entry = |owner| Entry::new(State::Owned, None, Some(owner), card.binding());
    let alive = entry(Owner::container("c1", Some(std::process::id())));
    assert_eq!(alive.holder().unwrap().id, "c1");
    let unknown = entry(Owner::container("c2", None));
    assert_eq!(unknown.holder().unwrap().id, "c2");
    let mut ended = alive.clone();
    ended.owner.as_mut().unwrap().process.as_mut().unwrap().start += 1;
    assert_eq!(ended.holder(), None);
    let text = serde_json::to_string(&alive).unwrap();
    let boot = card.binding().to_string().split('.').next().unwrap().to_owned();
    let before: Entry = serde_json::from_str(&text.replace(&boot, "another-boot")).unwrap();
    assert_eq!(before.holder(), None);
}

/// Other slots of the card are doubted, too, and no other card's.
#[test]
fn what_was_loaded_before_a_doubt_is_not_known() {
    let card = Card::new();
    let ledger = card.ledger();
    let slots = ["0000-3b-00-0-slot0", "0000-3b-00-0-slot1", "0000-86-00-0-slot0"];
    let slots = slots.map(|slot| slot.parse::<DeviceId>().unwrap());
    let owner = Owner::container("c1", Some(std::process::id()));
    let entry = |image| Entry::new(State::Owned, Some(image), Some(owner.clone()), card.binding());
    let before = entry(image(card.dir.path()));
    let known = || slots.map(|slot| ledger.read(slot).unwrap().unwrap().image.is_some());
    slots.iter().for_each(|slot| ledger.write(&card.lock, *slot, &before).unwrap());
    assert_eq!(known(), [true; 3]);

    ledger.doubt(slots[0].card).unwrap();
    assert_eq!(known(), [false, false, true]);
    let doubted = ledger.read(slots[0]).unwrap().unwrap();
    let mut expected = before.clone();
    expected.image = None;
    assert_eq!(doubted, expected, "whose it is stays known");
    assert_eq!(ledger.entries().unwrap().len(), 3);
    // An entry that is written later says nothing new of an image that was loaded before.
    ledger.write(&card.lock, slots[0], &before).unwrap();
    assert_eq!(known(), [false, false, true]);
    ledger.write(&card.lock, slots[0], &entry(image(card.dir.path()))).unwrap();
    assert_eq!(known(), [true, false, true]);

    // A doubt that cannot be read may be any; one of another boot is over.
    let path = ledger.directory().join("0000-3b-00-0.doubt");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, "{").unwrap();
    assert_eq!(known(), [false, false, true]);
    let boot = card.binding().to_string().split('.').next().unwrap().to_owned();
    fs::write(&path, text.replace(&boot, "another-boot")).unwrap();
    assert_eq!(known(), [true; 3]);
}

#[test]
fn an_entry_of_a_former_version_of_the_program_is_doubted_first() {
    let card = Card::new();
    let ledger = card.ledger();
    let entry = Entry::new(State::Clean, Some(image(card.dir.path())), None, card.binding());
    let mut text = serde_json::to_value(&entry).unwrap();
    text["image"].as_object_mut().unwrap().remove("loaded");
    ledger.make().unwrap();
    fs::write(ledger.path(slot()), text.to_string()).unwrap();
    assert!(ledger.read(slot()).unwrap().unwrap().image.is_some());
    ledger.doubt(slot().card).unwrap();
    assert!(ledger.read(slot()).unwrap().unwrap().image.is_none());
}
