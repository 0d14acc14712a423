//! The documentation against the programs: links lead somewhere, marked commands run and print what the
//! page says, and the reference is what the programs say of themselves.
//!
//! `UPDATE_GENERATED=1 cargo test -p fpga-demo --test docs` writes outputs and reference anew.

// In helpers too, a panic is the failure report.
#![allow(clippy::unwrap_used)]

mod console;
mod english;
mod links;
mod objects;
mod page;
mod reference;
mod same_hook;
mod volatile;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fpga_demo::binaries::Binaries;
use fpga_emulator::testing::PROGRAMS;

use page::Page;

/// The programs that the pages run, built once.
fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| match std::env::var_os(PROGRAMS) {
        Some(directory) => Binaries::at(Path::new(&directory)).unwrap(),
        None => Binaries::build().unwrap(),
    })
}

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every page below `docs`, and those beside it.
fn pages() -> Vec<Page> {
    let mut files = Vec::new();
    find(&top().join("docs"), &mut files);
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        files.push(top().join(name));
    }
    files.into_iter().map(Page::read).collect()
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// True when files are to be written and not compared.
fn is_update() -> bool {
    std::env::var_os("UPDATE_GENERATED").is_some()
}
