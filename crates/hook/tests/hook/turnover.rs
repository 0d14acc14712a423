//! Containers that come and go, by many processes, with kills at any moment.
//!
//! `FPGA_PROGRAMMINGS` says until how many programmings.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fpga::id::DeviceId;
use fpga::ledger::{Digest, Entry, State};
use fpga::root::Root;

use crate::container::Container;
use crate::node::{HELLO, NLB0, NLB3, Node};

/// Processes at a time.
const CROWD: usize = 16;

/// Cards by the bus that they are on, with two ports each.
const CARDS: [&str; 4] = ["3b", "5e", "86", "af"];
const PORTS: usize = 2 * CARDS.len();
const IMAGES: [&str; 3] = [NLB0, NLB3, HELLO];

#[test]
fn containers_come_and_go_and_are_killed() {
    turn_over(count().unwrap_or(300));
}

#[test]
#[ignore = "takes long: for changes of the procedure or the ledger"]
fn ten_thousand_programmings_by_sixteen_processes() {
    turn_over(count().unwrap_or(10_000));
}

fn count() -> Option<usize> {
    Some(std::env::var("FPGA_PROGRAMMINGS").ok()?.parse().expect("a number"))
}

fn name(port: usize) -> String {
    format!("dfl-port.{port}")
}

/// What happened, counted.
#[derive(Default, Debug)]
struct Counts {
    programmed: AtomicUsize,
    prepared: AtomicUsize,
    killed: AtomicUsize,
    /// Somebody else had the region for longer than it is waited for.
    refused: AtomicUsize,
}

/// A number that differs from call to call, by the bits of a hash (splitmix64, Steele, Lea and Flood 2014).
fn random(below: u64) -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut mixed = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) % below
}

fn turn_over(count: usize) {
    let machine = CARDS.map(|bus| {
        let port = "[[card.port]]\nafu = \"hello\"\n";
        format!("[[card]]\nname = \"{bus}\"\nkind = \"pac-a10\"\npci = \"0000:{bus}:00.0\"\n{port}{port}")
    });
    let node = Node::start(&machine.concat());
    node.install(HELLO);
    node.grant("vision", &IMAGES);
    for card in CARDS {
        node.control().pr_time(card, Duration::from_millis(3)).unwrap();
    }
    let counts = Counts::default();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..CROWD {
            let (node, counts) = (&node, &counts);
            scope.spawn(move || {
                while counts.programmed.load(Relaxed) < count {
                    live(node, worker, counts);
                }
            });
        }
    });
    println!("{counts:?} in {:.0} s", started.elapsed().as_secs_f64());
    assert!(counts.killed.load(Relaxed) > count / 20, "{counts:?}");
    for port in 0..PORTS {
        // Nobody has it, its lock is free, and it is not disabled.
        let container = Container::new(&node).promised(1, IMAGES[0]).with(&name(port)).running();
        node.create(&container).succeeded();
        check(&node, port, IMAGES[0], &container);
        node.poststop(&container, &[]).succeeded();
        let entry = entry(&node, port);
        assert_eq!((entry.state, &entry.owner), (State::Clean, &None));
        check_image(&node, port, IMAGES[0], &entry);
    }
}

/// A container's life. Its first process runs until it was cleaned up after: nobody else gets its region.
fn live(node: &Node, worker: usize, counts: &Counts) {
    let port = usize::try_from(random(8)).unwrap();
    let image = IMAGES[usize::try_from(random(3)).unwrap()];
    let container = Container::new(node).named(&format!("bundle{worker}"));
    let container = container.promised(1, image).with(&name(port)).running();
    match run(node, &container, &[], random(4) == 0) {
        None => {
            counts.killed.fetch_add(1, Relaxed);
        }
        Some((0, lines)) => {
            counts.prepared.fetch_add(1, Relaxed);
            counts.programmed.fetch_add(lines.matches(": programmed function").count(), Relaxed);
            check(node, port, image, &container);
        }
        Some((5, _)) => {
            counts.refused.fetch_add(1, Relaxed);
        }
        Some(end) => panic!("{end:?}"),
    }
    // The runtime cleans up in each case. If that is killed, whoever removes the container does it again.
    let poststop = ["--stage", "poststop"];
    match run(node, &container, &poststop, random(8) == 0) {
        None => {
            counts.killed.fetch_add(1, Relaxed);
            let again = run(node, &container, &poststop, false).unwrap();
            assert_eq!(again.0, 0, "{again:?}");
        }
        Some(end) => assert_eq!(end.0, 0, "{end:?}"),
    }
}

/// Runs the hook; `None` when it was killed, else its code and what it said.
fn run(
    node: &Node,
    container: &Container<'_>,
    stage: &[&str],
    kills: bool,
) -> Option<(i32, String)> {
    let state = node.path(&format!("state{}", container.state["id"].as_str().unwrap()));
    fs::write(&state, container.write()).unwrap();
    let said = state.with_extension("err");
    let mut command: Command = node.exec();
    command.args(node.hook_arguments()).args(["--verbose", "--timeout", "60s"]).args(stage);
    command.env_remove("FPGA_ROOT");
    let input = File::open(&state).unwrap();
    let mut hook: Child = command
        .stdin(input)
        .stderr(File::create(&said).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    if kills {
        std::thread::sleep(Duration::from_micros(random(60_000)));
        hook.kill().unwrap();
    }
    let code = hook.wait().unwrap().code();
    let lines = fs::read_to_string(&said).unwrap();
    fs::remove_file(state).unwrap();
    fs::remove_file(said).unwrap();
    Some((code?, lines))
}

fn entry(node: &Node, port: usize) -> Entry {
    let slot = format!("0000-{}-00-0-slot{}", CARDS[port / 2], port % 2);
    let slot: DeviceId = slot.parse().unwrap();
    Root::at(node.path("root")).ledger().read(slot).unwrap().unwrap()
}

/// The container has what it was promised, and the ledger says so.
#[track_caller]
fn check(node: &Node, port: usize, image: &str, container: &Container<'_>) {
    let entry = entry(node, port);
    assert_eq!(entry.state, State::Owned, "{entry:?}");
    assert_eq!(entry.owner.as_ref().unwrap().id, container.state["id"], "{entry:?}");
    check_image(node, port, image, &entry);
}

#[track_caller]
fn check_image(node: &Node, port: usize, image: &str, entry: &Entry) {
    assert_eq!(node.function(&name(port)), image);
    let digest = Digest::of(&File::open(node.image(image)).unwrap()).unwrap();
    assert_eq!(entry.image.as_ref().map(|image| image.digest), Some(digest), "{entry:?}");
}
