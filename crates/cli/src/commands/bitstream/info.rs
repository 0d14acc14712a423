//! `fpgactl bitstream info`: what a file says about itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use fpga::bitstream::{Bitstream, ImageId};
use fpga::catalog;
use fpga::id::{AfuId, InterfaceId};
use serde::Serialize;

use crate::args::StoreArgs;
use crate::output::{self, Form};
use crate::status::Status;
use fpga_findings::table::dash;

/// Show what bitstream files hold, for which regions they are, and where they belong in the store
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  fpgactl bitstream info nlb_mode_3.gbs
  fpgactl bitstream info -o json *.gbs | jq -r '.[] | [.interfaceId, .afuId] | @tsv'")]
pub(crate) struct Args {
    /// Bitstream files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let mut status = Status::Sound;
    let mut described = Vec::new();
    for path in &args.files {
        let result = Bitstream::open(path).map(|bitstream| Info::new(args, path, &bitstream));
        match result {
            Ok(info) => described.push(info),
            Err(error) => {
                output::complain(&error);
                status = Status::Diagnosed;
            }
        }
    }
    let problems = described.iter().flat_map(|info| &info.problems);
    for problem in problems {
        output::complain(problem);
        status = Status::Diagnosed;
    }
    output::form(args.output, &described, |described| {
        described.iter().map(Info::text).collect::<Vec<_>>().join("\n")
    })?;
    // Of a single file that is no bitstream nothing was shown.
    Ok(if described.is_empty() { Status::Failed } else { status })
}

/// The names are those of `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    #[serde(serialize_with = "output::path")]
    file: PathBuf,
    format: String,
    bytes: u64,
    interface_id: Option<InterfaceId>,
    afu_id: Option<AfuId>,
    afu_names: Vec<&'static str>,
    hash: Option<String>,
    #[serde(serialize_with = "output::optional_path")]
    installation_path: Option<PathBuf>,
    name: Option<String>,
    platform: Option<String>,
    interface_class: Option<String>,
    contexts: Option<i64>,
    clock_high: Option<String>,
    clock_low: Option<String>,
    power_watts: Option<f64>,
    board: Option<String>,
    target: Option<String>,
    compiler: Option<String>,
    /// It begins with the block of a signature, which is for the card to check.
    signed: bool,
    /// Fields that count as left out since they cannot be understood.
    ignored: Vec<String>,
    problems: Vec<String>,
}

impl Info {
    fn new(args: &Args, path: &Path, bitstream: &Bitstream) -> Self {
        let contents = bitstream.contents();
        let (metadata, aocx) = (contents.metadata(), contents.aocx());
        let mut problems = Vec::new();
        let interface_id = kept(bitstream.interface_id(), &mut problems);
        let afu_id = kept(bitstream.afu_id(), &mut problems);
        let hash = kept(bitstream.hash(), &mut problems).flatten();
        let image = match (aocx, hash) {
            (Some(_), hash) => hash.map(ImageId::Aocx),
            (None, _) => afu_id.map(ImageId::Afu),
        };
        let installed =
            interface_id.zip(image).map(|(id, image)| args.store.open().path(id, image));
        Self {
            file: path.to_owned(),
            format: contents.format().to_string(),
            bytes: bitstream.file_len(),
            interface_id,
            afu_id,
            afu_names: afu_id
                .into_iter()
                .flat_map(catalog::by_id)
                .map(|entry| entry.name)
                .collect(),
            hash: hash.map(|hash| hash.to_string()),
            installation_path: installed,
            name: metadata.name.clone(),
            platform: metadata.platform_name.clone(),
            interface_class: metadata.interface_class.clone(),
            contexts: metadata.total_contexts,
            clock_high: metadata.clock_high.as_ref().map(ToString::to_string),
            clock_low: metadata.clock_low.as_ref().map(ToString::to_string),
            power_watts: metadata.power,
            board: aocx.and_then(|aocx| aocx.board.clone()),
            target: aocx.and_then(|aocx| aocx.target.clone()),
            compiler: aocx.and_then(|aocx| aocx.version.clone()),
            signed: contents.is_signed(),
            ignored: metadata.ignored.clone(),
            problems,
        }
    }

    /// Fields that the file leaves out are left out, the ids apart.
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.file.display());
        let mut line = |name: &str, value: String| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {name:<18}{value}");
        };
        line("format", self.format.clone());
        line("size", format!("{} bytes", self.bytes));
        line("interface", dash(self.interface_id));
        line("function", dash(self.afu_id.map(output::function)));
        let optional = [
            ("hash", self.hash.clone()),
            (
                "installation path",
                self.installation_path.as_ref().map(|path| path.display().to_string()),
            ),
            ("name", printable(self.name.as_ref())),
            ("platform", printable(self.platform.as_ref())),
            ("interface class", printable(self.interface_class.as_ref())),
            ("contexts", self.contexts.map(|number| number.to_string())),
            ("user clock, high", self.clock_high.clone()),
            ("user clock, low", self.clock_low.clone()),
            ("power", self.power_watts.map(|watts| format!("{watts} W"))),
            ("board", printable(self.board.as_ref())),
            ("target", printable(self.target.as_ref())),
            ("compiler", printable(self.compiler.as_ref())),
            ("signature", self.signed.then(|| "there; only the card can check it".to_owned())),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                line(name, value);
            }
        }
        for field in &self.ignored {
            line("ignored", field.clone());
        }
        text
    }
}

fn kept<T>(result: Result<T, fpga::bitstream::Error>, problems: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| problems.push(error.to_string())).ok()
}

/// Text from a file without control characters, which a terminal would obey; `None` for none.
pub(super) fn printable(text: Option<&String>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(
        text.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cannot_drive_the_terminal() {
        let text = |text: &str| printable(Some(&text.to_owned()));
        assert_eq!(text("\x1b[2Jnlb\n\u{9b}é"), Some("\\u{1b}[2Jnlb\\n\\u{9b}é".to_owned()));
        assert_eq!(text(""), None);
        assert_eq!(printable(None), None);
    }
}
