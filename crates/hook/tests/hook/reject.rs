//! Containers that must not start, and why.

use std::fs::{self, File};

use fpga_emulator::ctl::{Command, Fault};
use fpga_emulator::gbs::Bitstream;
use serde_json::json;

use crate::container::{Container, Runtime};
use crate::node::{A10, HELLO, NLB0, NLB3, Node, TWO_CARDS, bitstream, gbs};

/// Nothing was programmed.
#[track_caller]
fn untouched(node: &Node) {
    for (port, function) in [("dfl-port.0", NLB3), ("dfl-port.1", HELLO), ("dfl-port.2", HELLO)] {
        assert_eq!(node.function(port), function, "{port}");
    }
}

fn simple(node: &Node) -> Container<'_> {
    Container::new(node).promised(1, NLB0).with("dfl-port.0")
}

/// Where and what, as every failure at a port says it.
fn place() -> String {
    format!("FPGA_AFU_1 (1 of 1): region {A10}, card 0000:3b:00.0, port dfl-port.0: ")
}

/// A file with another function in it than its name says: Intel's hook programmed it and was content.
#[test]
fn rejects_a_misnamed_bitstream() {
    let node = Node::start(TWO_CARDS);
    node.put(&node.image(NLB0), &gbs(HELLO));
    let file = node.image(NLB0);
    node.create(&simple(&node)).failed(6, &["FPGA_AFU_1: ", file.to_str().unwrap(), "is misnamed"]);
    untouched(&node);
}

/// Upstream: TestProcess/Non-existing_bitstream.
#[test]
fn rejects_a_bitstream_that_is_not_there() {
    let node = Node::start(TWO_CARDS);
    fs::remove_file(node.image(NLB0)).unwrap();
    let file = node.image(NLB0);
    node.create(&simple(&node))
        .failed(6, &["FPGA_AFU_1: ", file.to_str().unwrap(), "does not exist"]);
    // Nor is it taken for loaded because the region shows its function.
    fs::remove_file(node.image(NLB3)).unwrap();
    let loaded = Container::new(&node).promised(1, NLB3).with("dfl-port.0");
    node.create(&loaded).failed(6, &["FPGA_AFU_1: ", "does not exist"]);
    untouched(&node);
}

/// Intel's hook ended in a panic at the first two.
#[test]
fn rejects_a_bitstream_that_is_broken() {
    let node = Node::start(TWO_CARDS);
    let whole = gbs(NLB0);
    let huge = [&whole[..16], &u32::MAX.to_le_bytes()[..], &whole[20..]].concat();
    for contents in [&[][..], &whole[..200], &whole[..19], &huge, b"no bitstream"] {
        node.put(&node.image(NLB0), contents);
        node.create(&simple(&node)).failed(6, &["FPGA_AFU_1: ", NLB0]);
    }
    fs::remove_file(node.image(NLB0)).unwrap();
    node.put(&node.path("elsewhere.gbs"), &whole);
    std::os::unix::fs::symlink(node.path("elsewhere.gbs"), node.image(NLB0)).unwrap();
    node.create(&simple(&node)).failed(6, &["symbolic link"]);
    untouched(&node);
}

/// Upstream: TestProcess/Programming_fails.
#[test]
fn rejects_when_the_card_refuses() {
    let node = Node::start(TWO_CARDS);
    node.control().pr_error("near", 2).unwrap();
    let file = node.image(NLB0);
    node.create(&simple(&node)).failed(
        8,
        &[
            &place(),
            "reconfig CRC error",
            &format!("wanted function {NLB0}"),
            file.to_str().unwrap(),
        ],
    );
    // And the next one is told what to do.
    node.control().pr_error("near", 0).unwrap();
    node.create(&simple(&node)).failed(8, &["run `fpgactl recover`"]);
}

/// Upstream: TestProcess/Device_is_not_reprogrammed.
#[test]
fn rejects_when_another_function_comes_up() {
    let node = Node::start(TWO_CARDS);
    // A bitstream whose description claims another function than its image holds.
    let mut file = gbs(NLB0);
    let (claimed, held) = (bitstream(NLB0).payload(), bitstream(HELLO).payload());
    let start = file.len() - claimed.len();
    file[start..].copy_from_slice(&held);
    node.put(&node.image(NLB0), &file);
    node.create(&simple(&node)).failed(
        7,
        &[&place(), "another function", &format!("wanted function {NLB0}, found {HELLO}")],
    );
}

