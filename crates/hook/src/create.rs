//! Before a container starts: each of its slots is cleaned and gets the function it was promised.

use fpga::ledger::Owner;

use crate::failure::{Code, Failure};
use crate::input::{self, Config, State};
use crate::report::Report;
use crate::run::Hook;
use crate::{given, permission, promise};

pub(crate) fn run(
    hook: &Hook<'_>,
    state: &State,
    config: &Config,
    report: &mut Report,
) -> Result<(), Failure> {
    let promises = promise::promises(&config.env)?;
    let annotations: Vec<_> = state.annotations.iter().chain([&config.annotations]).collect();
    let slots = given::slots(hook, config, &annotations)?;
    if promises.is_empty() && slots.is_empty() {
        return Ok(());
    }
    if state.id.is_empty() {
        return Err(Failure::new(Code::Input, "standard input: the OCI state has no `id`"));
    }
    permission::check(hook, &promises, &annotations)?;
    let owner = Owner { pod: input::pod(&annotations), ..state.owner() };
    hook.session.prepare(&owner, &promises, slots, report)
}
