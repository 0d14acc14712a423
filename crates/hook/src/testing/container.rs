//! What holds for every state and `config.json` of a container.

use std::collections::BTreeSet;
use std::path::Path;

use super::cards::Done;
use super::facts::Facts;
use super::lines;
use super::node::{A10, HASH, HELLO, NLB3, Node, may_have};
use crate::create;
use crate::failure::{Code, Failure};
use crate::input::{Config, State};
use crate::report::Report;
use crate::run::Hook;

/// Splits an input at its first zero byte, which JSON never has, into state and configuration.
#[must_use]
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

/// Runs both stages for a container. True when the hook lets it start.
pub fn check(node: &Node, state: &[u8], config: &[u8]) -> bool {
    let created = stage(node, |hook, report| {
        let (state, config) = read(state, config)?;
        create::run(hook, &state, &config, report)
    });
    let ended =
        stage(node, |hook, report| hook.session.clean(&State::read(state)?.owner(), report));
    node.forget();
    if let Some(facts) = Facts::new(state, config) {
        check_created(node, &facts, &created);
        check_ended(&created, &ended);
    }
    created.is_ok
}

struct Outcome {
    is_ok: bool,
    done: Vec<Done>,
}

fn stage(
    node: &Node,
    stage: impl FnOnce(&Hook<'_>, &mut Report) -> Result<(), Failure>,
) -> Outcome {
    let mut report = lines::report();
    let result = stage(&node.hook(), &mut report);
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
    let (programmed, reset): (Vec<&Done>, Vec<&Done>) =
        done.iter().partition(|done| usage(node, facts, done) == "region");
    if !programmed.is_empty() {
        let [namespace] = &facts.namespaces.iter().collect::<Vec<_>>()[..] else {
            panic!("{done:?} for one of {:?}", facts.namespaces);
        };
        programmed.iter().for_each(|done| check_function(facts, namespace, done));
    }
    assert!(reset.iter().all(|done| done.image.is_none()), "{done:?}");
    if *is_ok {
        let wanted: BTreeSet<_> = facts.wanted.iter().map(|(name, _)| name).collect();
        assert_eq!(programmed.len(), wanted.len(), "{done:?} for {:?}", facts.wanted);
        assert_eq!(done.len(), ports_of(node, facts), "{done:?} are not all ports");
    }
}

/// What the container has the port for.
fn usage<'a>(node: &Node, facts: &'a Facts, done: &Done) -> &'a str {
    let port = node.ports.iter().find(|port| port.name == done.port).expect("a port of the node");
    let usage = facts.usage(port);
    usage.unwrap_or_else(|| panic!("{} is not the container's", done.port))
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

/// What was prepared for a container is cleaned when it ended, all of it and nothing else, and what is put into its
/// regions is not its choice.
fn check_ended(created: &Outcome, Outcome { is_ok, done }: &Outcome) {
    let ports = |done: &[Done]| done.iter().map(|done| done.port.clone()).collect::<Vec<_>>();
    let (mut prepared, mut cleaned) = (ports(&created.done), ports(done));
    prepared.sort();
    cleaned.sort();
    assert_eq!(prepared, cleaned);
    assert!(*is_ok || done.is_empty(), "{done:?}");
    for Done { interface, image, .. } in done {
        let expected = interface.filter(|id| id.to_string() == A10).map(|_| NLB3.to_owned());
        assert_eq!(image.map(|image| image.to_string()), expected, "{done:?}");
    }
}

/// Ports are the container's, and each is seen to once.
fn check_ports(node: &Node, facts: &Facts, done: &[Done]) {
    let mut seen = BTreeSet::new();
    for one in done {
        assert!(seen.insert(&one.port), "{} twice in {done:?}", one.port);
        usage(node, facts, one);
    }
}

fn ports_of(node: &Node, facts: &Facts) -> usize {
    node.ports.iter().filter(|port| facts.usage(port).is_some()).count()
}
