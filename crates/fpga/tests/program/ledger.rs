//! Whose a region is and what is in it: the same verbs by several owners.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use fpga::id::DeviceId;
use fpga::ledger::{Entry, Ledger, State};
use fpga::watch::Watcher;
use fpga_emulator::bitstream_writer as writer;
use fpga_emulator::ctl::Command;

use crate::emulator::{Emulator, NLB0, NLB3, TWO_CARDS, eventually};
use crate::helper::{INTERFACE, Purpose, Report, Request, Verb};

const PORT: &str = "dfl-port.0";
const SLOT: &str = "0000-3b-00-0-slot0";
/// A register of the loopback function that a reset clears: the destination's address.
const DESTINATION: u64 = 0x128;

struct Node {
    emulator: Emulator,
    files: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Self { emulator: Emulator::start(TWO_CARDS), files: tempfile::tempdir().unwrap() }
    }

    /// A bitstream file of the function `afu`, whose builds differ in one byte.
    fn build(&self, afu: &str, build: u8) -> PathBuf {
        let path = self.files.path().join(format!("{afu}-{build}.gbs"));
        let mut payload =
            fpga_emulator::card::pr::payload_head(INTERFACE.parse().unwrap(), afu.parse().unwrap());
        payload.extend([build; 4096]);
        fs::write(&path, writer::gbs(&writer::metadata(INTERFACE, afu), &payload)).unwrap();
        path
    }

    fn request(&self, verb: Verb, purpose: Option<Purpose>) -> Request {
        Request { purpose, clean: true, ..Request::new(verb, self.emulator.root(), PORT, NLB0) }
    }

    fn program_request(&self, purpose: Option<Purpose>, file: &Path) -> Request {
        let mut request = self.request(Verb::Program, purpose);
        request.image.file = Some(file.to_owned());
        request
    }

    fn program(&self, purpose: Option<Purpose>, file: &Path) -> Report {
        self.emulator.spawn(&self.program_request(purpose, file)).finish()
    }

    fn reset(&self, purpose: Option<Purpose>) -> Report {
        self.emulator.spawn(&self.request(Verb::Reset, purpose)).finish()
    }

    fn ledger(&self) -> Ledger {
        self.emulator.tree().ledger().clone()
    }

    fn entry(&self) -> Entry {
        self.ledger().read(SLOT.parse().unwrap()).unwrap().unwrap()
    }

    fn function(&self) -> String {
        self.emulator.function(PORT).to_string()
    }
}

/// The container of this id, whose process is this one.
fn alive(id: &str) -> Option<Purpose> {
    Some(Purpose::Owner(id.to_owned(), Some(std::process::id())))
}

fn after(id: &str) -> Option<Purpose> {
    Some(Purpose::After(id.to_owned()))
}

/// The region shows the function, but who knows from which file.
#[test]
fn what_nobody_noted_is_not_known_to_be_loaded() {
    let node = Node::new();
    let nlb3 = node.build(NLB3, 0);
    assert_eq!(node.function(), NLB3);
    assert_eq!(node.program(None, &nlb3).one("done "), format!("Programmed {NLB3}"));
    // A programming would fail now, so success says that there was none.
    node.emulator.control(&Command::PrError { card: "near".into(), bits: 2 });
    assert_eq!(node.program(None, &nlb3).one("done "), format!("AlreadyLoaded {NLB3}"));
    let again = Request { reprogram: true, ..node.program_request(None, &nlb3) };
    assert!(node.emulator.spawn(&again).finish().one("error ").starts_with("Disabled "));
}

/// What the last user left must not be blamed on the next, even when nothing is programmed.
#[test]
fn a_loaded_function_is_cleaned_for_a_new_user() {
    let node = Node::new();
    let nlb3 = node.build(NLB3, 0);
    node.program(None, &nlb3).one("done Programmed ");
    let errors = || node.emulator.attribute(PORT, "errors/errors");
    node.emulator.control(&Command::PortError { card: "near".into(), port: 0, bits: 1 << 48 });
    node.emulator.set_register(PORT, DESTINATION, 0xdead);
    let report = node.program(alive("c1"), &nlb3);
    assert_eq!(report.one("done "), format!("AlreadyLoaded {NLB3}"));
    assert_eq!(
        report.one("warning "),
        "errors of an earlier user were cleared: page fault on a request of the function"
    );
    assert_eq!(node.emulator.register(PORT, DESTINATION), 0, "the last user's registers");
    eventually("the errors are cleared", || errors() == "0x0");
}

