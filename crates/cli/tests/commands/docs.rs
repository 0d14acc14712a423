//! What `docs/fpgactl.md` says against the program.

use crate::machine::Node;

const PAGE: &str = include_str!("../../../../docs/fpgactl.md");

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = Node::bare().run(&["--help"]).ended(0).stdout;
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let codes: Vec<_> = codes.lines().filter_map(|line| line.trim().split_once("  ")).collect();
    assert_eq!(codes.len(), 11, "{help}");
    for (code, meaning) in codes {
        let row = format!("| {code} | {meaning} |\n");
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn every_command_is_on_the_page() {
    let help = Node::bare().run(&["--help"]).ended(0).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    let names: Vec<_> = names.filter(|name| *name != "help").collect();
    assert!(names.contains(&"program") && names.contains(&"oci-hook"), "{names:?}");
    for name in names {
        assert!(PAGE.contains(&format!("fpgactl {name}")), "{name}");
    }
}
