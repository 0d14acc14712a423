use serde_json::json;

use super::*;

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";
const ONES: &str = "ffffffffffffffffffffffffffffffff";

fn function(spec: Value) -> Result<Meaning, String> {
    Meaning::read(Kind::Function, "arria10-nlb3", &spec).map_err(|fault| fault.to_string())
}

#[test]
fn functions_of_both_versions_are_read() {
    let expect = |image: &str, interface: Option<&str>, mode| Meaning::Function {
        image: image.parse().unwrap(),
        interface: interface.map(|id| id.parse().unwrap()),
        mode,
    };
    let (af, region) = (Some(FunctionMode::Af), Some(FunctionMode::Region));
    for (spec, meaning) in [
        (json!({ "afuId": NLB3 }), expect(NLB3, None, None)),
        (json!({ "afuId": NLB3, "interfaceId": A10 }), expect(NLB3, Some(A10), None)),
        (json!({ "afuId": NLB3, "mode": "af", "new": 1 }), expect(NLB3, None, af)),
        (
            json!({ "afuId": NLB3, "interfaceId": A10, "mode": "region" }),
            expect(NLB3, Some(A10), region),
        ),
        // A hash is always programmed.
        (json!({ "afuId": HASH, "interfaceId": A10 }), expect(HASH, Some(A10), region)),
    ] {
        assert_eq!(function(spec.clone()), Ok(meaning), "{spec}");
    }
}

#[test]
fn regions_are_read() {
    let read = |spec| Meaning::read(Kind::Region, "arria10.dcp1.0", &spec);
    let interface = A10.parse().unwrap();
    assert_eq!(read(json!({ "interfaceId": A10 })), Ok(Meaning::Region { interface }));
    assert_eq!(read(json!({})), Err(Fault::Missing("interfaceId")));
    assert_eq!(read(json!({ "interfaceId": ONES })), Err(Fault::CrashMarker("interfaceId")));
}

#[test]
fn what_is_wrong_is_named() {
    for (spec, reason) in [
        (json!(null), "it has no spec.afuId"),
        (json!("text"), "it has no spec.afuId"),
        (json!({ "afuId": 7 }), "spec.afuId is no text"),
        (json!({ "afuId": "../../etc" }), "spec.afuId: image id \"../../etc\": expected"),
        (json!({ "afuId": NLB3.to_uppercase() }), "spec.afuId: \"F7DF"),
        (json!({ "afuId": &NLB3[1..] }), "spec.afuId: image id"),
        (json!({ "afuId": ONES }), "spec.afuId is all ones"),
        (json!({ "afuId": NLB3, "interfaceId": "69528db6" }), "spec.interfaceId: interface id"),
        (json!({ "afuId": NLB3, "mode": "afoo" }), "spec.mode \"afoo\": expected af or region"),
        (json!({ "afuId": NLB3, "mode": "regiondevel" }), "spec.mode \"regiondevel\""),
        (json!({ "afuId": NLB3, "mode": "region" }), "it has no spec.interfaceId"),
        (json!({ "afuId": HASH }), "it has no spec.interfaceId"),
        (json!({ "afuId": HASH, "interfaceId": A10, "mode": "af" }), "spec.afuId is the hash of"),
    ] {
        let found = function(spec.clone()).unwrap_err();
        assert!(found.starts_with(reason), "{spec}: {found}");
        assert!(!found.contains(char::is_control));
    }
}

#[test]
fn a_name_that_is_a_resource_belongs_to_that_resource() {
    let spec = json!({ "afuId": NLB3, "interfaceId": A10 });
    let read = |name: &str| Meaning::read(Kind::Function, name, &spec);
    assert!(read(&format!("af-{NLB3}")).is_ok());
    for name in [format!("af-{A10}"), format!("region-{A10}"), format!("regiondevel-{A10}")] {
        assert_eq!(read(&name), Err(Fault::OthersName(name)));
    }
    assert!(read("af-arria10").is_ok());
    assert!(read(&"a".repeat(63)).is_ok());
    assert_eq!(read(&"a".repeat(64)), Err(Fault::LongName));
}
