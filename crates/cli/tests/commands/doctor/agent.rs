//! What the agent answers, or that it does not.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use super::{SOCKETS, Sound, only, wrong};
use crate::machine::NLB3;

/// An HTTP server in the agent's place; it lasts as long as the test's process.
pub(super) struct Agent(SocketAddr);

impl Agent {
    /// `/healthz` is in order, `/readyz` says this.
    pub(super) fn answers(code: u16, body: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let (code, body) = match request.starts_with("GET /readyz ") {
                    true => (code, body),
                    false => (200, "ok\n"),
                };
                let head = format!("HTTP/1.1 {code} x\r\ncontent-length: {}\r\n\r\n", body.len());
                // The client may have gone.
                let _ = (&stream).write_all((head + body).as_bytes());
            }
        });
        Self(address)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0
    }
}

#[test]
fn an_agent_that_does_not_run_is_missed() {
    let mut sound = Sound::af();
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    // In its pod's network it has another address.
    sound.run_with(address, &["-q"]).ended(0);
    sound.kill(&format!("{SOCKETS}/fpga.intel.com-af-{NLB3}.sock"));
    let answer = sound.run_with(address, &["-q", "-o", "json", "--area", "agent"]).ended(4);
    only(&wrong(&answer), &["error agent", "/healthz", "does not answer", "not running"]);
}

/// Cards are used without Kubernetes, too.
#[test]
fn a_machine_of_no_cluster_lacks_no_part_of_one() {
    let mut sound = Sound::af();
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    for path in ["var/lib/kubelet", "run/containerd", "etc/containerd", "proc"] {
        std::fs::remove_dir_all(sound.path(path)).unwrap();
    }
    sound.run_with(address, &["-q"]).ended(0);
    // Who says that it is a node hears what is missing.
    let answer = sound.run_with(address, &["-q", "-o", "json", "--mode", "af"]).ended(4);
    let found = wrong(&answer);
    for area in ["error kubelet", "unknown runtime", "unknown limits"] {
        assert!(found.iter().any(|line| line.starts_with(area)), "{area}: {found:#?}");
    }
    // Where a distribution keeps its files elsewhere.
    sound.dir("var/lib/k0s/kubelet/device-plugins");
    let answer = sound.run_with(address, &["-q", "-o", "json", "--area", "kubelet"]).ended(4);
    let fix = answer.json()[0]["fix"].as_str().unwrap().to_owned();
    assert!(fix.ends_with("var/lib/k0s/kubelet/device-plugins"), "{fix}");
    // A kubelet whose node has no agent is sound, but for the cards that nobody serves.
    sound = Sound::af();
    let socket = format!("{SOCKETS}/fpga.intel.com-af-{NLB3}.sock");
    sound.kill(&socket);
    sound.remove(&socket);
    let answer = sound.run_with(address, &["-q", "-o", "json"]).ended(4);
    only(&wrong(&answer), &["error sockets", "serves no resource"]);
}

#[test]
fn what_the_agent_lacks_is_said_in_its_words() {
    let mut sound = Sound::af();
    sound.agent = Agent::answers(503, "fpga.intel.com/af-1 is not registered\n");
    sound.finds(&["error agent", "/readyz", "fpga.intel.com/af-1 is not registered"]);
}

/// A process that was stopped takes connections, and nothing else.
#[test]
fn an_agent_that_hangs_holds_nobody_up() {
    let sound = Sound::af();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = sound.run_with(address, &["-q", "-o", "json", "--timeout", "2s"]).ended(4);
    only(&wrong(&answer), &["error agent", "does not answer in time"]);
}

#[test]
fn another_program_at_the_agents_address_is_not_taken_for_it() {
    let mut sound = Sound::af();
    sound.agent = Agent::answers(404, "nginx\n");
    sound.finds(&["unknown agent", "answers with 404: nginx"]);
}

/// As an agent leaves it that was killed.
#[test]
fn a_socket_that_nobody_listens_on_is_found() {
    let mut sound = Sound::af();
    let socket = format!("{SOCKETS}/fpga.intel.com-af-{NLB3}.sock");
    sound.kill(&socket);
    sound.finds(&["error sockets", &socket, "nobody listens", "killed"]);
}

#[test]
fn a_file_in_the_place_of_a_socket_is_found() {
    let mut sound = Sound::af();
    let socket = format!("{SOCKETS}/fpga.intel.com-af-{NLB3}.sock");
    sound.kill(&socket);
    sound.remove(&socket);
    sound.write(&socket, "");
    sound.finds(&["error sockets", &socket, "is no socket", "in the agent's way"]);
}

#[test]
fn cards_that_nobody_serves_are_found() {
    let mut sound = Sound::af();
    let socket = format!("{SOCKETS}/fpga.intel.com-af-{NLB3}.sock");
    sound.kill(&socket);
    sound.remove(&socket);
    sound.finds(&["error sockets", SOCKETS, "serves no resource, though there are cards"]);
}

/// A socket that stayed after a card was taken away.
#[test]
fn a_resource_that_no_card_has_is_found() {
    let mut sound = Sound::af();
    sound.listen(&format!("{SOCKETS}/fpga.intel.com-af-00000000000000000000000000000001.sock"));
    sound.finds(&[
        "warning sockets",
        "fpga.intel.com/af-00000000000000000000000000000001",
        "no card",
    ]);
}
