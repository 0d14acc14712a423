use std::sync::atomic::{AtomicBool, Ordering};

use fpga::names::{Mode, Naming, RegionDevelName};
use serde_json::json;

use super::*;

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const D5005: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";

fn function(name: &str, afu: &str, interface: &str, mode: &str) -> Object {
    let spec = json!({ "afuId": afu, "interfaceId": interface, "mode": mode });
    Object::read(Kind::Function, "vision", name, &spec)
}

fn region(name: &str, interface: &str) -> Object {
    Object::read(Kind::Region, "vision", name, &json!({ "interfaceId": interface }))
}

fn granted(index: &Index, resource: &str) -> Option<Modes> {
    index.snapshot().namespace("vision")?.granted(&format!("fpga.intel.com/{resource}"))
}

fn offer(index: &Index, name: &str) -> Option<String> {
    let snapshot = index.snapshot();
    match snapshot.namespace("vision")?.find(name) {
        Found::Offer(offer) => Some(offer.resource.to_string()),
        Found::Nothing | Found::Fault(..) | Found::Both => None,
    }
}

/// Upstream: Add one good af; Add one and remove one good af; Add one broken af.
#[test]
fn functions_come_and_go() {
    let index = Index::new(Rules::default());
    index.apply(&function("nlb3", NLB3, A10, "af"));
    assert_eq!(offer(&index, "nlb3"), Some(format!("fpga.intel.com/af-{NLB3}")));
    assert_eq!(granted(&index, &format!("af-{NLB3}")), Some(Modes::only(Mode::Af)));
    index.delete(Kind::Function, "vision", "nlb3");
    assert_eq!((offer(&index, "nlb3"), granted(&index, &format!("af-{NLB3}"))), (None, None));
    assert!(index.snapshot().is_empty(), "a namespace without objects takes no memory");

    index.apply(&function("broken", "d8424dc4", A10, "af"));
    let snapshot = index.snapshot();
    let found = snapshot.namespace("vision").unwrap().find("broken");
    assert!(matches!(found, Found::Fault(Kind::Function, reason) if reason.contains("d8424dc4")));
}

/// Upstream: Add one good region; Add one and remove one good region; Add one region and one alias; ... then
/// remove one alias; ... then remove all.
#[test]
fn regions_and_aliases_come_and_go() {
    let index = Index::new(Rules::default());
    let resource = format!("regiondevel-{A10}");
    index.apply(&region("arria10", A10));
    index.apply(&region("alias", A10));
    assert_eq!(offer(&index, "arria10"), offer(&index, "alias"));
    index.delete(Kind::Region, "vision", "alias");
    assert_eq!(offer(&index, "alias"), None);
    assert_eq!(granted(&index, &resource), Some(Modes::only(Mode::RegionDevel)));
    index.delete(Kind::Region, "vision", "arria10");
    assert_eq!(granted(&index, &resource), None);
    // Again, and one that never was.
    index.delete(Kind::Region, "vision", "arria10");
    index.delete(Kind::Region, "nowhere", "arria10");
    assert!(index.snapshot().is_empty());
}

/// Upstream counted up at each update and never released what was before.
#[test]
fn an_update_takes_back_what_was_granted_before() {
    let index = Index::new(Rules::default());
    for _ in 0..3 {
        index.apply(&function("f", NLB3, A10, "region"));
    }
    index.apply(&function("f", NLB0, D5005, "region"));
    assert_eq!(granted(&index, &format!("region-{A10}")), None);
    assert_eq!(granted(&index, &format!("region-{D5005}")), Some(Modes::only(Mode::Region)));
    let snapshot = index.snapshot();
    let namespace = snapshot.namespace("vision").unwrap();
    assert!(!namespace.may_program(A10.parse().unwrap(), NLB3.parse().unwrap()));
    assert!(namespace.may_program(D5005.parse().unwrap(), NLB0.parse().unwrap()));
    // One that becomes faulty grants nothing more.
    index.apply(&function("f", "d8424dc4", D5005, "region"));
    assert_eq!(granted(&index, &format!("region-{D5005}")), None);
    index.delete(Kind::Function, "vision", "f");
    assert!(index.snapshot().is_empty());
}

