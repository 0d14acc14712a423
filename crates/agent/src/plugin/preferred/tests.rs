//! Upstream: TestGetPreferredAllocation, which can only fail there: it is not implemented.

use super::*;
use crate::testing::device;

/// Cards as (bus, NUMA node, number of devices); device ids are `<bus>.<number>`.
fn node(cards: &[(u8, Option<u32>, usize)]) -> Vec<Device> {
    let card = |&(bus, numa, count): &(u8, Option<u32>, usize)| {
        (0..count).map(move |i| device(&format!("{bus}.{i}"), bus, numa))
    };
    cards.iter().flat_map(card).collect()
}

fn ids(devices: &[Device]) -> Vec<String> {
    devices.iter().map(|d| d.id.clone()).collect()
}

fn strings(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

fn choose(
    devices: &[Device],
    must_include: &[&str],
    size: usize,
) -> Result<Vec<String>, BadRequest> {
    let request = Request { available: &ids(devices), must_include: &strings(must_include), size };
    prefer(devices, request)
}

#[test]
fn the_emptiest_card_is_taken_first() {
    let devices = node(&[(1, None, 1), (2, None, 3), (3, None, 2)]);
    assert_eq!(choose(&devices, &[], 1).unwrap(), ["2.0"]);
    let equal = node(&[(3, None, 2), (1, None, 2)]);
    assert_eq!(choose(&equal, &[], 1).unwrap(), ["1.0"]);
}

#[test]
fn one_card_serves_all_where_one_can() {
    let devices = node(&[(1, Some(0), 2), (2, Some(1), 4), (3, Some(0), 2)]);
    assert_eq!(choose(&devices, &[], 3).unwrap(), ["2.0", "2.1", "2.2"]);
}

#[test]
fn required_devices_draw_the_others_to_their_card() {
    let devices = node(&[(1, None, 2), (2, None, 4)]);
    assert_eq!(choose(&devices, &["1.1"], 2).unwrap(), ["1.1", "1.0"]);
    assert_eq!(choose(&devices, &["1.1", "1.0"], 3).unwrap(), ["1.1", "1.0", "2.0"]);
    assert_eq!(choose(&devices, &["2.3"], 1).unwrap(), ["2.3"]);
}

#[test]
fn the_next_card_is_on_the_same_numa_node() {
    let devices = node(&[(1, Some(0), 1), (2, Some(1), 3), (3, Some(0), 1)]);
    assert_eq!(choose(&devices, &["1.0"], 2).unwrap(), ["1.0", "3.0"]);
    // An unknown NUMA node is not the same as another unknown one.
    let devices = node(&[(1, None, 1), (2, None, 1), (3, None, 2)]);
    assert_eq!(choose(&devices, &["1.0"], 2).unwrap(), ["1.0", "3.0"]);
}

#[test]
fn a_request_larger_than_any_card_takes_whole_cards() {
    let devices = node(&[(1, Some(0), 2), (2, Some(1), 3), (3, Some(1), 1)]);
    assert_eq!(choose(&devices, &[], 4).unwrap(), ["2.0", "2.1", "2.2", "3.0"]);
}

#[test]
fn ports_are_taken_by_number_and_not_by_spelling() {
    let devices = node(&[(1, None, 12)]);
    let chosen = choose(&devices, &[], 11).unwrap();
    assert_eq!(chosen.last().unwrap(), "1.10");
}

#[test]
fn bad_requests_are_named() {
    let devices = node(&[(1, None, 2)]);
    assert_eq!(choose(&devices, &["x"], 1), Err(BadRequest::Unknown("x".to_owned())));
    assert_eq!(
        choose(&devices, &["1.0", "1.1"], 1),
        Err(BadRequest::TooSmall { size: 1, required: 2 })
    );
    assert_eq!(choose(&devices, &[], 3), Err(BadRequest::TooLarge { size: 3, available: 2 }));
    let ask = |available: &[&str], must_include: &[&str]| {
        let (available, must_include) = (strings(available), strings(must_include));
        prefer(&devices, Request { available: &available, must_include: &must_include, size: 1 })
    };
    assert_eq!(ask(&["1.0"], &["1.1"]), Err(BadRequest::NotAvailable("1.1".to_owned())));
}

/// The kubelet's list may be older than ours.
#[test]
fn an_available_device_that_is_gone_is_no_choice() {
    let devices = node(&[(1, None, 1)]);
    let ask = |available: &[&str], size| {
        prefer(&devices, Request { available: &strings(available), must_include: &[], size })
    };
    assert_eq!(ask(&["1.0", "gone"], 1), Ok(strings(&["1.0"])));
    let too_large = BadRequest::TooLarge { size: 2, available: 1 };
    assert_eq!(ask(&["1.0", "gone"], 2), Err(too_large));
}

/// Every request over every subset of a small node: the answer has the size asked for, holds what is
/// required, names each device once and only available ones, is the same for another order of the
/// request, and comes from one card where one has enough.
#[test]
fn every_answer_is_sound() {
    let devices = node(&[(1, Some(0), 2), (2, Some(0), 3), (3, Some(1), 2)]);
    let all = ids(&devices);
    for bits in 0u32..1 << all.len() {
        let pick = |bits: u32| -> Vec<String> {
            (0..all.len()).filter(|i| bits >> i & 1 == 1).map(|i| all[i].clone()).collect()
        };
        let available = pick(bits);
        for required_bits in [0, bits & bits.wrapping_neg(), bits & 0b010_1001] {
            let must_include = pick(required_bits);
            for size in must_include.len()..=available.len() {
                let request = Request { available: &available, must_include: &must_include, size };
                let answer = prefer(&devices, request).unwrap();
                let unique: BTreeSet<_> = answer.iter().collect();
                assert_eq!((answer.len(), unique.len()), (size, size));
                assert!(must_include.iter().all(|id| unique.contains(id)));
                assert!(answer.iter().all(|id| available.contains(id)));

                let reversed: Vec<String> = available.iter().rev().cloned().collect();
                assert_eq!(
                    prefer(&devices, Request { available: &reversed, ..request }).unwrap(),
                    answer
                );
                if must_include.is_empty() && size > 0 && fits_one_card(&available, size) {
                    assert_eq!(cards(&answer), 1, "{available:?} {size}");
                }
            }
        }
    }
}

fn cards(ids: &[String]) -> usize {
    ids.iter().map(|id| &id[..1]).collect::<BTreeSet<_>>().len()
}

fn fits_one_card(available: &[String], size: usize) -> bool {
    ["1", "2", "3"]
        .iter()
        .any(|&card| available.iter().filter(|id| id.starts_with(card)).count() >= size)
}
