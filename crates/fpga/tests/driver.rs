//! The driver's verbs against an emulator that defines its numbers and structures by itself.
//!
//! Each test runs itself again as a child whose ioctls the emulator answers.

#![allow(clippy::unwrap_used)] // A panic in a test is the failure report.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use fpga::stack::intel::driver::{
    Cause, DmaBuffer, Error, Fme, Pages, Port, REGION_AFU, page_size, port_nodes,
};
use fpga_emulator::card::{afu, pr::payload_head};
use fpga_emulator::ctl::Client;
use fpga_emulator::exec;
use fpga_emulator::machine::{DEFAULT_INTERFACE_ID, Machine};
use fpga_emulator::serve::{Options, Server};

/// Set in the child: the machine's root and the emulator's socket.
const ROOT: &str = "FPGA_TEST_ROOT";
const SOCKET: &str = "FPGA_TEST_SOCKET";
/// Set in the child until its ioctls go to the emulator.
const UNCONFINED: &str = "FPGA_TEST_UNCONFINED";

/// What a test sees of its machine: one card with two ports, both with NLB mode 3.
struct Node {
    dev: PathBuf,
    control: Client,
}

impl Node {
    fn port(&self) -> PathBuf {
        port_nodes(&self.dev).unwrap().remove(0)
    }

    fn fme(&mut self) -> PathBuf {
        self.dev.join(self.control.status().unwrap().cards[0].fme.as_ref().unwrap())
    }

    fn afu_id(&mut self) -> String {
        self.control.status().unwrap().cards[0].ports[0].afu_id.clone()
    }

    fn is_mapped(&mut self) -> bool {
        self.control.status().unwrap().cards[0].ports[0].mapped
    }
}

/// Runs `body` once on each driver, in a child. `test` is the name of the calling test.
fn on_both_drivers(test: &str, body: fn(&mut Node)) {
    if let (Some(root), Some(socket)) = (env::var_os(ROOT), env::var_os(SOCKET)) {
        if env::var_os(UNCONFINED).is_some() {
            confine(test, socket.into());
        }
        let mut node =
            Node { dev: Path::new(&root).join("dev"), control: Client::connect(socket).unwrap() };
        return body(&mut node);
    }
    for driver in ["dfl", "opae"] {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(&Options {
            machine: machine(driver),
            root: directory.path().join("root"),
            socket: directory.path().join("sock"),
            verbose: false,
        })
        .unwrap();
        let mut child = Command::new(env::current_exe().unwrap());
        child.args([test, "--exact", "--nocapture"]);
        child.env(ROOT, server.root()).env(SOCKET, server.socket()).env(UNCONFINED, "1");
        let output = child.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let passed = output.status.success() && stdout.contains("1 passed");
        assert!(passed, "on {driver}:\n{stdout}{}", String::from_utf8_lossy(&output.stderr));
        server.stop().unwrap();
    }
}

/// Becomes the same test with its ioctls answered by the emulator.
fn confine(test: &str, socket: PathBuf) -> ! {
    let program = env::current_exe().unwrap();
    let command =
        ["env", "-u", UNCONFINED, program.to_str().unwrap(), test, "--exact", "--nocapture"];
    let command = command.iter().map(Into::into).collect();
    let error = exec::exec(&exec::Options { socket, command, ..Default::default() }).unwrap_err();
    panic!("{error}");
}

fn machine(driver: &str) -> Machine {
    let port = "[[card.port]]\nafu = \"nlb3\"\n";
    Machine::parse(&format!(
        "[[card]]\nname = \"card\"\nkind = \"pac-a10\"\ndriver = \"{driver}\"\npci = \"0000:3b:00.0\"\n{port}{port}"
    ))
    .unwrap()
}

/// A bitstream for the emulated card, with `extra` bytes behind its head.
fn payload(extra: usize) -> Vec<u8> {
    let mut payload = payload_head(DEFAULT_INTERFACE_ID, afu::HELLO);
    payload.resize(payload.len() + extra, 0x5a);
    payload
}

const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

#[test]
fn what_a_port_says() {
    on_both_drivers("what_a_port_says", |node| {
        let port = Port::open(node.port()).unwrap();
        assert_eq!(port.api_version().unwrap(), 0);
        assert!(!port.check_extension(1).unwrap());
        let info = port.info().unwrap();
        assert_eq!((info.num_regions, info.num_umsgs, info.num_error_irqs), (1, 0, 1));
        assert!(info.num_uafu_irqs > 0);
        let region = port.region_info(REGION_AFU).unwrap();
        assert_eq!((region.size, region.offset), (256 << 10, 0));
        assert!(region.readable && region.writable && region.mappable);
        let error = port.region_info(7).unwrap_err().to_string();
        assert!(
            error.ends_with("cannot get a region's properties: no region has this index (EINVAL)"),
            "{error}"
        );
    });
}

