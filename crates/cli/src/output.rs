//! Writing to stdout. Failures are returned, since `println!` would panic on them.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use fpga::catalog;
use fpga::id::AfuId;
use serde::{Serialize, Serializer};

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

/// A line on stderr. `eprintln!` would panic where stderr cannot be written, and there is nobody to hear of that.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "fpgactl: {text}");
}

/// Says on stderr what does not stop a command.
pub(crate) fn warn(object: impl Display, warnings: &[impl Display]) {
    for warning in warnings {
        complain(format_args!("{object}: warning: {warning}"));
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

/// A path in JSON or YAML, which hold only text: bytes that are not UTF-8 are shown as U+FFFD.
pub(crate) fn path<S: Serializer>(path: impl AsRef<Path>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.as_ref().display())
}

/// The same of a path that may be missing.
pub(crate) fn optional_path<S: Serializer>(
    path: &Option<impl AsRef<Path>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => self::path(path, to),
        None => to.serialize_none(),
    }
}

/// True when the reader went away, as `head` does: it has what it wanted.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
