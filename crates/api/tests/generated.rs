//! The committed CRDs are what the types say.

#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_definitions_are_generated_from_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for crd in fpga_api::crds() {
        let path = directory.join(format!("{}.yaml", crd.metadata.name.as_ref().unwrap()));
        let fresh = format!(
            "# Generated from crates/api: UPDATE_GENERATED=1 cargo test -p fpga-api --test generated\n{}",
            serde_saphyr::to_string(&crd).unwrap()
        );
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == fresh, "{} is stale: run with UPDATE_GENERATED=1", path.display());
        // What is written is what is meant.
        let read: serde_json::Value = serde_saphyr::from_str(&fresh).unwrap();
        assert_eq!(read, serde_json::to_value(&crd).unwrap());
    }
}
