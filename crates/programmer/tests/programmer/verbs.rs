//! prepare, clean, status.

use std::fs;

use fpga::ledger::{Owner, State};
use fpga::names::Use;
use fpga::records::RunResult;
use fpga_programmer::message::{Answer, Leftover, Request, Status};

use crate::node::{A10, FAR, HELLO, NEAR, NLB0, NLB3, Node, claim, prepare};

fn status(node: &Node) -> Status {
    match node.call(&Request::Status {}) {
        Answer::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_owner_gets_what_was_promised_once() {
    let node = Node::start();
    let _programmer = node.programmer();
    let devices = [(NEAR, Use::Region)];
    let first = node.prepare("one", &devices, &[NLB0]).unwrap();
    assert_eq!((first.touched, first.programmed_ms.len()), (1, 1));
    assert_eq!(node.function("dfl-port.0"), NLB0);
    // Programming would fail now.
    node.0.control().pr_error("near", 2).unwrap();
    let again = node.prepare("one", &devices, &[NLB0]).unwrap();
    assert_eq!((again.touched, again.programmed_ms.len()), (0, 0));
    let refused = node.prepare("two", &devices, &[NLB0]).unwrap_err();
    assert_eq!(refused.code, RunResult::Busy);
    assert!(refused.message.contains("held by claim one"), "{refused:?}");
    // The image stays, and is known.
    assert_eq!(node.clean(Leftover::Owner(claim("one"))).unwrap().touched, 1);
    assert_eq!(node.clean(Leftover::Owner(claim("one"))).unwrap().touched, 0);
    let next = node.prepare("two", &devices, &[NLB0]).unwrap();
    assert_eq!((next.touched, next.programmed_ms.len()), (1, 0));
}

#[test]
fn several_devices_are_for_several_uses() {
    let node = Node::start();
    let _programmer = node.programmer();
    for card in ["near", "far"] {
        node.0.control().port_error(card, 0, 1).unwrap();
    }
    let devices = [(NEAR, Use::Function), (FAR, Use::Development)];
    assert_eq!(node.prepare("one", &devices, &[]).unwrap().touched, 3);
    assert!(!node.has_errors("dfl-port.0") && !node.has_errors("dfl-port.1"));
    assert_eq!([node.function("dfl-port.0"), node.function("dfl-port.2")], [NLB3, HELLO]);
    let slots = status(&node).slots;
    assert!(slots.iter().all(|slot| slot.holder == Some(claim("one"))), "{slots:?}");
    assert_eq!(node.clean(Leftover::Owner(claim("one"))).unwrap().touched, 3);
    assert!(status(&node).slots.iter().all(|slot| slot.state == Some(State::Clean)));
}

/// A hook that was killed, or that the runtime never ran.
#[test]
fn what_a_missing_poststop_left_is_cleaned() {
    let node = Node::start();
    let _programmer = node.programmer();
    node.prepare("one", &[(NEAR, Use::Region)], &[NLB0]).unwrap();
    node.0.control().port_error("near", 0, 1).unwrap();
    assert_eq!(node.clean(Leftover::Device(NEAR.parse().unwrap())).unwrap().touched, 1);
    assert!(!node.has_errors("dfl-port.0"));
    assert_eq!(status(&node).slots[0].holder, None);
    // A device that somebody has open is not taken from under him.
    let _user = fs::File::open(node.0.path("root/dev/dfl-port.1")).unwrap();
    let refused = node.clean(Leftover::Device(FAR.parse().unwrap())).unwrap_err();
    assert_eq!(refused.code, RunResult::Busy);
    assert!(refused.message.contains("dfl-port.1"), "{refused:?}");
}

#[test]
fn what_is_not_granted_is_refused_and_nothing_is_touched() {
    let node = Node::start();
    let _programmer = node.programmer();
    node.install(HELLO);
    for (namespace, image) in [("audio", NLB0), ("vision", HELLO), ("", NLB0), ("*", NLB0)] {
        let answer = node.call(&prepare(namespace, "one", &[(NEAR, Use::Region)], &[image]));
        let Answer::Failed(failed) = answer else { panic!("{namespace:?}: {answer:?}") };
        assert_eq!(failed.code, RunResult::NotGranted, "{failed:?}");
    }
    assert_eq!(node.function("dfl-port.0"), NLB3);
    assert_eq!(status(&node).slots[0].state, None);
}

#[test]
fn what_cannot_be_done_is_said_in_a_line() {
    let node = Node::start();
    let _programmer = node.programmer();
    let region = |device| (device, Use::Region);
    for (devices, images, code, part) in [
        (&[region(NEAR)][..], &[][..], RunResult::Input, "no function for it was asked for"),
        (&[region(NEAR)], &[NLB0, NLB3], RunResult::Input, "FPGA_AFU_2 asks for"),
        (&[], &[NLB0], RunResult::Input, "no FPGA port"),
        (&[region(NEAR), (NEAR, Use::Function)], &[NLB0], RunResult::Input, "named twice"),
        (&[region(FAR), region("0000-86-00-0-slot1")], &[NLB0], RunResult::Input, "named twice"),
        (&[region("0000-3b-00-0-slot7")], &[NLB0], RunResult::Gone, "it is not there"),
        (&[region("0000-af-00-0-slot0")], &[NLB0], RunResult::Gone, "it is not there"),
    ] {
        let failed = node.prepare("one", devices, images).unwrap_err();
        assert_eq!(failed.code, code, "{failed:?}");
        assert!(failed.message.contains(part) && !failed.message.contains('\n'), "{failed:?}");
    }
    let failed = node.prepare("", &[region(NEAR)], &[NLB0]).unwrap_err();
    assert_eq!((failed.code, failed.message.as_str()), (RunResult::Input, "the owner has no id"));
    fs::remove_dir_all(node.0.path("store")).unwrap();
    let failed = node.prepare("one", &[region(NEAR)], &[NLB0]).unwrap_err();
    assert_eq!(failed.code, RunResult::Bitstream);
    assert_eq!(node.function("dfl-port.0"), NLB3);
}

#[test]
fn a_container_is_named_with_its_pod() {
    let node = Node::start();
    let _programmer = node.programmer();
    let owner = Owner { pod: Some("vision/p".to_owned()), ..Owner::container("c1", None) };
    let Request::Prepare(mut request) = prepare("vision", "x", &[(NEAR, Use::Region)], &[NLB0])
    else {
        unreachable!("it is one")
    };
    request.owner = owner.clone();
    node.call(&Request::Prepare(request));
    let known = &status(&node).slots[0];
    assert_eq!(known.holder.as_ref(), Some(&owner));
    assert!(known.image.is_some());
    let refused = node.prepare("two", &[(NEAR, Use::Region)], &[NLB3]).unwrap_err();
    assert!(refused.message.contains("container c1 of pod vision/p"), "{refused:?}");
    assert!(refused.message.contains(A10), "{refused:?}");
}