/// All OpenCL images of a board may show one AFU id, and so does a new build of a function.
#[test]
fn another_image_of_the_same_function_is_programmed() {
    let node = Node::new();
    let (first, second) = (node.build(NLB0, 1), node.build(NLB0, 2));
    for (image, action) in [
        (&first, "Programmed"),
        (&first, "AlreadyLoaded"),
        (&second, "Programmed"),
        (&second, "AlreadyLoaded"),
        (&first, "Programmed"),
    ] {
        let report = node.program(None, image);
        assert_eq!(report.one("done "), format!("{action} {NLB0}"), "{}", image.display());
    }
    // A copy is the same image. A build that takes the place of another under its name is not.
    let copy = node.files.path().join("copy.gbs");
    fs::copy(&first, &copy).unwrap();
    node.program(None, &copy).one("done AlreadyLoaded ");
    fs::copy(&second, &first).unwrap();
    node.program(None, &first).one("done Programmed ");
}

#[test]
fn an_owners_region_is_prepared_once() {
    let node = Node::new();
    let nlb0 = node.build(NLB0, 0);
    node.program(alive("c1"), &nlb0).one("done Programmed ");
    let entry = node.entry();
    assert_eq!((entry.state, entry.owner.unwrap().id.as_str()), (State::Owned, "c1"));
    // What it did meanwhile is left alone.
    node.emulator.control(&Command::PortError { card: "near".into(), port: 0, bits: 1 });
    node.program(alive("c1"), &nlb0).one("done AlreadyPrepared ");
    assert_eq!(node.emulator.attribute(PORT, "errors/errors"), "0x1");
    // Unless it asks for another image.
    node.program(alive("c1"), &node.build(NLB3, 0)).one("done Programmed ");
    assert_eq!(node.function(), NLB3);
}

#[test]
fn nobody_gets_a_region_that_somebody_holds() {
    let node = Node::new();
    let (nlb0, nlb3) = (node.build(NLB0, 0), node.build(NLB3, 0));
    node.program(alive("c1"), &nlb0).one("done Programmed ");
    let place = format!("InUse region {INTERFACE}, card 0000:3b:00.0, port {PORT}: ");
    let held = |report: Report| {
        let error = report.one("error ").to_owned();
        assert!(error.starts_with(&place), "{error}");
        assert!(error.contains("the region is held by container c1"), "{error}");
    };
    for purpose in [alive("c2"), None] {
        held(node.program(purpose.clone(), &nlb3));
        held(node.reset(purpose));
    }
    for verb in [Verb::Release, Verb::Recover] {
        held_card(&node.emulator.spawn(&node.request(verb, None)).finish());
    }
    assert_eq!(node.function(), NLB0);
    // By force it keeps its region, with something else in it.
    node.program(Some(Purpose::Anybody), &nlb3).one("done Programmed ");
    let entry = node.entry();
    assert_eq!((entry.state, entry.owner.unwrap().id.as_str()), (State::Owned, "c1"));
    held(node.program(None, &nlb0));
}

fn held_card(report: &Report) {
    let error = report.one("error ");
    assert!(error.starts_with("InUse "), "{error}");
    assert!(error.contains("the region is held by container c1"), "{error}");
}

/// CRI-O cleans when a container is removed, hours after it ended and after others had its region.
#[test]
fn cleaning_that_comes_late_changes_nothing() {
    let node = Node::new();
    let (nlb0, nlb3) = (node.build(NLB0, 0), node.build(NLB3, 0));
    let mut process = Process::new("sleep").arg("3600").spawn().unwrap();
    let ended = Some(Purpose::Owner("c1".to_owned(), Some(process.id())));
    node.program(ended, &nlb0).one("done Programmed ");
    process.kill().unwrap();
    process.wait().unwrap();
    // The next owner does not wait for the cleaning.
    node.program(alive("c2"), &nlb3).one("done Programmed ");
    let before = node.entry();
    assert_eq!(node.reset(after("c1")).one("done "), "NotOwned");
    let blank = node.program(after("c1"), &nlb0);
    assert_eq!(blank.one("done "), format!("NotOwned {NLB3}"));
    assert_eq!((node.entry(), node.function().as_str()), (before, NLB3));
    // The owner's own end cleans, once.
    assert_eq!(node.reset(after("c2")).one("done"), " ");
    let entry = node.entry();
    assert_eq!((entry.state, &entry.owner), (State::Clean, &None));
    assert_eq!(node.reset(after("c2")).one("done "), "NotOwned");
    // What is loaded stays known.
    node.program(alive("c3"), &nlb3).one("done AlreadyLoaded ");
}

/// A container that was not let start has nothing, and its end cleans nothing.
#[test]
fn a_refused_owner_owns_nothing() {
    let node = Node::new();
    let (nlb0, nlb3) = (node.build(NLB0, 0), node.build(NLB3, 0));
    node.program(alive("c1"), &nlb0).one("done Programmed ");
    node.program(alive("c2"), &nlb3).one("error ");
    assert_eq!(node.reset(after("c2")).one("done "), "NotOwned");
    assert_eq!(node.entry().owner.unwrap().id, "c1");
    // One whose programming failed, too.
    node.reset(after("c1"));
    node.emulator.control(&Command::PrError { card: "near".into(), bits: 2 });
    node.program(alive("c2"), &nlb3).one("error ");
    let entry = node.entry();
    assert_eq!((entry.state, entry.owner), (State::Failed, None));
    assert!(entry.reason.unwrap().contains("reconfig CRC error"));
}

