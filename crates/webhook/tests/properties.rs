//! What holds for every pod.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use fpga_webhook::decide::{Outcome, Settings, decide};
use fpga_webhook::index::Index;
use fpga_webhook::testing::{self, Answer, review};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

static INDEX: LazyLock<Index> = LazyLock::new(testing::index);

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const D5005: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";

/// Names that there are and that there are not, friendly and real, of all modes.
fn resource() -> impl Strategy<Value = String> {
    let region = [
        "nlb3-region".to_owned(),
        "nlb0-region".to_owned(),
        "matrix-mult".to_owned(),
        format!("region-{A10}"),
        format!("region-{D5005}"),
    ];
    let others =
        ["nlb3-af", "nlb0-af", "arria10-nlb3", "arria10", "d5005", "short", "both", "unknown"];
    let mut names = others.map(str::to_owned).to_vec();
    names.extend([format!("af-{NLB3}"), format!("af-{NLB0}"), format!("af-{A10}")]);
    names.extend([A10, D5005].map(|interface| format!("regiondevel-{interface}")));
    prop_oneof![3 => select(region.to_vec()), 2 => select(names)]
        .prop_map(|n| format!("fpga.intel.com/{n}"))
}

fn foreign() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("cpu".to_owned()),
        Just("hugepages-2Mi".to_owned()),
        Just("fpga.intel.community/x".to_owned()),
        "[a-z]{1,5}\\.example/[a-z~.]{1,6}",
    ]
}

fn quantity() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => (0..4_u32).prop_map(|n| json!(n.to_string())),
        1 => Just(json!("1000m")),
        1 => Just(json!("2e0")),
        1 => Just(json!(1)),
        1 => select(vec![json!("0.5"), json!("x"), json!("-1"), json!("300"), json!(1.5)]),
    ]
}

/// Limits, and requests that mostly are the same.
fn resources() -> impl Strategy<Value = Value> {
    let lists = (btree_map(resource(), quantity(), 0..4), btree_map(foreign(), quantity(), 0..3));
    (lists, 0..8_u8).prop_map(|((ours, others), kind)| {
        let all: Map<String, Value> = ours.into_iter().chain(others.clone()).collect();
        match kind {
            0 => json!({ "limits": all }),
            1 => json!({ "limits": all, "requests": others, "claims": [{ "name": "x" }] }),
            2 => json!({ "requests": all }),
            _ => json!({ "limits": all, "requests": all }),
        }
    })
}

fn variable() -> impl Strategy<Value = Value> {
    let value = prop_oneof![any::<String>(), "\\$\\([A-Z]{1,3}\\)"];
    prop_oneof![
        6 => ("[A-Z]{1,3}", value).prop_map(|(name, value)| json!({ "name": name, "value": value })),
        2 => "[A-Z]{1,3}".prop_map(|name| json!({
            "name": name, "valueFrom": { "secretKeyRef": { "name": "s", "key": name } }, "later": [1, null],
        })),
    ]
}

/// What the webhook itself writes, more or less.
fn promises() -> impl Strategy<Value = Vec<Value>> {
    let ids = (
        select(vec![A10, D5005]),
        select(vec![NLB3, NLB0, "x", "40007c0623210742000ebc58df6f5343e668b03a"]),
    );
    prop_oneof![4 => Just(vec![]), 2 => vec(ids, 1..3)].prop_map(|pairs: Vec<(&str, &str)>| {
        let numbered = pairs.into_iter().zip(1..);
        numbered
            .flat_map(|((region, afu), n)| {
                [
                    json!({ "name": format!("FPGA_REGION_{n}"), "value": region }),
                    json!({ "name": format!("FPGA_AFU_{n}"), "value": afu }),
                ]
            })
            .collect()
    })
}

fn container() -> impl Strategy<Value = Value> {
    let env = option::of((promises(), vec(variable(), 0..4)));
    ("[a-z]{1,4}", option::of(resources()), env, any::<Option<u8>>()).prop_map(
        |(name, resources, env, newer)| {
            let mut container = json!({ "name": name, "image": "nlb:1" });
            if let Some(resources) = resources {
                container["resources"] = resources;
            }
            if let Some((promises, variables)) = env {
                container["env"] = [promises, variables].concat().into();
            }
            if let Some(newer) = newer {
                container["newer"] = json!({ "z": newer, "a": [{}, null, 0.1] });
            }
            container
        },
    )
}

