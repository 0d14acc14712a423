//! The bitstreams: are they what they are called, does a card take them, who may change them?

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fpga::bitstream::Bitstream;
use fpga::id::InterfaceId;
use fpga::store::{Entry, Store};

use super::permissions;
use super::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

const PROGRAM_WHAT_THEY_LIKE: &str = "choose what is programmed";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let store = Store::new(survey.store());
    let root = store.root();
    if let Err(error) = fs::metadata(root) {
        absent(survey, root, &error, report);
        return;
    }
    let entries = match store.list() {
        Ok(entries) => entries,
        Err(error) => {
            report(Finding::unknown(root.display(), error).fix("sudo fpgactl doctor --area store"));
            return;
        }
    };
    writable(root, &entries, report);
    let mut sound = 0;
    let mut strangers = BTreeSet::new();
    for entry in entries {
        let path = entry.path.clone();
        match verify(&store, entry) {
            Ok(interface) => {
                sound += 1;
                if !fits(survey, interface) {
                    strangers.insert(interface);
                }
            }
            Err(error) => {
                report(Finding::error(path.display(), "cannot be programmed").because(error).fix(
                    format_args!(
                        "rm -r {}; fpgactl bitstream install --store {} FILE",
                        word(&path),
                        word(root)
                    ),
                ))
            }
        }
    }
    if sound == 0 && survey.is_region() {
        report(empty(root));
    } else {
        report(Finding::ok(root.display(), format_args!("{sound} sound bitstreams")));
    }
    for interface in strangers {
        let path = root.join(interface.to_string());
        report(
            Finding::warning(path.display(), "fits no region of this node")
                .because(
                    "the bitstreams were built for other cards, or for other firmware of these",
                )
                .fix(format_args!("fpgactl show | grep interface; rm -r {}", word(&path))),
        );
    }
}

fn absent(survey: &Survey, root: &Path, error: &io::Error, report: &mut dyn FnMut(Finding)) {
    match error.kind() {
        io::ErrorKind::NotFound if survey.is_region() => report(empty(root)),
        io::ErrorKind::NotFound => {
            report(Finding::ok(root.display(), "no bitstreams are kept here"))
        }
        _ => {
            report(Finding::unknown(root.display(), error).fix("sudo fpgactl doctor --area store"))
        }
    }
}

fn empty(root: &Path) -> Finding {
    Finding::error(root.display(), "there is no bitstream, so that no region can be programmed")
        .because("none was installed, or the store is elsewhere")
        .fix(format_args!("fpgactl bitstream install --store {} FILE", word(root)))
}

/// Everything that can be checked of a file, read to its end.
fn verify(store: &Store, entry: Entry) -> Result<InterfaceId, String> {
    let summary = entry.summary.map_err(|error| error.to_string())?;
    let interface = summary.interface_id;
    let bitstream: Bitstream =
        store.find(interface, summary.image_id).map_err(|error| error.to_string())?;
    bitstream.verify().map_err(|error| error.to_string())?;
    Ok(interface)
}

/// True when a region takes it, or may when it can be read again.
fn fits(survey: &Survey, interface: InterfaceId) -> bool {
    let cards = &survey.inventory().cards;
    cards
        .iter()
        .flat_map(|card| &card.regions)
        .any(|region| region.interface_id.is_none_or(|id| id == interface || id.is_crash_marker()))
}

fn writable(root: &Path, entries: &[Entry], report: &mut dyn FnMut(Finding)) {
    let parents = entries.iter().filter_map(|entry| entry.path.parent().map(Path::to_owned));
    let directories: BTreeSet<PathBuf> = std::iter::once(root.to_owned()).chain(parents).collect();
    for directory in directories {
        permissions::of_directory(&directory, PROGRAM_WHAT_THEY_LIKE)
            .into_iter()
            .for_each(&mut *report);
    }
    for entry in entries {
        let Ok(metadata) = fs::symlink_metadata(&entry.path) else { continue };
        if metadata.is_file() {
            permissions::of_file(&entry.path, &metadata, PROGRAM_WHAT_THEY_LIKE)
                .into_iter()
                .for_each(&mut *report);
        }
    }
}
