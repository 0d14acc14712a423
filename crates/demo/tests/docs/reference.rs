//! `docs/reference`: what the programs say of themselves.

use std::fmt::Write as _;
use std::process::Command;

use fpga::catalog;
use fpga::id::{AfuId, InterfaceId};
use fpga::names::{
    CDI_KIND, CONTAINER_MODE_ANNOTATION, Mode, NODE_MODE_ANNOTATION, Naming, PromisePart,
    RegionDevelName, ResourceName,
};

use crate::{binaries, is_update, top};

/// The programs that people and manifests run.
const PROGRAMS: [&str; 7] = [
    "fpga-agent",
    "fpga-webhook",
    "fpga-programmer",
    "fpgactl",
    "fpga-hook",
    "nlb",
    "fpga-emulator",
];

/// What a command says of itself.
fn help(program: &str, words: &[String]) -> String {
    let mut command = Command::new(binaries().path(program));
    command.env_clear();
    let output = command.args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{program} {words:?} --help: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_command_lines_are_those_of_the_programs() {
    for program in PROGRAMS {
        let mut text = format!(
            "# {program}\n\nWhat `{program} --help` says, and the same of each of its commands.\n"
        );
        command(program, &[], &mut text);
        compare(&format!("{program}.md"), &text);
    }
}

/// The help of a command and of those below it.
fn command(program: &str, words: &[String], text: &mut String) {
    let help = help(program, words);
    if !words.is_empty() {
        write!(text, "\n## {program} {}\n", words.join(" ")).unwrap();
    }
    text.push_str("\n```text\n");
    for line in help.lines() {
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text.push_str("```\n");
    for name in subcommands(&help) {
        command(program, &[words, &[name]].concat(), text);
    }
}

/// The names below `Commands:`, each of which is indented by two.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, commands)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let names =
        lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    names
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_exit_codes_are_those_of_the_programs() {
    let mut text = "# Exit codes\n\nWhat the programs' `--help` says; a command that has no table here has its program's.\n".to_owned();
    for program in PROGRAMS {
        codes(program, &[], &mut text);
    }
    compare("exit-codes.md", &text);
}

fn codes(program: &str, words: &[String], text: &mut String) {
    let help = help(program, words);
    if let Some((_, table)) = help.split_once("Exit codes") {
        let (title, rows) = table.split_once('\n').unwrap_or((table, ""));
        let command = [&[program.to_owned()], words].concat().join(" ");
        write!(text, "\n## {command}\n").unwrap();
        let title = title.trim_matches([',', ':', ' ']);
        let rows: Vec<&str> = rows.lines().take_while(|line| !line.trim().is_empty()).collect();
        if rows.is_empty() {
            // All in a line.
            writeln!(text, "\n{title}").unwrap();
        } else {
            text.push_str("\n| code | meaning |\n|---|---|\n");
        }
        for row in rows {
            let coded = row.trim().split_once(' ');
            match coded.and_then(|(code, meaning)| Some((code.parse::<u8>().ok()?, meaning))) {
                Some((code, meaning)) => writeln!(text, "| {code} | {} |", meaning.trim()).unwrap(),
                // The line before goes on.
                None => {
                    text.truncate(text.len() - " |\n".len());
                    writeln!(text, " {} |", row.trim()).unwrap();
                }
            }
        }
    }
    for name in subcommands(&help) {
        codes(program, &[words, &[name]].concat(), text);
    }
}

#[test]
fn the_resource_names_are_those_of_the_code() {
    let interface: InterfaceId = "69528db6eb31577a8c3668f9faa081f6".parse().unwrap();
    let nlb3: AfuId = "f7df405cbd7acf7222f144b0b93acd18".parse().unwrap();
    let name = |naming| ResourceName::af(naming, interface, nlb3);
    let modes: Vec<&str> = Mode::ALL.iter().map(|mode| mode.as_str()).collect();
    let mut text = format!(
        "# Names\n\n\
         ## Resources\n\n\
         | mode | resource | example |\n|---|---|---|\n\
         | af, `--naming plain` | `fpga.intel.com/af-<AFU id>` | `{}` |\n\
         | af, `--naming encoded` | `fpga.intel.com/af-<iii>.<aaa>.<base64url of both ids>` | `{}` |\n\
         | region | `fpga.intel.com/region-<interface id>` | `{}` |\n\
         | regiondevel | `fpga.intel.com/regiondevel-<interface id>` | `{}` |\n\
         | regiondevel, `--regiondevel-name shared` | `fpga.intel.com/region-<interface id>` | `{}` |\n\n\
         Ids are 32 hexadecimal digits in lower case; an OpenCL image has a hash of 40 in place of the AFU id.\n\n\
         The socket of the first example is `{}`, in the kubelet's directory of device plugins.\n\n\
         ## Other names\n\n\
         | what | name |\n|---|---|\n\
         | annotation of a Node, overrides `--mode` of the agent there: {} | `{NODE_MODE_ANNOTATION}` |\n\
         | variables of a container with a region: which one, and which function | `{}_<n>`, `{}_<n>` |\n\
         | annotation of a container with a region, for hooks of CRI-O | `{CONTAINER_MODE_ANNOTATION}` |\n\
         | kind of the CDI devices | `{CDI_KIND}` |\n\n\
         ## Functions that have names\n\n\
         | name | AFU id | what it is |\n|---|---|---|\n",
        name(Naming::Plain),
        name(Naming::Encoded),
        ResourceName::region(interface),
        ResourceName::regiondevel(RegionDevelName::Own, interface),
        ResourceName::regiondevel(RegionDevelName::Shared, interface),
        name(Naming::Plain).socket_name(),
        modes.join(", "),
        PromisePart::Region.stem(),
        PromisePart::Function.stem(),
    );
    for entry in catalog::entries() {
        writeln!(text, "| `{}` | `{}` | {} |", entry.name, entry.afu_id, entry.description)
            .unwrap();
    }
    compare("names.md", &text);
}

/// Writes a page, or compares it.
pub(crate) fn compare(name: &str, fresh: &str) {
    let path = top().join("docs/reference").join(name);
    let fresh = format!(
        "<!-- generated: crates/demo/tests/docs compares it with the programs -->\n{fresh}"
    );
    if is_update() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, fresh).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == fresh,
        "{} is stale: run UPDATE_GENERATED=1 cargo test -p fpga-demo --test docs",
        path.display()
    );
}
