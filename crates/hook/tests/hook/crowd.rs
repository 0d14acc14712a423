//! Many hooks at once.

use std::fs;
use std::time::Duration;

use crate::container::Container;
use crate::node::{NLB0, NLB3, Node};

/// Two cards with two ports each.
const FOUR_REGIONS: &str = r#"
[[card]]
name = "near"
kind = "pac-a10"
pci = "0000:3b:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "hello"

[[card]]
name = "far"
kind = "pac-a10"
pci = "0000:86:00.0"
[[card.port]]
afu = "hello"
[[card.port]]
afu = "nlb3"
"#;

const PORTS: [&str; 4] = ["dfl-port.0", "dfl-port.1", "dfl-port.2", "dfl-port.3"];

/// What one of many did.
struct End {
    code: i32,
    lines: Vec<String>,
}

/// Runs a hook for each container, all at the same time; `kill` gives a time in seconds after which a
/// hook is killed.
fn together(
    node: &Node,
    containers: &[Container<'_>],
    kill: impl Fn(usize) -> Option<f64>,
) -> Vec<End> {
    let hook = node.hook_arguments().join(" ") + " --verbose --timeout 60s";
    let mut script = String::new();
    for (index, container) in containers.iter().enumerate() {
        let container = container.clone().named(&format!("bundle{index}"));
        fs::write(node.path(&format!("state{index}")), container.write()).unwrap();
        let killer = kill(index).map(|time| format!("timeout -s KILL {time} ")).unwrap_or_default();
        let dir = node.path("");
        let dir = dir.display();
        script += &format!(
            "({killer}{hook} <{dir}/state{index} 2>{dir}/err{index}; echo $? >{dir}/code{index}) &\n"
        );
    }
    script += "wait\n";
    let status = node.exec().args(["sh", "-c", &script]).env_remove("FPGA_ROOT").status().unwrap();
    assert!(status.success());
    let read = |name: String| fs::read_to_string(node.path(&name)).unwrap();
    let end = |index| End {
        code: read(format!("code{index}")).trim().parse().unwrap(),
        lines: read(format!("err{index}")).lines().map(str::to_owned).collect(),
    };
    (0..containers.len()).map(end).collect()
}

/// Every function in a region was somebody's wish, and no region is disabled.
#[track_caller]
fn all_is_well(node: &Node) {
    for port in PORTS {
        assert!([NLB0, NLB3].contains(&node.function(port).as_str()), "{port}");
    }
    let status = node.control().status().unwrap();
    assert!(status.cards.iter().flat_map(|card| &card.ports).all(|port| !port.disabled));
}

#[test]
fn a_hundred_hooks_on_four_regions_that_agree() {
    let node = Node::start(FOUR_REGIONS);
    let wish = |port: usize| [NLB0, NLB3][port % 2];
    let containers: Vec<_> = (0..100)
        .map(|index| Container::new(&node).promised(1, wish(index % 4)).with(PORTS[index % 4]))
        .collect();
    for end in together(&node, &containers, |_| None) {
        assert_eq!((end.code, end.lines.len()), (0, 1), "{:?}", end.lines);
    }
    for (index, port) in PORTS.into_iter().enumerate() {
        assert_eq!(node.function(port), wish(index));
    }
}

/// No kubelet gives a region to two containers at once. If one did, each hook would leave the function
/// that it was asked for or refuse its container.
#[test]
fn a_hundred_hooks_on_four_regions_that_disagree() {
    let node = Node::start(FOUR_REGIONS);
    let containers: Vec<_> = (0..100)
        .map(|index| {
            let wish = [NLB0, NLB3][index / 4 % 2];
            let container = Container::new(&node).promised(1, wish).with(PORTS[index % 4]);
            // Every third has two regions, of different cards.
            match index % 3 {
                0 => container.promised(2, wish).with(PORTS[(index + 2) % 4]),
                _ => container,
            }
        })
        .collect();
    let ends = together(&node, &containers, |_| None);
    for (index, end) in ends.iter().enumerate() {
        let count = if index % 3 == 0 { 2 } else { 1 };
        let last = end.lines.last().unwrap();
        match end.code {
            0 => assert_eq!(end.lines.len(), count, "{:?}", end.lines),
            7 => {
                assert!(
                    last.contains("no longer shows the function that it showed a moment ago"),
                    "{last}"
                )
            }
            _ => panic!("{:?}", end.lines),
        }
    }
    assert!(ends.iter().filter(|end| end.code == 0).count() >= PORTS.len());
    all_is_well(&node);
}

/// A third of them are killed at any moment: waiting for a card, programming it, before or after.
#[test]
fn hooks_that_are_killed_do_not_stop_the_others() {
    let node = Node::start(FOUR_REGIONS);
    for card in ["near", "far"] {
        node.control().pr_time(card, Duration::from_millis(20)).unwrap();
    }
    let containers: Vec<_> = (0..60)
        .map(|index| {
            let wish = [NLB0, NLB3][index / 4 % 2];
            Container::new(&node).promised(1, wish).with(PORTS[index % 4])
        })
        .collect();
    let is_victim = |index: usize| index % 3 == 1;
    // Times that spread over the whole run and fall on other steps from run to run.
    let kill = |index: usize| {
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() % 1000;
        is_victim(index).then(|| 0.02 * index as f64 + f64::from(nanos) * 1e-5)
    };
    let ends = together(&node, &containers, kill);
    let survivors = ends.iter().enumerate().filter(|(index, _)| !is_victim(*index));
    for (_, end) in survivors {
        let last = end.lines.last().unwrap();
        assert!(
            end.code == 0 || end.code == 7 && last.contains("that it showed a moment ago"),
            "{:?}",
            end.lines
        );
    }
    assert!(ends.iter().any(|end| end.code == 137), "somebody was killed");
    all_is_well(&node);
}
