//! Plain English: phrases that readers stumble over, and what to write instead.
//!
//! Code is not looked into, nor are inline code and what is quoted from programs.

use std::process::Command;

use crate::page::Page;
use crate::{pages, top};

/// Phrase, and what takes its place. `*` stands for one word, `a|b` for one of several.
const PHRASES: [(&str, &str); 22] = [
    ("for who", "for whoever, for a process that"),
    ("to who", "to whoever, to a process that"),
    ("is|are|was|were told", "is notified; is reported"),
    ("tells|tell|told of", "reports"),
    ("unless|than told otherwise", "by default"),
    ("nobody|nothing tells", "is not reported"),
    ("is|are none", "is not one; is invalid"),
    ("that|which is no", "is not a"),
    ("a|the|one|each|every|no programming that|which", "a reconfiguration that"),
    ("a|each|every programming of", "programming, a reconfiguration of"),
    ("programmings", "reconfigurations"),
    ("reprogrammings", "reprogramming"),
    ("not to be had", "is unavailable"),
    ("for ever", "forever"),
    ("another * than", "a different .. from"),
    ("a|the|next|last|one|two|between look|looks at|for", "a check, a poll"),
    ("go|goes|went on", "continue"),
    ("with what has it", "rewrite"),
    ("the while", "meanwhile"),
    ("by itself|themselves", "alone; delete"),
    ("a|an * of its|their|our|one's own", "its own"),
    ("let|lets in|be", "accept; leave alone"),
];

/// The pages whose English is checked: what people read, apart from what is generated.
fn checked() -> impl Iterator<Item = Page> {
    let others = ["crates/emulator/README.md", "fuzz/README.md"].map(|name| top().join(name));
    let docs = top().join("docs");
    // The commands' own words are in `docs/reference`, ARCHITECTURE.md is about the inside, the changelog is history.
    let is_checked = move |page: &Page| {
        !page.path.starts_with(docs.join("reference"))
            && !page.path.starts_with(docs.join("ja"))
            && !page.path.ends_with("ARCHITECTURE.md")
            && !page.path.ends_with("CHANGELOG.md")
    };
    pages().into_iter().filter(is_checked).chain(others.map(Page::read))
}

#[test]
fn the_pages_are_in_plain_english() {
    let mut wrong = Vec::new();
    for page in checked() {
        let mut is_generated = false;
        let prose = page.prose().filter(|(_, line)| {
            if line.starts_with("<!-- generated") {
                is_generated = true;
            }
            let is_taken = !is_generated;
            if line.starts_with("<!-- end") {
                is_generated = false;
            }
            is_taken
        });
        let words: Vec<(usize, String)> =
            prose.flat_map(|(number, line)| words(line).map(move |word| (number, word))).collect();
        for (number, phrase, instead) in found(&words) {
            wrong.push(format!("{page}:{}: {phrase:?}: write {instead:?}", number + 1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_demos_help_is_in_plain_english() {
    let output = Command::new(env!("CARGO_BIN_EXE_fpga-demo")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Usage:"), "{help}");
    let words: Vec<(usize, String)> = words(&help).map(|word| (0, word)).collect();
    let wrong: Vec<_> = found(&words).into_iter().map(|(_, phrase, _)| phrase).collect();
    assert!(wrong.is_empty(), "{wrong:?} in\n{help}");
}

/// The words outside of inline code, in lower case. What ends a thought is the word `.`.
fn words(line: &str) -> impl Iterator<Item = String> + use<'_> {
    let outside = line.split('`').step_by(2).collect::<Vec<_>>().join(" . ");
    let mut words = vec![String::new()];
    for letter in outside.to_lowercase().chars() {
        match letter {
            letter if letter.is_alphanumeric() || matches!(letter, '\'' | '-' | '_') => {
                words.last_mut().unwrap().push(letter);
            }
            '.' | '|' | ':' | ';' | '!' | '?' | '(' | ')' | '"' => {
                words.extend([".".to_owned(), String::new()]);
            }
            _ => words.push(String::new()),
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// Where the phrases are.
fn found(words: &[(usize, String)]) -> Vec<(usize, &'static str, &'static str)> {
    let mut found = Vec::new();
    for (phrase, instead) in PHRASES {
        let parts: Vec<Vec<&str>> =
            phrase.split(' ').map(|part| part.split('|').collect()).collect();
        let fits = |window: &&[(usize, String)]| {
            window.iter().zip(&parts).all(|((_, word), part)| match part.as_slice() {
                ["*"] => word != ".",
                any => any.contains(&word.as_str()),
            })
        };
        let hits = words.windows(parts.len()).filter(fits);
        found.extend(hits.map(|window| (window[0].0, phrase, instead)));
    }
    found
}

/// The reference is what the programs print of themselves, which another test holds it to.
#[test]
fn the_programs_help_is_in_plain_english() {
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(top().join("docs/reference")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let numbered = text.lines().enumerate();
        let words: Vec<(usize, String)> = numbered
            .flat_map(|(number, line)| words(line).map(move |word| (number, word)))
            .collect();
        let phrases = found(&words).into_iter();
        let though = words.iter().filter(|(_, word)| word == "though");
        let though = though.map(|(number, _)| (*number, "though", "even if"));
        wrong.extend(phrases.chain(though).map(|(number, phrase, instead)| {
            format!("{}:{}: {phrase:?}: write {instead:?}", path.display(), number + 1)
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn phrases_are_found_over_lines_and_not_in_code() {
    let words: Vec<_> =
        ["The agent is", "told of it. For who", "`is told`, for", "ever", "another mode than that"]
            .iter()
            .enumerate()
            .flat_map(|(number, line)| words(line).map(move |word| (number, word)))
            .collect();
    let numbers: Vec<_> =
        found(&words).into_iter().map(|(number, phrase, _)| (number, phrase)).collect();
    assert_eq!(
        numbers,
        [
            (1, "for who"),
            (0, "is|are|was|were told"),
            (1, "tells|tell|told of"),
            (2, "for ever"),
            (4, "another * than"),
        ]
    );
}
