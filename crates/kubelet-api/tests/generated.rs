//! The committed wire code is what the `.proto` files say.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

fn crate_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn generate(proto: &Path, out: &Path) {
    let files = protox::compile([proto], [crate_dir().join("proto")]).unwrap();
    tonic_prost_build::configure().out_dir(out).compile_fds(files).unwrap();
}

#[test]
fn device_plugin_code_is_generated_from_its_proto_file() {
    check("v1beta1.proto", "v1beta1.rs", "v1beta1.rs");
}

#[test]
fn pod_resources_code_is_generated_from_its_proto_file() {
    check("podresources.v1.proto", "v1.rs", "podresources/v1.rs");
}

/// Compares what comes of `proto`, which is called `generated`, with what is committed in `src`.
fn check(proto: &str, generated: &str, committed: &str) {
    let out = tempfile::tempdir().unwrap();
    generate(&crate_dir().join("proto").join(proto), out.path());
    let fresh = std::fs::read_to_string(out.path().join(generated)).unwrap();
    let committed = crate_dir().join("src").join(committed);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let found = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(found == fresh, "{} is stale: run with UPDATE_GENERATED=1", committed.display());
}
