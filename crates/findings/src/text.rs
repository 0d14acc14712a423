//! The findings for people.

use crate::finding::{Finding, Level};
use crate::table::{self, dash};

const HEADER: [&str; 4] = ["LEVEL", "AREA", "OBJECT", "FINDING"];

/// A line for each finding, with the cause and the fix below it, and a sum at the end. `worst` is that of all that
/// was found, some of which may not be shown.
#[must_use]
pub fn report(findings: &[Finding], worst: Level) -> String {
    let rows = findings.iter().map(|finding| {
        vec![
            finding.level.as_str().to_owned(),
            dash(finding.area),
            printable(&finding.object),
            printable(&finding.finding),
        ]
    });
    let table = table::aligned(&HEADER, rows);
    let mut lines = table.lines();
    let mut text = String::new();
    if !findings.is_empty() {
        text.extend(lines.next().map(|header| format!("{header}\n")));
    }
    for (finding, line) in findings.iter().zip(lines) {
        text.push_str(line);
        text.push('\n');
        for (name, more) in [("why", &finding.cause), ("fix", &finding.fix)] {
            text.extend(more.iter().map(|more| format!("          {name}: {}\n", printable(more))));
        }
    }
    text + &sum(findings, worst)
}

fn sum(findings: &[Finding], worst: Level) -> String {
    if worst == Level::Ok {
        return "nothing is wrong\n".to_owned();
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    format!(
        "{errors} error{}, {warnings} warning{}, {} undetermined\n",
        plural(errors),
        plural(warnings),
        count(Level::Unknown)
    )
}

/// Files and peers choose some of the words; a terminal is not to act on them.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_its_cause_and_its_fix_below_it() {
        let finding =
            Finding::error("dfl-port.0", "disabled").because("it failed").fix("fpgactl recover x");
        let sound = Finding::ok("a\x1b[2J", "fine");
        let findings = [sound, finding.in_area("regions")];
        let expected = "\
LEVEL   AREA      OBJECT       FINDING
ok      -         a\\u{1b}[2J   fine
error   regions   dfl-port.0   disabled
          why: it failed
          fix: fpgactl recover x
1 error, 0 warnings, 0 undetermined
";
        assert_eq!(report(&findings, Level::Error), expected);
        assert_eq!(report(&[], Level::Ok), "nothing is wrong\n");
    }
}
