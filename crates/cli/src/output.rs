//! Writing to stdout. Failures are returned, since `println!` would panic on them.

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::ValueEnum;
use fpga::catalog;
use fpga::id::AfuId;
use serde::Serialize;

/// The forms of most commands' output.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Form {
    /// Text for people
    #[default]
    Table,
    /// The same as JSON
    Json,
    /// The same in YAML
    Yaml,
}

/// Writes `value` as asked; `text` is its form for people.
pub(crate) fn form<T: Serialize>(
    form: Form,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    match form {
        Form::Table => self::text(&text(value)),
        Form::Json => json(value),
        Form::Yaml => yaml(value),
    }
}

/// Says on stderr what does not stop a command.
pub(crate) fn warn(object: impl Display, warnings: &[impl Display]) {
    for warning in warnings {
        eprintln!("fpgactl: {object}: warning: {warning}");
    }
}

/// A function's id, and its name where it is known.
pub(crate) fn function(id: AfuId) -> String {
    match catalog::display_name(id) {
        Some(name) => format!("{id} ({name})"),
        None => id.to_string(),
    }
}

pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("writing to stdout")
}

pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&(serde_json::to_string_pretty(value)? + "\n"))
}

pub(crate) fn yaml(value: &impl Serialize) -> anyhow::Result<()> {
    text(&serde_saphyr::to_string(value)?)
}

/// True when the reader went away, as `head` does: it has what it wanted.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
