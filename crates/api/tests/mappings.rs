//! The objects that are shipped are good ones.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use fpga::bitstream::ImageId;
use fpga::catalog;
use fpga_api::{Kind, Meaning};
use serde_json::Value;

/// Kind, name and meaning of each object in the file.
fn objects(file: &str) -> Vec<(Kind, String, Meaning)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/mappings").join(file);
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap();
    documents
        .iter()
        .map(|object| {
            let version =
                object["apiVersion"].as_str().and_then(|v| v.strip_prefix("fpga.intel.com/"));
            assert!(fpga_api::VERSIONS.contains(&version.unwrap()), "{object}");
            let kind = match object["kind"].as_str().unwrap() {
                "AcceleratorFunction" => Kind::Function,
                "FpgaRegion" => Kind::Region,
                other => panic!("{other}"),
            };
            let name = object["metadata"]["name"].as_str().unwrap();
            // Whoever applies the file names the namespace.
            assert_eq!(object["metadata"].as_object().unwrap().len(), 1, "{object}");
            let meaning = Meaning::read(kind, name, &object["spec"]);
            (kind, name.to_owned(), meaning.unwrap_or_else(|fault| panic!("{name}: {fault}")))
        })
        .collect()
}

#[test]
fn every_object_is_good_and_no_two_have_one_name() {
    let files = [
        ("mappings-collection.yaml", Kind::Function, 17),
        ("arria10.yaml", Kind::Function, 2),
        // Objects that grant management nodes are in a separate directory, which `kubectl apply -f mappings/` leaves out.
        ("development/regions.yaml", Kind::Region, 5),
    ];
    let mut names = BTreeSet::new();
    for (file, kind, count) in files {
        let all = objects(file);
        assert_eq!(all.len(), count, "{file}");
        for (found, name, _) in all {
            assert_eq!(found, kind, "{file}: {name}");
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }
}

#[test]
fn the_functions_are_those_of_the_catalogue() {
    for (_, name, meaning) in
        objects("mappings-collection.yaml").into_iter().chain(objects("arria10.yaml"))
    {
        let Meaning::Function { image, .. } = meaning else { continue };
        let ImageId::Afu(id) = image else {
            assert_eq!(name, "d5005-matrix-mult-orchestrated");
            continue;
        };
        let known = catalog::display_name(id).unwrap();
        let expected = if name.contains("nlb0") { "nlb_mode_0" } else { "nlb_mode_3" };
        assert_eq!(known, expected, "{name}");
    }
}
