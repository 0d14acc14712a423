//! A page of Markdown, as far as the tests look at it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file and its text.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// What follows the fence: the language and more words.
    pub(crate) info: String,
    /// Its lines, from the one after the fence to the one before the closing fence.
    pub(crate) lines: std::ops::Range<usize>,
}

impl Page {
    pub(crate) fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
        for (number, line) in self.text.lines().enumerate() {
            let Some(info) = line.trim_start().strip_prefix("```") else { continue };
            match open.take() {
                Some(block) => {
                    blocks.push(Block { lines: block.lines.start..number, ..block });
                }
                None => {
                    let info = info.trim().to_owned();
                    open = Some(Block { info, lines: number + 1..number + 1 });
                }
            }
        }
        assert!(open.is_none(), "{self}: a block of code is not closed");
        blocks
    }

    /// The lines that are no code, by number.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let blocks = self.blocks();
        let is_code = move |number: usize| {
            blocks.iter().any(|block| (block.lines.start..=block.lines.end).contains(&number))
        };
        // Indented by four, a line is code as well.
        self.text
            .lines()
            .enumerate()
            .filter(move |(number, line)| !is_code(*number) && !line.starts_with("    "))
    }

    /// The anchors of its headings, as GitHub and mdBook make them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, line) in self.prose() {
            let heading = line.trim_start_matches('#');
            if heading.len() == line.len() || !heading.starts_with(' ') {
                continue;
            }
            let slug = slug(heading.trim());
            let same = anchors.iter().filter(|anchor| **anchor == slug).count();
            anchors.push(if same == 0 { slug } else { format!("{slug}-{same}") });
        }
        anchors
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = super::top();
        write!(f, "{}", self.path.strip_prefix(top).unwrap_or(&self.path).display())
    }
}

fn slug(heading: &str) -> String {
    let letters = heading.chars().flat_map(char::to_lowercase);
    let kept = letters.filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
