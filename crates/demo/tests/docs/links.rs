//! Links: every relative one leads to a file, and its fragment to a heading.

use std::path::{Path, PathBuf};

use crate::page::Page;
use crate::{pages, top};

/// Files of this repository as the web has them, which the book cannot hold.
const REPOSITORY: &str = "https://github.com/kube-fpga/kube-fpga/blob/main/";

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        for (number, line) in page.prose() {
            for link in links(line) {
                if let Err(reason) = follow(&page, link) {
                    broken.push(format!("{page}:{}: {link}: {reason}", number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What is not in the table of contents is in no book.
#[test]
fn every_page_is_in_the_book_once() {
    let summary = Page::read(top().join("docs/SUMMARY.md"));
    let listed: Vec<PathBuf> = summary
        .prose()
        .flat_map(|(_, line)| links(line))
        .map(|link| summary.directory().join(link))
        .collect();
    for page in pages() {
        let is_docs = page.path.starts_with(top().join("docs")) && page.path != summary.path;
        let count = listed.iter().filter(|path| **path == page.path).count();
        assert!(!is_docs || count == 1, "{page} is {count} times in docs/SUMMARY.md");
    }
}

fn follow(page: &Page, link: &str) -> Result<(), String> {
    let local = match link.strip_prefix(REPOSITORY) {
        Some(path) => top().join(path),
        None if link.contains("://") || link.starts_with("mailto:") => return Ok(()),
        None => page.directory().join(link),
    };
    let local = local.to_str().unwrap().to_owned();
    let (path, fragment) = match local.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment)),
        None => (local.as_str(), None),
    };
    let path = if link.starts_with('#') { page.path.clone() } else { PathBuf::from(path) };
    let Ok(found) = path.canonicalize() else {
        return Err("there is no such file".to_owned());
    };
    let docs = top().join("docs");
    if page.path.starts_with(&docs) && !link.contains("://") && !found.starts_with(&docs) {
        return Err(format!("it leads nowhere in the book: write {REPOSITORY}..."));
    }
    match fragment {
        Some(fragment) if is_markdown(&path) => {
            let anchors = Page::read(path).anchors();
            let found = anchors.iter().any(|anchor| anchor == fragment);
            found
                .then_some(())
                .ok_or_else(|| format!("no heading; there are {}", anchors.join(", ")))
        }
        _ => Ok(()),
    }
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The targets of the links in a line, without those in code.
fn links(line: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let outside = line.split('`').step_by(2).collect::<Vec<_>>();
    // A link's text may be code, which then stands between its bracket and its target.
    for part in outside {
        let mut rest = part;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            links.push(target);
            rest = after;
        }
    }
    links
}

#[test]
fn links_are_found_with_and_without_code() {
    assert_eq!(links("a [b](c.md) and [`d`](e.md#f), `[g](h)`"), ["c.md", "e.md#f"]);
    assert!(links("[a] (b) and [c]").is_empty());
}
