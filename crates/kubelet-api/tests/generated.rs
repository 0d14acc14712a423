//! The committed wire code is what its `.proto` file says.

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
fn committed_code_is_generated_from_the_proto_file() {
    let out = tempfile::tempdir().unwrap();
    generate(&crate_dir().join("proto/v1beta1.proto"), out.path());
    let fresh = std::fs::read_to_string(out.path().join("v1beta1.rs")).unwrap();
    let committed = crate_dir().join("src/v1beta1.rs");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let found = std::fs::read_to_string(&committed).unwrap();
    assert!(found == fresh, "{} is stale: run with UPDATE_GENERATED=1", committed.display());
}