/// A function that runs with another clock than it was built for is not the function that was promised.
#[test]
fn rejects_when_the_clock_cannot_be_had() {
    let asking = Bitstream { clocks: Some((300, 150)), ..bitstream(NLB0) }.to_bytes().unwrap();
    let node = Node::start(
        &TWO_CARDS
            .replace("kind = \"pac-a10\"", &format!("kind = \"n6001\"\ninterface_id = \"{A10}\"")),
    );
    node.put(&node.image(NLB0), &asking);
    let file = node.image(NLB0);
    let clock =
        "the image asks for a user clock of 300 MHz and 150 MHz, which this port cannot have: ";
    node.create(&simple(&node)).failed(6, &[&place(), clock, file.to_str().unwrap()]);
    untouched(&node);

    let node = Node::start(TWO_CARDS);
    node.put(&node.image(NLB0), &asking);
    let fault = Fault::Clock;
    node.control().run(&Command::FunctionFault { card: "near".into(), port: 0, fault }).unwrap();
    let clock = "the user clock of 300 MHz and 150 MHz that the image asks for could not be set: the clock \
                 generator does not lock";
    node.create(&simple(&node)).failed(7, &[&place(), clock]);
    untouched(&node);
}

/// The runtime ends the container; that its first region is right does not help it.
#[test]
fn rejects_when_the_second_of_two_fails() {
    let node = Node::start(TWO_CARDS);
    node.control().pr_error("far", 2).unwrap();
    let container = Container::new(&node)
        .promised(1, NLB3)
        .promised(2, NLB0)
        .with("dfl-port.0")
        .with("dfl-port.1");
    let outcome = node.hook(&container, &[]);
    outcome.failed(8, &["FPGA_AFU_2 (2 of 2): region", "card 0000:86:00.0, port dfl-port.1"]);
}

#[test]
fn rejects_what_is_not_granted() {
    let node = Node::start(TWO_CARDS);
    for runtime in Runtime::ALL {
        let other = Container::of(&node, runtime, "audio").promised(1, NLB0).with("dfl-port.0");
        node.create(&other).failed(11, &[NLB0, A10, "is not granted to namespace audio"]);
    }
    // Before anything is touched, whichever it is.
    let container = Container::new(&node)
        .promised(1, NLB0)
        .promised(2, HELLO)
        .with("dfl-port.0")
        .with("dfl-port.1");
    node.create(&container).failed(11, &["FPGA_AFU_2: function", HELLO, "namespace vision"]);
    // What is loaded already must be granted too.
    let loaded = Container::new(&node).promised(1, HELLO).with("dfl-port.1");
    node.create(&loaded).failed(11, &[HELLO]);
    untouched(&node);
}

#[test]
fn rejects_an_unknown_or_doubtful_namespace() {
    let node = Node::start(TWO_CARDS);
    let mut unknown = simple(&node);
    unknown.state["annotations"] = json!({});
    unknown.config["annotations"] = json!({});
    node.create(&unknown).failed(11, &["namespace is unknown"]);

    let mut forged =
        Container::of(&node, Runtime::Crio, "audio").promised(1, NLB0).with("dfl-port.0");
    forged.state["annotations"]["io.kubernetes.cri.sandbox-namespace"] = json!("vision");
    node.create(&forged).failed(11, &["disagree"]);
    untouched(&node);
}

#[test]
fn rejects_grants_that_cannot_be_trusted() {
    let node = Node::start(TWO_CARDS);
    let good = fs::read_to_string(node.path("grants.json")).unwrap();
    node.write_grants(&good, 0o666);
    node.create(&simple(&node)).failed(11, &["grants.json", "may write"]);
    node.write_grants("{", 0o644);
    node.create(&simple(&node)).failed(11, &["grants.json", "EOF"]);
    fs::remove_file(node.path("grants.json")).unwrap();
    node.create(&simple(&node)).failed(11, &["grants.json", "No such file"]);
    untouched(&node);
}

/// Upstream: TestGetFPGAParams/no_FPGA_devices_in_config, TestProcess/Failing_to_get_FPGA_params.
#[test]
fn rejects_variables_and_devices_that_disagree() {
    let node = Node::start(TWO_CARDS);
    let new = || Container::new(&node);
    let no_device = new().promised(1, NLB0);
    node.create(&no_device).failed(10, &["FPGA_AFU_1 asks for function", "it has no FPGA port"]);
    let too_few = new().promised(1, NLB0).promised(2, NLB0).with("dfl-port.0");
    node.create(&too_few).failed(10, &["FPGA_AFU_2 asks for", "it has dfl-port.0 of region"]);
    let other = "11111111111111111111111111111111";
    let wrong = new()
        .env(&format!("FPGA_REGION_1={other}"))
        .env(&format!("FPGA_AFU_1={NLB0}"))
        .with("dfl-port.0");
    node.create(&wrong).failed(11, &[other]);
    node.create_any(&wrong).failed(10, &[other, "it has dfl-port.0 of region"]);
    let both = node.hook(&wrong, &["--allow-any"]);
    assert_eq!(both.code, 2, "either grants or none: {both:?}");
    untouched(&node);
}

