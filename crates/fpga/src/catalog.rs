//! Names of the accelerator functions that come with Intel's acceleration stack, from
//! `data/afu-catalog.tsv`.
//!
//! A card tells only the id of what is loaded; people know the file that they loaded it from. The
//! catalogue serves display and look-up: nothing is decided by it.

use std::sync::LazyLock;

use crate::id::AfuId;

const TABLE: &str = include_str!("../data/afu-catalog.tsv");

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    TABLE
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let name = fields.next()?.trim_end_matches(".gbs");
            Some(Entry { name, afu_id: fields.next()?.parse().ok()?, description: fields.next()? })
        })
        .collect()
});

/// A known accelerator function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name: that of its bitstream file, without `.gbs`.
    pub name: &'static str,
    /// The AFU id that a region shows when the function is loaded.
    pub afu_id: AfuId,
    /// What it does.
    pub description: &'static str,
}

/// Every known function, in the table's order.
#[must_use]
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The functions that have the id: usually one, but `hello_afu` and `hello_intr_afu` share theirs.
pub fn by_id(id: AfuId) -> impl Iterator<Item = &'static Entry> {
    entries().iter().filter(move |entry| entry.afu_id == id)
}

/// The function of that name, given with or without `.gbs`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Entry> {
    let name = name.strip_suffix(".gbs").unwrap_or(name);
    entries().iter().find(|entry| entry.name == name)
}

/// The names that an id is known by, separated by commas; `None` for an unknown one.
#[must_use]
pub fn display_name(id: AfuId) -> Option<String> {
    let names: Vec<_> = by_id(id).map(|entry| entry.name).collect();
    (!names.is_empty()).then(|| names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_an_entry() {
        assert_eq!(entries().len(), TABLE.lines().count() - 1);
        for entry in entries() {
            assert_eq!(by_name(entry.name), Some(entry));
            assert_eq!(by_name(&format!("{}.gbs", entry.name)), Some(entry));
            assert!(by_id(entry.afu_id).any(|found| found == entry));
        }
    }

    #[test]
    fn a_known_id_has_the_files_name() {
        let nlb3 = "f7df405cbd7acf7222f144b0b93acd18".parse().unwrap();
        assert_eq!(display_name(nlb3).as_deref(), Some("nlb_mode_3"));
        assert_eq!(
            by_id(nlb3).next().unwrap().description,
            "native loopback, mode 3 (read/write throughput)"
        );
    }

    #[test]
    fn a_shared_id_has_both_names() {
        let hello = by_name("hello_afu").unwrap().afu_id;
        assert_eq!(display_name(hello).as_deref(), Some("hello_afu,hello_intr_afu"));
    }

    #[test]
    fn what_is_not_in_the_table_is_not_known() {
        assert_eq!(display_name(AfuId::new(1)), None);
        assert_eq!(by_name("nlb"), None);
    }
}
