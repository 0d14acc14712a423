//! What the API server takes, by the rules and patterns of the definitions, and that it is what
//! [`Meaning`] takes.

#![allow(clippy::unwrap_used)]

use fpga_api::{Kind, Meaning};
use regex::Regex;
use serde_json::{Value, json};

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

/// The schema of each served version.
fn schemas(kind: Kind) -> Vec<(String, Value)> {
    let crd =
        fpga_api::crds().into_iter().find(|crd| crd.spec.names.kind == kind.as_str()).unwrap();
    let versions = crd.spec.versions.into_iter();
    versions
        .map(|version| {
            let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
            (version.name, serde_json::to_value(schema).unwrap())
        })
        .collect()
}

/// Why the API server would refuse the object: pattern, enumeration, required field or CEL rule.
fn refusal(schema: &Value, object: &Value) -> Option<String> {
    let (spec, rules) = (&schema["properties"]["spec"], &object["spec"]);
    for name in spec["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if rules.get(name).is_none() {
            return Some(format!("no {name}"));
        }
    }
    for (name, field) in spec["properties"].as_object().unwrap() {
        let Some(value) = rules.get(name) else { continue };
        let Some(text) = value.as_str() else { return Some(format!("{name} is no text")) };
        if let Some(pattern) = field["pattern"].as_str()
            && !Regex::new(pattern).unwrap().is_match(text)
        {
            return Some(format!("{name} against {pattern}"));
        }
        if let Some(words) = field["enum"].as_array()
            && !words.contains(value)
        {
            return Some(format!("{name} is none of the enumeration"));
        }
    }
    kube_cel::Validator::new().validate(schema, object, None).err().map(|errors| errors.to_string())
}

fn object(kind: Kind, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "fpga.intel.com/v2",
        "kind": kind.as_str(),
        "metadata": { "name": name, "namespace": "vision" },
        "spec": spec,
    })
}

/// Both readings of the object agree, in each version, and on this.
fn check(kind: Kind, name: &str, spec: &Value, is_good: bool) {
    for (version, schema) in schemas(kind) {
        let refused = refusal(&schema, &object(kind, name, spec));
        assert_eq!(refused.is_none(), is_good, "{version} {kind} {name} {spec}: {refused:?}");
    }
    let read = Meaning::read(kind, name, spec);
    assert_eq!(read.is_ok(), is_good, "{kind} {name} {spec}: {read:?}");
}

#[test]
fn accepts_every_form_of_both_versions() {
    for spec in [
        json!({ "afuId": NLB3 }),
        json!({ "afuId": NLB3, "mode": "af" }),
        json!({ "afuId": NLB3, "interfaceId": A10 }),
        json!({ "afuId": NLB3, "interfaceId": A10, "mode": "region" }),
        json!({ "afuId": HASH, "interfaceId": A10 }),
        json!({ "afuId": HASH, "interfaceId": A10, "mode": "region" }),
    ] {
        check(Kind::Function, "arria10-nlb3", &spec, true);
    }
    check(Kind::Region, "arria10.dcp1.0", &json!({ "interfaceId": A10 }), true);
}

/// The defect of upstream's patterns: `^af|region$` took `afoo`, and ids of 8 to 40 digits passed.
#[test]
fn rejects_what_upstreams_patterns_took() {
    for spec in [
        json!({}),
        json!({ "afuId": "" }),
        json!({ "afuId": "d8424dc4" }),
        json!({ "afuId": &NLB3[1..] }),
        json!({ "afuId": &HASH[1..], "interfaceId": A10 }),
        json!({ "afuId": NLB3.to_uppercase() }),
        json!({ "afuId": "f7df405c-bd7a-cf72-22f1-44b0b93acd18" }),
        json!({ "afuId": 7 }),
        json!({ "afuId": "f".repeat(32) }),
        json!({ "afuId": NLB3, "interfaceId": "f".repeat(32) }),
        json!({ "afuId": NLB3, "interfaceId": &A10[..31] }),
        json!({ "afuId": NLB3, "interfaceId": HASH }),
        json!({ "afuId": NLB3, "interfaceId": A10, "mode": "afoo" }),
        json!({ "afuId": NLB3, "interfaceId": A10, "mode": "xregion" }),
        json!({ "afuId": NLB3, "interfaceId": A10, "mode": "" }),
        json!({ "afuId": NLB3, "mode": "region" }),
        json!({ "afuId": HASH }),
        json!({ "afuId": HASH, "interfaceId": A10, "mode": "af" }),
    ] {
        check(Kind::Function, "arria10-nlb3", &spec, false);
    }
    for spec in [json!({}), json!({ "interfaceId": "d8424dc4" }), json!({ "interfaceId": HASH })] {
        check(Kind::Region, "arria10", &spec, false);
    }
}

#[test]
fn names_are_those_of_resources() {
    let function = json!({ "afuId": NLB3, "interfaceId": A10 });
    let region = json!({ "interfaceId": A10 });
    for (kind, name, is_good) in [
        (Kind::Function, format!("af-{NLB3}"), true),
        (Kind::Function, format!("af-{A10}"), false),
        (Kind::Function, format!("region-{A10}"), false),
        (Kind::Region, format!("region-{A10}"), true),
        (Kind::Region, format!("region-{NLB3}"), false),
        (Kind::Region, format!("regiondevel-{A10}"), true),
        (Kind::Region, format!("regiondevel-{NLB3}"), false),
        (Kind::Function, format!("regiondevel-{A10}"), false),
        (Kind::Region, format!("af-{HASH}"), false),
        (Kind::Function, "af-arria10".to_owned(), true),
        (Kind::Function, "a".repeat(63), true),
        (Kind::Function, "a".repeat(64), false),
    ] {
        let spec = if kind == Kind::Function { &function } else { &region };
        check(kind, &name, spec, is_good);
    }
}

#[test]
fn every_rule_compiles_and_each_version_has_the_same_schema() {
    for kind in [Kind::Function, Kind::Region] {
        let schemas = schemas(kind);
        assert_eq!(schemas.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
        assert_eq!(schemas[0].1, schemas[1].1);
        for (_, schema) in &schemas {
            assert!(!kube_cel::compile_schema(schema).has_errors());
            assert!(schema["x-kubernetes-validations"].as_array().unwrap().len() >= 2);
        }
    }
}