/// A binding that is over, or that somebody killed in the middle, leaves nothing certain.
#[test]
fn nothing_is_known_after_a_rebind_or_a_kill() {
    let node = Node::new();
    let nlb0 = node.build(NLB0, 0);
    node.program(None, &nlb0).one("done Programmed ");
    node.emulator.spawn(&node.request(Verb::Recover, None)).finish().one("done ");
    assert_eq!(node.function(), NLB0);
    node.program(None, &nlb0).one("done Programmed ");

    node.emulator.control(&Command::PrTime { card: "near".into(), ms: 300 });
    let again = Request { reprogram: true, ..node.program_request(None, &nlb0) };
    let mut victim = node.emulator.spawn(&again);
    while victim.line().is_some_and(|line| !line.ends_with(" programming")) {}
    victim.kill();
    node.emulator.control(&Command::PrTime { card: "near".into(), ms: 0 });
    assert_eq!(node.entry().state, State::Programming);
    node.program(None, &nlb0).one("done Programmed ");
}

#[test]
fn an_entry_that_cannot_be_read_is_as_none() {
    let node = Node::new();
    let nlb0 = node.build(NLB0, 0);
    node.program(alive("c1"), &nlb0).one("done Programmed ");
    let path = node.ledger().directory().join(format!("{SLOT}.json"));
    fs::write(&path, "{").unwrap();
    let report = node.program(alive("c2"), &nlb0);
    report.one("done Programmed ");
    let is_said = |warning: &&str| warning.contains("cannot read the ledger's entry");
    assert_eq!(report.all("warning ").iter().filter(|w| is_said(w)).count(), 1, "{report:?}");
    assert_eq!(node.entry().owner.unwrap().id, "c2");
}

/// What cannot be noted is not begun.
#[test]
fn a_ledger_that_cannot_be_written_refuses_before_anything_is_touched() {
    let node = Node::new();
    let directory = node.ledger().directory().to_owned();
    fs::create_dir_all(directory.parent().unwrap()).unwrap();
    fs::write(&directory, "").unwrap();
    let report = node.program(alive("c1"), &node.build(NLB0, 0));
    assert!(report.one("error ").contains("cannot write the ledger's entry"), "{report:?}");
    assert_eq!(node.function(), NLB3);
}

/// The region shows the same function afterwards, so that only whoever watches the card's node can know.
#[test]
fn what_another_tool_loaded_is_not_taken_for_what_we_loaded() {
    let node = Node::new();
    let nlb0 = node.build(NLB0, 0);
    node.ledger().make().unwrap();
    let mut watcher = Watcher::new(&node.emulator.tree()).unwrap();
    watcher.take_closed();
    let mut others = || {
        while watcher.wait(Some(Duration::from_millis(50))).unwrap() {}
        watcher.take_closed().len()
    };
    node.program(None, &nlb0).one("done Programmed ");
    assert_eq!(others(), 0, "our own");
    // Neither is one that fails, and a reset opens no management node.
    node.emulator.control(&Command::PrError { card: "near".into(), bits: 2 });
    node.program(None, &node.build(NLB3, 0)).one("error ");
    assert_eq!(others(), 0, "our own");
    node.emulator.control(&Command::PrError { card: "near".into(), bits: 0 });
    node.emulator.spawn(&node.request(Verb::Recover, None)).finish().one("done ");
    others();
    node.program(alive("c1"), &nlb0).one("done Programmed ");
    node.reset(after("c1")).one("done");
    assert_eq!(others(), 0, "our own");

    let foreign = Request {
        device: "dfl-fme.0".into(),
        ..Request::new(Verb::Foreign, node.emulator.root(), "", NLB0)
    };
    node.emulator.spawn(&foreign).finish().one("done");
    assert_eq!(others(), 1);
    node.program(None, &nlb0).one("done AlreadyLoaded ");
    // The watcher was late, and another entry was written in the meantime.
    node.program(alive("c2"), &nlb0).one("done AlreadyLoaded ");
    let slot: DeviceId = SLOT.parse().unwrap();
    node.ledger().doubt(slot.card).unwrap();
    assert_eq!(node.entry().owner.unwrap().id, "c2");
    node.reset(after("c2")).one("done");
    node.program(alive("c3"), &nlb0).one("done Programmed ");
    node.reset(after("c3")).one("done");
    node.program(None, &nlb0).one("done AlreadyLoaded ");
}