fn pod() -> impl Strategy<Value = Value> {
    (vec(container(), 0..2), vec(container(), 1..4), any::<String>()).prop_map(
        |(init, main, note)| {
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": { "generateName": "p-", "annotations": { "note": note } },
                "spec": { "initContainers": init, "containers": main, "newer": { "b": 1, "a": 2 } },
            })
        },
    )
}

fn ask(namespace: &str, pod: &Value) -> Answer {
    Answer::read(&decide(&review(namespace, Some(pod), &Value::Null), &INDEX, &Settings::default()))
}

fn containers(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = pod["spec"].as_object_mut().unwrap();
    spec.iter_mut()
        .filter(|(name, _)| name.ends_with("ontainers"))
        .flat_map(|(_, list)| list.as_array_mut().unwrap())
}

/// The pod without anything of FPGAs.
fn without_fpgas(pod: &Value) -> String {
    let mut pod = pod.clone();
    for container in containers(&mut pod) {
        for list in ["limits", "requests"] {
            if let Some(list) = container["resources"][list].as_object_mut() {
                list.retain(|name, _| !name.starts_with("fpga.intel.com/"));
            }
        }
        if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
            env.retain(|variable| !variable["name"].as_str().unwrap().starts_with("FPGA_"));
            if env.is_empty() {
                container.as_object_mut().unwrap().remove("env");
            }
        }
        if container["resources"].is_null() {
            container.as_object_mut().unwrap().remove("resources");
        }
    }
    serde_json::to_string(&pod).unwrap()
}

/// How many of our resources each container has, by interface or function.
fn check_promises(pod: &mut Value) {
    for container in containers(pod) {
        let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
        let ours: Vec<_> =
            limits.iter().filter(|(name, _)| name.starts_with("fpga.intel.com/")).collect();
        for (name, _) in &ours {
            assert!(name.parse::<fpga::names::ResourceName>().is_ok(), "{name} is no real name");
        }
        let env = container["env"].as_array().cloned().unwrap_or_default();
        let value = |name: String| {
            let found: Vec<_> =
                env.iter().filter(|variable| variable["name"] == name.as_str()).collect();
            assert!(found.len() <= 1);
            found.first().map(|variable| variable["value"].as_str().unwrap().to_owned())
        };
        let promised: Vec<_> = (1..).map_while(|n| value(format!("FPGA_REGION_{n}"))).collect();
        for interface in [A10, D5005] {
            let promised = promised.iter().filter(|region| *region == interface).count();
            let name = format!("fpga.intel.com/region-{interface}");
            let units = limits.get(&name).map_or(0, |units| match units {
                Value::String(text) => {
                    text.trim_end_matches("000m").trim_end_matches("e0").parse().unwrap()
                }
                other => usize::try_from(other.as_u64().unwrap()).unwrap(),
            });
            assert!(promised <= units, "{promised} promises for {units} regions");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A pod that passed passes again, as it is; what is not of FPGAs stays as it was, to the byte; what a
    /// container has in the end are real resources, and no promise without a region.
    #[test]
    fn a_pod_that_passed_is_a_fixed_point(pod in pod()) {
        let answer = ask("vision", &pod);
        if answer.refused.is_some() {
            return Ok(());
        }
        let mut patched = answer.apply(&pod);
        prop_assert_eq!(without_fpgas(&pod), without_fpgas(&patched));
        let again = ask("vision", &patched);
        prop_assert_eq!(again.outcome, Outcome::Passed, "{}: {}", patched, again.to_json());
        if pod.to_string().contains("\"fpga.intel.com/") {
            check_promises(&mut patched);
        }
    }

    /// A namespace without objects gets nothing, whatever the pod looks like.
    #[test]
    fn nothing_is_had_without_a_grant(pod in pod()) {
        let answer = ask("empty", &pod);
        let asks = {
            let mut pod = pod.clone();
            let lists = containers(&mut pod).map(|container| container["resources"].to_string()).collect::<String>();
            lists.contains("\"fpga.intel.com/")
        };
        prop_assert_eq!(answer.refused.is_some(), asks, "{}", answer.to_json());
        prop_assert_eq!(answer.patch, None);
    }
}

/// The strategies do reach pods that are patched.
#[test]
fn many_of_the_pods_are_patched() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 3];
    for _ in 0..1000 {
        let pod = pod().new_tree(&mut runner).unwrap().current();
        counts[match ask("vision", &pod).outcome {
            Outcome::Patched => 0,
            Outcome::Passed => 1,
            Outcome::Refused | Outcome::BadRequest => 2,
        }] += 1;
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}