#[test]
fn registers() {
    on_both_drivers("registers", |node| {
        let port = Port::open(node.port()).unwrap();
        let registers = port.map_region(REGION_AFU).unwrap();
        assert_eq!(registers.size(), 256 << 10);
        assert_eq!(registers.read64(0x08).unwrap(), 0x22f1_44b0_b93a_cd18);
        assert_eq!(registers.read64(0x10).unwrap(), 0xf7df_405c_bd7a_cf72);
        registers.write64(0x120, 0x1122_3344_5566_7788).unwrap();
        assert_eq!(registers.read32(0x120).unwrap(), 0x5566_7788);
        port.reset().unwrap();
        assert_eq!(registers.read64(0x120).unwrap(), 0, "a reset clears the function's registers");
        drop(port);
        assert_eq!(
            registers.read64(0x08).unwrap(),
            0x22f1_44b0_b93a_cd18,
            "the mapping outlives the port"
        );
    });
}

#[test]
fn memory_for_the_card() {
    on_both_drivers("memory_for_the_card", |node| {
        let port = Port::open(node.port()).unwrap();
        let (one, two) = (page(1), page(1));
        {
            let (one, two) = (port.dma_map(&one).unwrap(), port.dma_map(&two).unwrap());
            assert_ne!(one.iova(), two.iova());
            assert!(one.iova().is_multiple_of(4096) && one.iova() != 0);
            assert!(node.is_mapped());
        }
        assert!(!node.is_mapped(), "dropping a mapping takes the memory back");
        let error = port.dma_map(&page(2)).unwrap_err().to_string();
        assert!(
            error.ends_with("not page-aligned or not physically contiguous (EINVAL)"),
            "{error}"
        );
    });
}

fn page(count: usize) -> DmaBuffer {
    DmaBuffer::allocate(count * page_size(), Pages::Base).unwrap()
}

#[test]
fn programming() {
    on_both_drivers("programming", |node| {
        let fme = Fme::open(node.fme()).unwrap();
        assert_eq!(fme.api_version().unwrap(), 0);
        assert_eq!(fme.info().unwrap().num_error_irqs, 1);
        assert_eq!(node.afu_id(), NLB3);
        // Neither size is a multiple of 4.
        for extra in [0, 1001, (1 << 20) + 3] {
            node.control.function("card", 0, "nlb3").unwrap();
            fme.port_pr(0, &payload(extra)).unwrap();
            assert_eq!(node.afu_id(), HELLO, "{extra} bytes");
        }
        let error = fme.port_pr(9, &payload(0)).unwrap_err().to_string();
        assert!(error.contains("cannot program: the card has no such port"), "{error}");
    });
}

#[test]
fn a_card_that_rejects_a_bitstream() {
    on_both_drivers("a_card_that_rejects_a_bitstream", |node| {
        let fme = Fme::open(node.fme()).unwrap();
        node.control.pr_error("card", 0x10).unwrap();
        let error = fme.port_pr(0, &payload(0)).unwrap_err();
        match fme.path().to_str().unwrap().contains("intel-fpga-fme.") {
            // The out-of-tree driver says why itself, the in-tree one in its fpga_manager.
            true => assert!(
                matches!(error, Error::Reconfiguration { port_id: 0, status: 0x10, .. }),
                "{error}"
            ),
            false => {
                let text = error.to_string();
                assert!(
                    text.ends_with(
                        "cannot program: the card reported reconfiguration errors (EIO)"
                    ),
                    "{text}"
                );
            }
        }
        assert_eq!(node.afu_id(), NLB3);
    });
}

#[test]
fn ports_are_released_and_assigned() {
    on_both_drivers("ports_are_released_and_assigned", |node| {
        let fme = Fme::open(node.fme()).unwrap();
        let path = node.port();
        let port = Port::open(&path).unwrap();
        let error = fme.port_release(0).unwrap_err();
        assert_eq!(error.cause(), Cause::Busy, "{error}");
        drop(port);
        fme.port_release(0).unwrap();
        assert_eq!(Port::open(&path).unwrap_err().cause(), Cause::Gone);
        assert_eq!(fme.port_release(0).unwrap_err().cause(), Cause::Busy);
        fme.port_assign(0).unwrap();
        assert_eq!(fme.port_assign(0).unwrap_err().cause(), Cause::Busy);
        let error = fme.port_release(9).unwrap_err().to_string();
        assert!(error.contains("cannot release a port: the card has no such port (E"), "{error}");
    });
}

#[test]
fn a_card_that_is_gone() {
    on_both_drivers("a_card_that_is_gone", |node| {
        let path = node.port();
        let port = Port::open(&path).unwrap();
        node.control.remove("card").unwrap();
        assert_eq!(port.reset().unwrap_err().cause(), Cause::Gone);
        assert_eq!(Port::open(&path).unwrap_err().cause(), Cause::Gone);
    });
}
