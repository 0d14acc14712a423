//! Writes the seeds for the webhook, from its admission tests: `cargo run --example admission_seeds`, in this
//! directory. A review whose name begins with `good-` is let in under the rules of the target.

use std::fs;
use std::path::Path;

use fpga_webhook::testing::{World, review_of_case};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("corpus/admission");
    fs::create_dir_all(&corpus)?;
    let world = World::default();
    for entry in fs::read_dir(root.join("../crates/webhook/tests/admission"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let case: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
        // The objects are no case; what is long is left to the tests.
        let review = review_of_case(&case);
        if case.is_array() || review.len() > 4096 {
            continue;
        }
        let short = name.trim_start_matches("accepts_").trim_start_matches("rejects_");
        let mark = if world.check(&review) { "good-" } else { "" };
        fs::write(corpus.join(format!("{mark}{}", short.replace('_', "-"))), review)?;
    }
    Ok(())
}
