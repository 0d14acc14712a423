//! What the agent says of itself.

use std::io;
use std::net::SocketAddr;

use super::http;
use super::places::AgentAddress;
use super::sockets::{Answer, connect};
use super::survey::Survey;
use fpga_findings::Finding;

const LOGS: &str = "kubectl get pods -A -o wide | grep fpga-agent; journalctl -u fpga-agent -n 50";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    if let AgentAddress(Some(address)) = survey.places.agent_address {
        ask(survey, address).into_iter().for_each(report);
    }
}

fn ask(survey: &Survey, address: SocketAddr) -> Vec<Finding> {
    let get = |path: &str| http::get(address, path, survey.patience);
    let url = |path: &str| format!("http://{address}{path}");
    match get("/healthz") {
        Ok(response) if response.code == 200 => {}
        Ok(response) => return vec![strange(&url("/healthz"), &response)],
        Err(error) if is_elsewhere(survey, address, &error) => {
            let word =
                "nobody answers here, but the sockets are served: it answers in its pod's network";
            return vec![Finding::ok(url("/healthz"), word)];
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !survey.has_agent() => {
            let word = "nobody answers, and nothing here is an agent's: none runs on this machine";
            return vec![Finding::ok(url("/healthz"), word)];
        }
        Err(error) => return vec![failed(&url("/healthz"), &error)],
    }
    match get("/readyz") {
        Ok(response) if response.code == 200 => {
            vec![Finding::ok(url("/readyz"), "the agent is ready")]
        }
        Ok(response) if response.code == 503 => missing(&url("/readyz"), &response.body),
        Ok(response) => vec![strange(&url("/readyz"), &response)],
        Err(error) => vec![failed(&url("/readyz"), &error)],
    }
}

/// An agent in a pod without the host's network has another address, which only the cluster knows.
fn is_elsewhere(survey: &Survey, address: SocketAddr, error: &io::Error) -> bool {
    let directory = survey.socket_dir();
    let is_served = |name: &String| {
        matches!(connect(&directory.join(name), survey.patience), Answer::Listening)
    };
    error.kind() == io::ErrorKind::ConnectionRefused
        && address.ip().is_loopback()
        && survey.sockets().iter().any(is_served)
}

/// The agent names what it lacks, a line each.
fn missing(url: &str, body: &str) -> Vec<Finding> {
    let lines = body.lines().filter(|line| !line.trim().is_empty());
    let findings = lines.map(|line| {
        Finding::error(url, format_args!("the agent is not ready: {line}"))
            .because("it says so itself")
            .fix(LOGS)
    });
    findings.collect()
}

fn failed(url: &str, error: &io::Error) -> Finding {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Finding::error(url, "the agent does not answer")
            .because("it is not running on this node, or has another --health-address")
            .fix(LOGS),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            Finding::error(url, "the agent does not answer in time")
                .because("its process is stopped or hangs")
                .fix(LOGS)
        }
        _ => Finding::unknown(url, error).fix(LOGS),
    }
}

fn strange(url: &str, response: &http::Response) -> Finding {
    let line = response.body.lines().next().unwrap_or_default();
    Finding::unknown(url, format_args!("answers with {}: {line:.80}", response.code))
        .because("another program may have the address")
        .fix("ss -ltnp")
}
