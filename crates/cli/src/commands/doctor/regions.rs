//! What is loaded, and what is out of use.

use std::thread;
use std::time::Duration;

use fpga::board::{Board, Function, Port};
use fpga::program::is_programming;
use fpga::scan::scan;

use super::survey::Survey;
use fpga_findings::Finding;

/// Between two looks at a region that is busy: a programming may end between the look at the region and
/// the one at the card.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    for board in &survey.inventory().boards {
        board.ports.iter().for_each(|port| function(survey, board, port, report));
        interfaces(board, report);
        errors(board, report);
    }
}

fn function(survey: &Survey, board: &Board, port: &Port, report: &mut dyn FnMut(Finding)) {
    let (name, address) = (&port.node.name, board.pci.address);
    let recover = format!("fpgactl recover {address}");
    report(match &port.function {
        Function::Loaded { afu_id } => {
            Finding::ok(name, format_args!("function {}", crate::output::function(*afu_id)))
        }
        Function::Busy if is_programming(&survey.root, board) => {
            Finding::ok(name, "its region is being programmed")
        }
        Function::Busy if is_busy_no_more(survey, name) => {
            Finding::ok(name, "its region was programmed")
        }
        Function::Busy => Finding::error(name, "its region is disabled")
            .because("a programming failed; the driver keeps the region so until it is bound again")
            .fix(recover),
        Function::Crashed => Finding::error(name, "reads as all ones")
            .because("the card's firmware crashed, or its link is down")
            .fix(format_args!("{recover} --rescan")),
        Function::Absent => Finding::error(name, "shows no function")
            .because("no driver is bound to the port")
            .fix(format_args!("modprobe dfl-afu; {recover}")),
        Function::Unreadable => Finding::error(name, "its function cannot be read")
            .because(reason(board, name))
            .fix(recover),
    });
}

/// The reason is among the card's problems.
fn reason(board: &Board, port: &str) -> String {
    let about = board.problems.iter().find(|problem| problem.object.contains(port));
    about.map_or_else(|| "its id is malformed".to_owned(), |problem| problem.message.clone())
}

fn is_busy_no_more(survey: &Survey, port: &str) -> bool {
    thread::sleep(PAUSE);
    let again = scan(&survey.root);
    let mut ports = again.boards.iter().flat_map(|board| &board.ports);
    ports.any(|other| other.node.name == port && other.function != Function::Busy)
}

fn interfaces(board: &Board, report: &mut dyn FnMut(Finding)) {
    for region in &board.regions {
        match region.interface_id {
            Some(id) if id.is_crash_marker() => report(
                Finding::error(&region.name, "its interface id reads as all ones")
                    .because("the card's firmware crashed, or its link is down")
                    .fix(format_args!("fpgactl recover {} --rescan", board.pci.address)),
            ),
            Some(_) => {}
            None => report(
                Finding::error(&region.name, "does not tell its interface id")
                    .because("nobody can know which bitstreams fit, so the region is not offered")
                    .fix(format_args!("fpgactl show {}", board.pci.address)),
            ),
        }
    }
}

fn errors(board: &Board, report: &mut dyn FnMut(Finding)) {
    let ports = board.ports.iter().map(|port| (&port.node.name, &port.errors));
    let all = std::iter::once((&board.fme.node.name, &board.fme.errors)).chain(ports);
    for (name, registers) in all.filter(|(_, registers)| !registers.is_empty()) {
        let names: Vec<_> = registers.iter().map(|register| register.name.as_str()).collect();
        report(
            Finding::warning(name, format_args!("errors are latched: {}", names.join(", ")))
                .because("an earlier user or the card itself went wrong; they stay until they are cleared")
                .fix(format_args!("fpgactl errors {name}; fpgactl errors {name} --clear")),
        );
    }
}
