//! The seam to hardware: no product source outside `stack/intel` spells the names or uses the words of Intel's
//! drivers.
//!
//! Product sources are those of the shipped programs and their libraries. Not so the emulator, which is the
//! driver's other side; the lab and the demo, which set drivers and cards up; and `nlb`, a workload, which uses a
//! port as any workload of such a card does. Tests, too, name what they look for.

#![allow(clippy::unwrap_used)] // A panic in a test is the failure report.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that are not product sources.
const OTHERS: [&str; 4] = ["demo", "emulator", "lab", "nlb"];

/// How the names of the drivers' nodes, directories and classes start.
const NAMES: [&str; 6] =
    ["dfl-fme", "dfl-port", "intel-fpga-dev", "intel-fpga-fme", "intel-fpga-port", "fpga_region"];

/// The drivers' words, as parts of identifiers.
const WORDS: [&str; 4] = ["fme", "fmes", "port", "ports"];

/// Where they are allowed, and why.
const ALLOWED: [(&str, &str); 6] = [
    ("crates/fpga/src/stack/intel", "what the seam keeps in"),
    ("crates/cli/src/args.rs", "`fpgactl port` is what people type"),
    ("crates/cli/src/commands.rs", "`fpgactl port` is what people type"),
    ("crates/cli/src/commands/show/view.rs", "the keys of `show -o json`, which scripts read"),
    ("crates/cluster/src/http/listen.rs", "ports of TCP"),
    ("crates/webhook/src/check/", "ports of TCP"),
];

#[test]
fn only_intels_stack_knows_the_words_of_its_drivers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut findings = Vec::new();
    let mut used = [false; ALLOWED.len()];
    for file in sources(root) {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let found = findings_in(&text);
        match ALLOWED.iter().position(|(place, _)| name.starts_with(place)) {
            Some(place) => used[place] |= !found.is_empty(),
            None => {
                findings.extend(found.iter().map(|(line, what)| format!("{name}:{line}: {what}")))
            }
        }
    }
    let unused = ALLOWED.iter().zip(used).filter(|(_, used)| !used).map(|((place, _), _)| *place);
    assert_eq!(unused.collect::<Vec<_>>(), [""; 0], "nothing needs these exceptions any more");
    assert!(findings.is_empty(), "words of a driver:\n{}", findings.join("\n"));
}

#[test]
fn findings_are_told_from_texts_and_comments() {
    let lines =
        |text: &str| findings_in(text).into_iter().map(|(_, what)| what).collect::<Vec<_>>();
    for clean in [
        "let transport = report.import;",
        "// the FME's port\nlet a = 1; /* dfl-fme.0 */",
        "\"the port dfl-port.0 is in use\"",
        "'\"'; let b = '\\''; // port",
        "r#\"a \"port\" of text\"#",
        "fn f<'a>(x: &'a str) {}",
        "#[cfg(test)]\nmod tests {\n let port = 1; }",
    ] {
        assert_eq!(lines(clean), [""; 0], "{clean}");
    }
    for (bad, what) in [
        ("let port = 1;", "port"),
        ("struct FmeErrors;", "FmeErrors"),
        ("let a = \"x\"; call(port_id)", "port_id"),
        ("const PORTS: u8 = 0;", "PORTS"),
        ("name.starts_with(\"dfl-port.\")", "dfl-port."),
        ("sys.join(\"class/fpga_region\")", "class/fpga_region"),
    ] {
        assert_eq!(lines(bad), [what], "{bad}");
    }
}

/// The sources of every product crate, without tests.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap().map(Result::unwrap) {
        if !OTHERS.iter().any(|other| entry.file_name() == *other) {
            below(&entry.path().join("src"), &mut found);
        }
    }
    assert!(found.len() > 100, "only {} sources below {}", found.len(), root.display());
    found.sort();
    found
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let is_test = ["tests", "tests.rs", "testing", "testing.rs"]
            .iter()
            .any(|name| entry.file_name() == *name);
        match path.is_dir() {
            _ if is_test => {}
            true => below(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                found.push(path)
            }
            false => {}
        }
    }
}

/// What of a source is not allowed, by line. Comments and texts for people, which have spaces in them, are.
fn findings_in(text: &str) -> Vec<(usize, String)> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut findings = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        let (token, after) = token(rest);
        let start = code.len() - rest.len();
        rest = after;
        let is_bad = match token {
            Token::Text(text) => {
                !text.contains(char::is_whitespace) && NAMES.iter().any(|name| text.contains(name))
            }
            Token::Identifier(name) => {
                words(name).iter().any(|word| WORDS.contains(&word.as_str()))
            }
            Token::Other => false,
        };
        if let (true, Token::Text(what) | Token::Identifier(what)) = (is_bad, token) {
            findings.push((code[..start].matches('\n').count() + 1, what.to_owned()));
        }
    }
    findings
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Identifier(&'a str),
    /// What is between the quotes of a string.
    Text(&'a str),
    Other,
}

/// The first token, and what follows.
fn token(text: &str) -> (Token<'_>, &str) {
    let end_of = |end: &str, from: usize| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let first = text.chars().next().unwrap();
    if text.starts_with("//") {
        return (Token::Other, &text[end_of("\n", 0)..]);
    }
    if text.starts_with("/*") {
        return (Token::Other, &text[end_of("*/", 2)..]);
    }
    if let Some(raw) = text.strip_prefix('r') {
        let quoted = raw.trim_start_matches('#');
        let hashes = raw.len() - quoted.len();
        if quoted.starts_with('"') && (hashes > 0 || raw.starts_with('"')) {
            let end = end_of(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
            return (Token::Text(&text[hashes + 2..end - hashes - 1]), &text[end..]);
        }
    }
    if first == '"' {
        let mut characters = text.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                '"' => return (Token::Text(&text[1..at]), &text[at + 1..]),
                _ => {}
            }
        }
        return (Token::Text(&text[1..]), "");
    }
    if first == '\'' {
        // A character, or a lifetime.
        let mut characters = text.char_indices().skip(1);
        let (_, second) = characters.next().unwrap();
        let escaped = if second == '\\' { characters.next() } else { None };
        return match characters.find(|(_, c)| escaped.is_none() || *c == '\'') {
            Some((at, '\'')) => (Token::Other, &text[at + 1..]),
            _ => (Token::Other, &text[1..]),
        };
    }
    if is_part(first) {
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        return (Token::Identifier(&text[..end]), &text[end..]);
    }
    (Token::Other, &text[first.len_utf8()..])
}

/// The words of an identifier in any of Rust's cases.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in identifier.chars() {
        if character == '_' || was_lower && character.is_uppercase() {
            words.push(String::new());
        }
        was_lower = character.is_lowercase();
        words.last_mut().unwrap().extend(character.to_lowercase().filter(|c| *c != '_'));
    }
    words
}
