//! What a review can take of the webhook's memory, whatever is in it: at most eight times its own size, and no more
//! blocks than it has tokens.

#![allow(clippy::unwrap_used)]

mod counting;

use fpga_webhook::decide::{Decision, Outcome, Settings, Stage, decide, decide_at};
use fpga_webhook::index::Index;
use fpga_webhook::testing::index;
use serde_json::Value;

use counting::{Cost, Counting, count};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Of what is repeated: where lists grow without a limit it shows in the larger one.
const SIZES: [usize; 2] = [1024 * 1024, 32 * 1024];
/// What is taken however small the review is: a message, and lists with a limit.
const ALLOWANCE: usize = 64 * 1024;
/// What the largest patch takes that there can be, of 256 FPGAs, while it is made.
const PATCH: usize = 1024 * 1024;

fn review(operation: &str, subresource: &str, object: &str, old: &str) -> Vec<u8> {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u",
        "resource":{{"group":"","version":"v1","resource":"pods"}},"subResource":"{subresource}","namespace":"vision",
        "operation":"{operation}","object":{object},"oldObject":{old}}}}}"#
    )
    .into_bytes()
}

fn created(pod: &str) -> Vec<u8> {
    review("CREATE", "", pod, "null")
}

/// `item` again and again, with its number for `#`, until there are `bytes`.
fn many(item: &str, bytes: usize) -> String {
    let mut list = String::with_capacity(bytes + 64);
    let mut number = 0_u32;
    while list.len() + item.len() + 8 < bytes {
        list.push_str(if number == 0 { "" } else { "," });
        list.push_str(&item.replace('#', &number.to_string()));
        number += 1;
    }
    list
}

const ASKS: &str = r#""resources":{"limits":{"fpga.intel.com/nlb3-region":"1"}}"#;

