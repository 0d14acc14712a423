//! What a run leaves for the agent to count.

use fpga::records::{self, Record, RunResult, Stage};

use crate::container::Container;
use crate::node::{HELLO, NLB0, NLB3, Node, TWO_CARDS};

fn taken(node: &Node) -> Vec<(Stage, RunResult, usize)> {
    let taken = records::take(&node.path("results")).unwrap();
    assert_eq!(taken.malformed, 0);
    let words = |record: &Record| (record.stage, record.result, record.programmed.len());
    taken.records.iter().map(words).collect()
}

#[test]
fn each_run_that_did_or_failed_something_leaves_its_result() {
    let node = Node::start(TWO_CARDS);
    records::make_directory(&node.path("results")).unwrap();
    let container = |image| Container::new(&node).promised(1, image).with("dfl-port.0");
    node.create(&container(NLB0)).succeeded();
    assert_eq!(taken(&node), [(Stage::Create, RunResult::Done, 1)]);
    // The function is there already: reset, and nothing programmed.
    node.create(&container(NLB0)).succeeded();
    assert_eq!(taken(&node), [(Stage::Create, RunResult::Done, 0)]);
    node.poststop(&container(NLB0), &[]).succeeded();
    assert_eq!(taken(&node), [(Stage::Clean, RunResult::Done, 0)]);
    assert_ne!(node.create(&container(HELLO)).code, 0);
    assert_eq!(taken(&node), [(Stage::Create, RunResult::NotGranted, 0)]);
    node.control().pr_error("near", 2).unwrap();
    assert_ne!(node.create(&container(NLB3)).code, 0);
    assert_eq!(taken(&node), [(Stage::Create, RunResult::Disabled, 0)]);
    // A container that is none of ours leaves nothing.
    node.create(&Container::new(&node)).succeeded();
    assert_eq!(taken(&node), []);
}

#[test]
fn a_result_that_cannot_be_left_stops_no_container() {
    let node = Node::start(TWO_CARDS);
    let container = Container::new(&node).promised(1, NLB0).with("dfl-port.0");
    // Nobody listens.
    node.create(&container).succeeded();
    assert!(!node.path("results").exists());
    std::fs::write(node.path("results"), "in the way").unwrap();
    node.create(&container).succeeded();
    assert_eq!(std::fs::read_to_string(node.path("results")).unwrap(), "in the way");
}