/// Its region would hold what the last container left there.
#[test]
fn rejects_a_port_without_a_function() {
    let node = Node::start(TWO_CARDS);
    let silent = Container::new(&node).with("dfl-port.0");
    let hint = "set FPGA_REGION_<n> and FPGA_AFU_<n>";
    node.create(&silent).failed(10, &["card 0000:3b:00.0, port dfl-port.0: ", hint]);
    // Nothing was asked for, so nothing need be granted.
    fs::remove_file(node.path("grants.json")).unwrap();
    node.create(&silent).failed(10, &[hint]);
    node.grant("vision", &[NLB3]);
    let too_many = Container::new(&node).promised(1, NLB3).with("dfl-port.0").with("dfl-port.2");
    node.create(&too_many).failed(10, &["port dfl-port.2: ", hint]);
    untouched(&node);
}

/// Upstream: TestGetFPGAParams/no_region_in_config, no_AFU_in_config, region_and_AFU_don't_match.
#[test]
fn rejects_variables_that_make_no_sense() {
    let node = Node::start(TWO_CARDS);
    let container = |env: &[&str]| {
        env.iter().fold(Container::new(&node).with("dfl-port.0"), |c, entry| c.env(entry))
    };
    let region = format!("FPGA_REGION_1={A10}");
    let afu = format!("FPGA_AFU_1={NLB0}");
    for (env, message) in [
        (&[region.as_str()][..], "FPGA_REGION_1 is set but FPGA_AFU_1 is not"),
        (&[afu.as_str()], "FPGA_AFU_1 is set but FPGA_REGION_1 is not"),
        (&[&region, "FPGA_AFU_1"], "FPGA_AFU_1 has no value"),
        (
            &[&region, "FPGA_AFU_1=../../../etc/shadow"],
            "FPGA_AFU_1: \"../../../etc/shadow\" is not",
        ),
        (&["FPGA_REGION_1=../..", &afu], "FPGA_REGION_1: \"../..\" is not"),
        (&[&region, "FPGA_AFU_1=\u{1b}[2J\n"], "FPGA_AFU_1: \"\\u{1b}[2j\" is not"),
        (&[&region, &afu, &format!("FPGA_AFU_1={NLB3}")], "FPGA_AFU_1 is set twice"),
    ] {
        node.create(&container(env)).failed(10, &[message]);
    }
    untouched(&node);
}

/// Upstream: TestGetStdin, TestGetConfig, TestProcess/Broken_stdin, TestProcess/Broken_config.
#[test]
fn rejects_what_is_no_state_and_no_bundle() {
    let node = Node::start(TWO_CARDS);
    for state in ["", "{", "7", "{}", &"[".repeat(100_000)] {
        node.hook_with_state(state.as_bytes(), &[]).failed(10, &["standard input: "]);
    }
    let container = simple(&node);
    node.hook_with_state(&container.state(), &[])
        .failed(10, &["container 000000000000: ", "bundle/config.json: No such file"]);
    container.write();
    fs::write(node.path("bundle/config.json"), "{\"process\":").unwrap();
    node.hook_with_state(&container.state(), &[]).failed(10, &["not an OCI configuration: EOF"]);
    untouched(&node);
}

#[test]
fn rejects_when_the_card_stays_locked() {
    let node = Node::start(TWO_CARDS);
    let lock = File::open(node.path("root/dev/dfl-fme.0")).unwrap();
    lock.lock().unwrap();
    let holder = format!("locked by process {}", std::process::id());
    for image in [NLB0, NLB3] {
        let container = Container::new(&node).promised(1, image).with("dfl-port.0");
        let outcome = node.hook(&container, &["--timeout", "200ms"]);
        outcome.failed(
            5,
            &["card 0000:3b:00.0, port dfl-port.0", &holder, &format!("wanted function {image}")],
        );
    }
    // The other card is not concerned.
    let other = Container::new(&node).promised(1, NLB0).with("dfl-port.1");
    node.hook(&other, &["--timeout", "200ms"]).succeeded();
    lock.unlock().unwrap();
    node.create(&simple(&node)).succeeded();
}

#[test]
fn rejects_a_port_that_is_in_use() {
    let node = Node::start(TWO_CARDS);
    let user = File::open(node.path("root/dev/dfl-port.0")).unwrap();
    for image in [NLB0, NLB3] {
        let container = Container::new(&node).promised(1, image).with("dfl-port.0");
        let name = format!("in use by process {}", std::process::id());
        node.create(&container).failed(5, &[&place(), &name, &format!("found {NLB3}")]);
    }
    untouched(&node);
    drop(user);
    node.create(&simple(&node)).succeeded();
}

#[test]
fn rejects_a_card_that_is_gone() {
    let node = Node::start(TWO_CARDS);
    let container = simple(&node);
    let state = container.write();
    node.control().remove("near").unwrap();
    node.hook_with_state(&state, &[]).failed(10, &["FPGA_AFU_1 asks for", "it has no FPGA port"]);
}
