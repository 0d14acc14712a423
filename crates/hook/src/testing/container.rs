//! What holds for every state and `config.json` of a container.

use std::collections::BTreeSet;
use std::path::Path;

use super::cards::Done;
use super::facts::Facts;
use super::lines;
use super::node::{A10, HASH, HELLO, NLB3, Node, may_have};
use crate::failure::{Code, Failure};
use crate::input::{Config, State};
use crate::report::Report;
use crate::run::Hook;
use crate::{clean, create};

/// Splits an input at its first zero byte, which JSON never has, into state and configuration.
#[must_use]
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

/// Runs both stages for a container. True when the hook lets it start.
pub fn check(node: &Node, state: &[u8], config: &[u8]) -> bool {
    let created = stage(node, state, config, create::run);
    let ended =
        stage(node, state, config, |hook, _, config, report| clean::slots(hook, config, report));
    if let Some(facts) = Facts::new(state, config) {
        check_created(node, &facts, &created);
        check_ended(node, &facts, &ended);
    }
    created.is_ok
}

struct Outcome {
    is_ok: bool,
    done: Vec<Done>,
}

type Stage = fn(&Hook<'_>, &State, &Config, &mut Report) -> Result<(), Failure>;

fn stage(node: &Node, state: &[u8], config: &[u8], stage: Stage) -> Outcome {
    let mut report = lines::report();
    let result = read(state, config)
        .and_then(|(state, config)| stage(&node.hook(), &state, &config, &mut report));
    if let Err(failure) = &result {
        lines::check_failure(failure);
        report.failure(failure);
    }
    let done = node.cards.take();
    if !done.is_empty() {
        node.restore();
    }
    Outcome { is_ok: report.code() == Code::Done, done }
}

fn read(state: &[u8], config: &[u8]) -> Result<(State, Config), Failure> {
    let state = State::read(state)?;
    state.bundle()?;
    Ok((state, Config::read_from(Path::new("/bundle/config.json"), config)?))
}

fn check_created(node: &Node, facts: &Facts, Outcome { is_ok, done }: &Outcome) {
    check_ports(node, facts, done);
    if !done.is_empty() {
        let [namespace] = &facts.namespaces.iter().collect::<Vec<_>>()[..] else {
            panic!("{done:?} for one of {:?}", facts.namespaces);
        };
        done.iter().for_each(|done| check_function(facts, namespace, done));
    }
    if *is_ok {
        let wanted: BTreeSet<_> = facts.wanted.iter().map(|(name, _)| name).collect();
        assert_eq!(done.len(), wanted.len(), "{done:?} for {:?}", facts.wanted);
        assert_eq!(done.len(), ports_of(node, facts), "{done:?} are not all ports");
    }
}

/// What a region shows is something that the container asked for and that its namespace may have.
fn check_function(facts: &Facts, namespace: &str, done: &Done) {
    let interface = done.interface.expect("a port of a known region").to_string();
    let shows = done.shows.expect("a function").to_string();
    let image = done.image.map(|image| image.to_string());
    let is_right = |image: &str| {
        may_have(namespace, &interface, image)
            && facts.wanted.iter().any(|(_, value)| value == image)
    };
    // A function that was there already may be that of the OpenCL image.
    let is_opencl = shows == HELLO && interface == A10 && is_right(HASH);
    match &image {
        Some(image) => assert!(is_right(image), "{namespace} gets {done:?}"),
        None => assert!(is_right(&shows) || is_opencl, "{namespace} gets {done:?}"),
    }
}

/// A container that ended says nothing about what is put into its regions.
fn check_ended(node: &Node, facts: &Facts, Outcome { is_ok, done }: &Outcome) {
    check_ports(node, facts, done);
    for Done { interface, image, .. } in done {
        let expected = interface.filter(|id| id.to_string() == A10).map(|_| NLB3.to_owned());
        assert_eq!(image.map(|image| image.to_string()), expected, "{done:?}");
    }
    let is_all = done.len() == ports_of(node, facts);
    assert!(is_all || done.is_empty() && !is_ok, "{done:?} are not all ports");
}

/// Ports are the container's, and each is seen to once.
fn check_ports(node: &Node, facts: &Facts, done: &[Done]) {
    let mut seen = BTreeSet::new();
    for Done { port, .. } in done {
        assert!(seen.insert(port), "{port} twice in {done:?}");
        let number = node.ports.iter().find(|known| known.name == *port).map(|port| port.number);
        let number = number.expect("a port of the node");
        assert!(facts.has_device((number.major, number.minor)), "{port} is not the container's");
    }
}

fn ports_of(node: &Node, facts: &Facts) -> usize {
    let numbers = node.ports.iter().map(|port| (port.number.major, port.number.minor));
    numbers.filter(|number| facts.has_device(*number)).count()
}
