//! `fpgactl bitstream list`: what is in the store.

use std::path::Path;

use clap::Args as ClapArgs;
use fpga::catalog;
use fpga::id::{AfuId, InterfaceId};
use fpga::store::{Entry, Summary};
use serde::Serialize;

use super::info::printable;
use crate::args::StoreArgs;
use crate::output::{self, Form};
use crate::status::Status;
use fpga_findings::table::{self, dash};

/// List the bitstreams in the store
///
/// Only descriptions are read; `fpgactl bitstream verify` reads everything.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl bitstream list
  fpgactl bitstream list -o json | jq -r '.[] | select(.error == null) | .file'")]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(serialize_with = "output::path")]
    file: &'a Path,
    interface_id: Option<InterfaceId>,
    /// What the file is called: an AFU id or a hash.
    image_id: Option<String>,
    afu_id: Option<AfuId>,
    afu_names: Vec<&'static str>,
    /// The name in the file.
    name: Option<&'a str>,
    format: Option<String>,
    bytes: Option<u64>,
    error: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let store = args.store.open();
    let entries = store.list()?;
    let rows: Vec<Row<'_>> = entries.iter().map(Row::new).collect();
    output::form(args.output, &rows, |rows| text(rows))?;
    let errors: Vec<&String> = rows.iter().filter_map(|row| row.error.as_ref()).collect();
    for error in &errors {
        output::complain(error);
    }
    if rows.is_empty() {
        output::complain(super::nothing(&store));
        return Ok(Status::Nothing);
    }
    Ok(if errors.is_empty() { Status::Sound } else { Status::Diagnosed })
}

impl<'a> Row<'a> {
    fn new(entry: &'a Entry) -> Self {
        let summary = entry.summary.as_ref().ok();
        let afu_id = summary.map(|summary| summary.afu_id);
        let name = |summary: &'a Summary| summary.contents.metadata().name.as_deref();
        Self {
            file: &entry.path,
            interface_id: summary.map(|summary| summary.interface_id),
            image_id: summary.map(|summary| summary.image_id.to_string()),
            afu_id,
            afu_names: afu_id
                .into_iter()
                .flat_map(catalog::by_id)
                .map(|entry| entry.name)
                .collect(),
            name: summary.and_then(name),
            format: summary.map(|summary| summary.contents.format().to_string()),
            bytes: summary.map(|summary| summary.file_len),
            error: entry.summary.as_ref().err().map(ToString::to_string),
        }
    }

    /// The names that `fpgactl program` takes.
    fn names(&self) -> Option<String> {
        let known = Some(self.afu_names.join(",")).filter(|names| !names.is_empty());
        known.or_else(|| printable(self.name.map(str::to_owned).as_ref()))
    }
}

fn text(rows: &[Row<'_>]) -> String {
    const HEADER: [&str; 5] = ["INTERFACE", "FUNCTION", "NAME", "FORMAT", "BYTES"];
    let good: Vec<_> = rows.iter().filter(|row| row.error.is_none()).collect();
    if good.is_empty() {
        return String::new();
    }
    let cells = |row: &&Row<'_>| {
        vec![
            dash(row.interface_id),
            dash(row.image_id.as_ref()),
            dash(row.names()),
            dash(row.format.as_ref()),
            dash(row.bytes),
        ]
    };
    table::aligned(&HEADER, good.iter().map(cells))
}