/// A pod whose only container asks for a function and has something else, too.
fn with(field: &str) -> String {
    format!(r#"{{"spec":{{"containers":[{{"name":"c",{ASKS},{field}}}]}}}}"#)
}

/// How a review is expected to end.
#[derive(Clone, Copy)]
enum Ends {
    /// With the pod patched, as if what is repeated were not there.
    Patched,
    Passed,
    /// With these words.
    Refused(&'static str),
    Bad(&'static str),
}

use Ends::{Bad, Passed, Patched, Refused};

const TOO_MANY_CONTAINERS: Ends =
    Refused("more than 128 containers in one list ask for FPGAs or set their variables");
const TOO_MANY_VARIABLES: Ends =
    Refused("more than 512 variables of a container are reserved ones");

fn hostile(bytes: usize) -> Vec<(&'static str, Vec<u8>, Ends)> {
    let mut cases = Vec::new();
    let mut case = |name, bytes, ends| cases.push((name, bytes, ends));
    let half = bytes / 2;
    let text = |c: &str| c.repeat(bytes / c.len());

    for (list, words) in [
        ("containers", "containers"),
        ("init", "initContainers"),
        ("ephemeral", "ephemeralContainers"),
    ] {
        let of = |items: String| format!(r#"{{"spec":{{"{words}":[{items}]}}}}"#);
        let sub = if list == "ephemeral" { "ephemeralcontainers" } else { "" };
        let empty = of(many("{}", bytes));
        case("empty containers", review("CREATE", sub, &empty, "null"), Passed);
        let named = of(many(r#"{"name":"c#","image":"i"}"#, bytes));
        case("named containers", review("CREATE", sub, &named, "null"), Passed);
        let asking = of(many(&format!(r#"{{"name":"c#",{ASKS}}}"#), bytes));
        case("asking containers", review("CREATE", sub, &asking, "null"), TOO_MANY_CONTAINERS);
        let asking = of(many(&format!(r#"{{"name":"c#",{ASKS}}}"#), half));
        case("old and new ones", review("UPDATE", sub, &asking, &asking), TOO_MANY_CONTAINERS);
        let plain = of(many(r#"{"name":"c#"}"#, half));
        case("old and new plain ones", review("UPDATE", sub, &plain, &plain), Passed);
        let old = of(many(r#"{"env":[{"name":"FPGA_AFU_1"}]}"#, bytes));
        case("old containers", review("UPDATE", sub, "{}", &old), TOO_MANY_CONTAINERS);
        let words = of(many("\"x\"", bytes));
        case(
            "texts for containers",
            review("CREATE", sub, &words, "null"),
            Refused("expected an object"),
        );
    }
    for (name, item, ends) in [
        ("variables", r#"{"name":"A#","value":"b"}"#, Patched),
        ("empty variables", "{}", Patched),
        ("variables with escapes", r#"{"name":"\u0041#","value":"\u0042"}"#, Patched),
        ("variables from elsewhere", r#"{"name":"A#","valueFrom":{"x":[{},[]]}}"#, Patched),
        ("reserved variables", r#"{"name":"FPGA_AFU_1"}"#, TOO_MANY_VARIABLES),
        ("reserved variables in escapes", r#"{"name":"FPG\u0041_AFU_1"}"#, TOO_MANY_VARIABLES),
    ] {
        case(name, created(&with(&format!(r#""env":[{}]"#, many(item, bytes)))), ends);
    }
    for (name, item, ends) in [
        ("sources of variables", r#"{"prefix":"p#"}"#, Patched),
        ("empty sources of variables", "{}", Patched),
        ("doubtful prefixes", r#"{"prefix":"F"}"#, Patched),
        ("reserved prefixes", r#"{"prefix":"FPGA_AFU_"}"#, Refused("envFrom has the prefix")),
    ] {
        case(name, created(&with(&format!(r#""envFrom":[{}]"#, many(item, bytes)))), ends);
    }
    let owners = |item| {
        let owners = many(item, bytes);
        created(&with("\"x\":0").replacen(
            '{',
            &format!(r#"{{"metadata":{{"ownerReferences":[{owners}]}},"#),
            1,
        ))
    };
    case("owners", owners("{}"), Patched);
    case("controlling owners", owners(r#"{"controller":true,"name":"\u0041"}"#), Patched);
    let lists = |item: &str| {
        let list = many(item, bytes);
        created(&format!(
            r#"{{"spec":{{"containers":[{{"name":"c","resources":{{"limits":{{{list}}}}}}}]}}}}"#
        ))
    };
    let too_many = Refused("more than 64 resources of fpga.intel.com in one list of a container");
    case("resources", lists(r#""fpga.intel.com/#":"1""#), too_many);
    case("resources in numbers", lists(r#""fpga.intel.com/#":1"#), too_many);
    case("resources twice", lists(r#""fpga.intel.com/a":1"#), Refused("twice"));
    case("resources of others", lists(r#""a/#":"1""#), Passed);
    let list = many(r#""fpga.intel.com/#":"1""#, bytes);
    case(
        "of the pod",
        created(&format!(r#"{{"spec":{{"resources":{{"limits":{{{list}}}}}}}}}"#)),
        too_many,
    );
    let notes = many(r#""a#":"b""#, bytes);
    let noted = format!(r#"{{"metadata":{{"annotations":{{{notes}}}}},"#);
    case("annotations", created(&with("\"x\":0").replacen('{', &noted, 1)), Patched);
    for (name, item) in [("capabilities", "\"A\""), ("capabilities in escapes", r#""\u0041""#)] {
        let list = many(item, bytes);
        case(
            name,
            created(&with(&format!(r#""securityContext":{{"capabilities":{{"add":[{list}]}}}}"#))),
            Patched,
        );
    }
    let depth = bytes / 2;
    let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    case("nested lists", created(&with(&format!(r#""newer":{nested}"#))), Patched);
    let nested = format!("{}1{}", r#"{"a":"#.repeat(bytes / 6), "}".repeat(bytes / 6));
    case("nested objects", created(&with(&format!(r#""newer":{nested}"#))), Patched);
    case("unknown fields", created(&with(&many(r#""n#":0"#, bytes))), Patched);
    case("digits", created(&with(&format!(r#""newer":{}"#, text("1")))), Patched);
    case("an open list", "[".repeat(bytes).into_bytes(), Bad("cannot be read"));

    // Texts that are long: where they belong, where they do not, and in escapes.
    for letters in ["a", "\u{7f}", r"\u0001", "é"] {
        let long = text(letters);
        let resource = format!(
            r#"{{"spec":{{"containers":[{{"resources":{{"limits":{{"fpga.intel.com/{long}":"1"}}}}}}]}}}}"#
        );
        case("a long resource", created(&resource), Refused("no such resource"));
        let amount = format!(
            r#"{{"spec":{{"containers":[{{"resources":{{"limits":{{"fpga.intel.com/a":"{long}"}}}}}}]}}}}"#
        );
        case("a long quantity", created(&amount), Refused("integral"));
        let name = format!(
            r#"{{"spec":{{"containers":[{{"name":"{long}","resources":{{"limits":{{"fpga.intel.com/a":"1"}}}}}}]}}}}"#
        );
        case("a long container", created(&name), Refused("no such resource"));
        case(
            "a long variable",
            created(&with(&format!(r#""env":[{{"name":"{long}"}}]"#))),
            Patched,
        );
        let value = format!(r#""env":[{{"name":"FPGA_AFU_1","value":"{long}"}}]"#);
        case("a long value", created(&with(&value)), Refused("reserved"));
        let prefix = format!(r#""envFrom":[{{"prefix":"FPGA_AFU_{long}"}}]"#);
        case("a long prefix", created(&with(&prefix)), Patched);
        case(
            "a long namespace",
            created(&format!(r#"{{"metadata":{{"namespace":"{long}"}}}}"#)),
            Refused("namespace"),
        );
        case("text for a pod", created(&format!("\"{long}\"")), Refused("expected an object"));
        case("text for a review", format!("\"{long}\"").into_bytes(), Bad("expected an object"));
        let request = format!(r#"{{"apiVersion":"a","kind":"b","request":"{long}"}}"#);
        case("text for a request", request.into_bytes(), Bad("expected an object"));
        for (field, expected) in [
            ("env", "expected a list"),
            ("envFrom", "expected a list"),
            ("resources", "expected an object"),
            ("securityContext", "expected an object"),
        ] {
            let pod = format!(r#"{{"spec":{{"containers":[{{"{field}":"{long}"}}]}}}}"#);
            case("text for a field", created(&pod), Refused(expected));
        }
        for (field, expected) in
            [("privileged", "expected true or false"), ("capabilities", "expected an object")]
        {
            let pod = with(&format!(r#""securityContext":{{"{field}":"{long}"}}"#));
            case("text for a part", created(&pod), Refused(expected));
        }
        let pod = with(&format!(r#""resources2":0,"env":[{{"name":"a","value":"b"}},"{long}"]"#));
        case("text for a variable", created(&pod), Refused("expected an object"));
        let pod = format!(r#"{{"spec":{{"containers":[{{"resources":{{"limits":"{long}"}}}}]}}}}"#);
        case("text for a list", created(&pod), Refused("expected a map"));
        let pod = format!(r#"{{"metadata":{{"annotations":"{long}"}}}}"#);
        case("text for annotations", created(&pod), Refused("expected a map"));
    }
    cases
}

fn message(decision: &Decision) -> String {
    match serde_json::from_slice::<Value>(&decision.body) {
        Ok(answer) => {
            answer["response"]["status"]["message"].as_str().unwrap_or_default().to_owned()
        }
        Err(_) => String::from_utf8(decision.body.clone()).unwrap(),
    }
}

fn decided(review: &[u8], index: &Index) -> (Decision, Cost) {
    count(|| decide(review, index, &Settings::default()))
}

#[test]
fn no_review_takes_more_than_eight_times_its_size() {
    let index = index();
    let (mut failures, mut most) = (Vec::new(), (0.0, ""));
    for bytes in SIZES {
        for (name, review, ends) in hostile(bytes) {
            let (decision, cost) = decided(&review, &index);
            let message = message(&decision);
            let is_so = match ends {
                Patched => decision.outcome == Outcome::Patched,
                Passed => decision.outcome == Outcome::Passed,
                Refused(words) => decision.outcome == Outcome::Refused && message.contains(words),
                Bad(words) => decision.outcome == Outcome::BadRequest && message.contains(words),
            };
            let is_line =
                message.trim_end().len() < 2000 && !message.trim_end().contains(char::is_control);
            let factor = cost.peak as f64 / review.len() as f64;
            if bytes == SIZES[0] && factor > most.0 {
                most = (factor, name);
            }
            if !is_so || !is_line || cost.peak > 8 * review.len() + ALLOWANCE {
                let size = review.len();
                failures.push(format!(
                    "{name}, {size} bytes: {:?} {message:?}, {cost:?}",
                    decision.outcome
                ));
            }
            // A block for each token that is looked at would still be linear; two for each would be noticed.
            if cost.blocks > review.len() / 8 + 1000 {
                failures.push(format!("{name}, {} bytes: {cost:?}", review.len()));
            }
        }
    }
    println!("at most {:.1} times its size: {}", most.0, most.1);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A review as large as it may be, of nothing but containers.
#[test]
fn seven_megabytes_of_containers_take_next_to_nothing() {
    let containers = many("{}", Settings::default().review_bytes - 1024);
    let review = created(&format!(r#"{{"spec":{{"containers":[{containers}]}}}}"#));
    let (decision, cost) = decided(&review, &index());
    assert_eq!(decision.outcome, Outcome::Passed);
    assert!(cost.peak < ALLOWANCE && cost.blocks < 100, "{cost:?}");
}

/// As many FPGAs as a pod may have, in one container and in as many as may ask for some.
#[test]
fn the_largest_patches_have_a_limit() {
    let asks = |units: u32| {
        let limits =
            format!(r#""resources":{{"limits":{{"fpga.intel.com/nlb3-region":"{units}"}}}}"#);
        format!(r#"{{"name":"c",{limits},"env":[{{"name":"A"}}]}}"#)
    };
    for containers in [vec![asks(256)], vec![asks(4); 64]] {
        let review = created(&format!(r#"{{"spec":{{"containers":[{}]}}}}"#, containers.join(",")));
        let (decision, cost) = decided(&review, &index());
        assert_eq!(decision.outcome, Outcome::Patched);
        println!("{} bytes: {cost:?}", review.len());
        assert!(cost.peak <= PATCH, "{cost:?}");
    }
}

/// What the fuzz target searches for, in the reviews that it begins with; in both stages.
#[test]
fn reviews_of_the_corpus_take_what_the_fuzzer_lets_them() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/admission");
    let index = index();
    let mut reviews = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let review = std::fs::read(&path).unwrap();
        for stage in [Stage::Mutating, Stage::Validating] {
            let (_, cost) = count(|| decide_at(stage, &review, &index, &Settings::default()));
            assert!(cost.peak <= 8 * review.len() + PATCH, "{path:?}: {cost:?}");
        }
        reviews += 1;
    }
    assert!(reviews >= 40, "{reviews}");
}

/// The allocator does count: what is taken and given back again is seen.
#[test]
fn what_is_taken_is_counted() {
    let (_, cost) = count(|| drop(vec![0_u8; 1 << 20]));
    assert!(cost.peak >= 1 << 20 && cost.blocks == 1, "{cost:?}");
}
