//! The suite. A case has a machine and a function that plays it in a guest of its own.

mod agent;
mod contract;
mod discovery;
mod machines;
mod ports;
mod program;
mod recover;
mod region;
mod workload;

use crate::guest::Node;

/// One thing that must hold on the real driver.
pub(crate) struct Case {
    /// `area/what`, for choosing and for the report.
    pub(crate) name: &'static str,
    /// In a sentence.
    pub(crate) about: &'static str,
    /// The machine, as a description for the emulator.
    pub(crate) machine: fn() -> String,
    /// Plays it.
    pub(crate) play: fn(&Node) -> anyhow::Result<()>,
}

/// All of them, in the order in which they are run.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        discovery::CASES,
        program::CASES,
        recover::CASES,
        ports::CASES,
        workload::CASES,
        agent::CASES,
        region::CASES,
        contract::CASES,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fpga_emulator::machine::Machine;

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_machine() {
        let mut names = BTreeSet::new();
        for case in super::all() {
            assert!(names.insert(case.name), "{} twice", case.name);
            let machine = Machine::parse(&(case.machine)());
            assert!(machine.is_ok(), "{}: {machine:?}", case.name);
        }
    }
}