/// Upstream let one overwrite the other.
#[test]
fn a_function_and_a_region_of_one_name_are_two() {
    let index = Index::new(Rules::default());
    index.apply(&function("x", NLB3, A10, "region"));
    index.apply(&region("x", A10));
    assert_eq!(granted(&index, &format!("region-{A10}")), Some(Modes::only(Mode::Region)));
    let devel = Some(Modes::only(Mode::RegionDevel));
    assert_eq!(granted(&index, &format!("regiondevel-{A10}")), devel);
    assert_eq!(index.snapshot().namespace("vision").unwrap().find("x"), Found::Both);
    index.delete(Kind::Region, "vision", "x");
    assert_eq!(offer(&index, "x"), Some(format!("fpga.intel.com/region-{A10}")));
}

/// No function leads to a management node, whatever it says and whatever the rules are but one.
#[test]
fn only_a_region_grants_its_management_node() {
    for default_mode in [DefaultMode::Preprogrammed, DefaultMode::Orchestrated] {
        for naming in Naming::ALL {
            let index = Index::new(Rules { default_mode, naming, ..Rules::default() });
            for (name, mode) in [("a", json!("af")), ("b", json!("region")), ("c", json!(null))] {
                let spec = json!({ "afuId": NLB3, "interfaceId": A10, "mode": mode });
                index.apply(&Object::read(Kind::Function, "vision", name, &spec));
                assert!(!offer(&index, name).unwrap().contains("regiondevel"));
            }
            assert_eq!(granted(&index, &format!("regiondevel-{A10}")), None);
            index.apply(&region("devel", A10));
            assert_eq!(offer(&index, "devel"), Some(format!("fpga.intel.com/regiondevel-{A10}")));
            assert_eq!(granted(&index, &format!("region-{A10}")), Some(Modes::only(Mode::Region)));
        }
    }
}

/// As upstream has it.
#[test]
fn both_modes_can_share_a_name() {
    let regiondevel = RegionDevelName::Shared;
    let index = Index::new(Rules { regiondevel, ..Rules::default() });
    index.apply(&function("f", NLB3, A10, "region"));
    index.apply(&region("r", A10));
    assert_eq!(offer(&index, "f"), offer(&index, "r"));
    let both = Modes::only(Mode::Region).or(Modes::only(Mode::RegionDevel));
    assert_eq!(granted(&index, &format!("region-{A10}")), Some(both));
    assert_eq!(granted(&index, &format!("regiondevel-{A10}")), None);
}

#[test]
fn a_list_replaces_the_objects_of_its_kind() {
    let index = Index::new(Rules::default());
    index.apply(&function("old", NLB0, A10, "af"));
    index.apply(&region("kept", D5005));
    let list = [function("b", NLB3, A10, "af"), function("a", NLB3, A10, "region")];
    index.replace(Kind::Function, &list);
    assert_eq!(offer(&index, "old"), None);
    assert!(
        offer(&index, "kept").is_some()
            && offer(&index, "a").is_some()
            && offer(&index, "b").is_some()
    );
    assert_eq!(index.snapshot().len(), 3);
    assert!(granted(&index, &format!("region-{A10}")).is_some());
    index.replace(Kind::Function, &[]);
    index.replace(Kind::Region, &[]);
    assert!(index.snapshot().is_empty());
}

#[test]
fn the_default_mode_is_for_functions_that_name_none() {
    let spec = json!({ "afuId": NLB3, "interfaceId": A10 });
    let object = Object::read(Kind::Function, "vision", "f", &spec);
    for (word, resource) in
        [("preprogrammed", format!("af-{NLB3}")), ("orchestrated", format!("region-{A10}"))]
    {
        let rules = Rules { default_mode: word.parse().unwrap(), ..Rules::default() };
        assert_eq!(rules.default_mode.to_string(), word);
        let index = Index::new(rules);
        index.apply(&object);
        assert_eq!(offer(&index, "f"), Some(format!("fpga.intel.com/{resource}")));
    }
    assert!("af".parse::<DefaultMode>().is_err());
}

/// Upstream died of 24 parallel requests, by a map that was read and written at once.
#[test]
fn readers_see_one_state_or_the_next_while_it_changes() {
    let index = Index::new(Rules::default());
    index.apply(&function("f", NLB3, A10, "region"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let snapshot = index.snapshot();
                    let namespace = snapshot.namespace("vision").unwrap();
                    let of = |afu: &str| {
                        namespace.may_program(A10.parse().unwrap(), afu.parse().unwrap())
                    };
                    assert!(of(NLB3) != of(NLB0), "one of the two, never both or none");
                }
            });
        }
        for turn in 0..2000 {
            let afu = if turn % 2 == 0 { NLB0 } else { NLB3 };
            index.apply(&function("f", afu, A10, "region"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
