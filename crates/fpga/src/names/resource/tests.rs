use super::*;

const DCP_1_0: &str = "ce48969398f05f33946d560708be108a";
const DCP_1_2: &str = "69528db6eb31577a8c3668f9faa081f6";
const D5005: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
const ONES: &str = "ffffffffffffffffffffffffffffffff";

fn af(naming: Naming, interface: &str, afu: &str) -> ResourceName {
    ResourceName::af(naming, interface.parse().unwrap(), afu.parse().unwrap())
}

/// The rules of `IsQualifiedName` in Kubernetes' apimachinery, for the part after the slash.
fn is_qualified(device_type: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    device_type.len() <= 63
        && device_type.chars().all(inner)
        && device_type.starts_with(|c: char| c.is_ascii_alphanumeric())
        && device_type.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Numbers that differ from run to run of the loop but not from run to run of the test (xorshift).
fn numbers() -> impl Iterator<Item = u128> {
    let mut state = 0x2545_f491_4f6c_dd1d_u128 << 64 | 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state ^= state << 25;
        state ^= state >> 59;
        state ^= state << 47;
        state
    })
}

/// Upstream: TestGetAfuDevType/Everything is correct 1 and 2, TestGetAfuTreeDFL, TestGetAfuTreeOPAE.
#[test]
fn the_encoded_form_is_upstreams() {
    for (interface, afu, expected) in [
        (DCP_1_2, NLB0, "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs"),
        (DCP_1_0, NLB0, "af-ce4.d84.zkiWk5jwXzOUbVYHCL4QithCTcSko8QT-J5DNoP5BAs"),
        (D5005, NLB3, "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg"),
        (DCP_1_2, NLB3, "af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg"),
        (ONES, ONES, "af-fff.fff.__________________________________________8"),
    ] {
        let name = af(Naming::Encoded, interface, afu);
        assert_eq!(name.device_type(), expected);
        assert!(is_qualified(expected));
        assert_eq!(format!("fpga.intel.com/{expected}").parse(), Ok(name));
    }
}

#[test]
fn the_longest_socket_path_of_an_af_fits_a_unix_address() {
    let path = format!(
        "/var/lib/kubelet/device-plugins/{}",
        af(Naming::Encoded, DCP_1_2, NLB0).socket_name()
    );
    assert_eq!(path.len(), 106);
}

#[test]
fn the_seeds_form_is_the_default_and_leaves_the_interface_out() {
    let name = af(Naming::default(), DCP_1_2, NLB3);
    assert_eq!(name.to_string(), format!("fpga.intel.com/af-{NLB3}"));
    assert_eq!(name, af(Naming::Plain, D5005, NLB3));
    assert_eq!(name.socket_name(), format!("fpga.intel.com-af-{NLB3}.sock"));
}

/// Upstream: TestGetRegionTreeDFL, TestGetRegionDevelTreeDFL and their OPAE twins.
#[test]
fn a_region_is_named_by_its_interface() {
    let name = ResourceName::region(DCP_1_2.parse().unwrap());
    assert_eq!(name.to_string(), format!("fpga.intel.com/region-{DCP_1_2}"));
    assert_eq!(name.named(), Named::Region(DCP_1_2.parse().unwrap()));
}

/// Upstream called it as the region alone is called.
#[test]
fn a_card_with_its_management_node_has_a_name_of_its_own() {
    let interface: InterfaceId = DCP_1_2.parse().unwrap();
    let own = ResourceName::regiondevel(RegionDevelName::Own, interface);
    assert_eq!(own.to_string(), format!("fpga.intel.com/regiondevel-{DCP_1_2}"));
    assert_eq!(own.named(), Named::RegionDevel(interface));
    let shared = ResourceName::regiondevel(RegionDevelName::Shared, interface);
    assert_eq!(shared, ResourceName::region(interface));
}

/// Invariant 2: only where the names are shared does a region's name lead to a management node.
#[test]
fn each_name_is_given_in_one_mode() {
    let interface = DCP_1_2.parse().unwrap();
    let afu: AfuId = NLB3.parse().unwrap();
    let region = Named::Region(interface);
    let devel = Named::RegionDevel(interface);
    for (named, name, modes) in [
        (Named::Af(afu), RegionDevelName::Own, vec![Mode::Af]),
        (Named::EncodedAf(interface, afu), RegionDevelName::Shared, vec![Mode::Af]),
        (region, RegionDevelName::Own, vec![Mode::Region]),
        (region, RegionDevelName::Shared, vec![Mode::Region, Mode::RegionDevel]),
        (devel, RegionDevelName::Own, vec![Mode::RegionDevel]),
        (devel, RegionDevelName::Shared, vec![]),
    ] {
        let given = |mode: &Mode| named.is_given_in(*mode, name);
        assert_eq!(Mode::ALL.into_iter().filter(given).collect::<Vec<_>>(), modes, "{named:?}");
    }
}

#[test]
fn an_opencl_image_is_named_by_its_hash() {
    let interface = DCP_1_2.parse().unwrap();
    let hash = "40007c0623210742000ebc58df6f5343e668b03a".parse().unwrap();
    let name = ResourceName::aocx(Naming::Encoded, interface, hash).unwrap();
    assert_eq!(name.device_type(), "af-695.400.aVKNtusxV3qMNmj5-qCB9kAAfAYjIQdCAA68WN9vU0PmaLA6");
    assert_eq!(name.to_string().parse(), Ok(name));

    let name = ResourceName::aocx(Naming::Plain, interface, hash).unwrap();
    assert_eq!(name.device_type(), format!("af-{hash}"));
    assert_eq!(name.to_string().parse(), Ok(name));
}

/// Upstream registers such a name, which the API server then refuses.
#[test]
fn a_hash_without_a_valid_name_is_an_error() {
    let interface = DCP_1_2.parse().unwrap();
    for (ending, symbol) in [("3e", '-'), ("3f", '_')] {
        let hash: AocxHash = format!("{}{ending}", "0".repeat(38)).parse().unwrap();
        let error = ResourceName::aocx(Naming::Encoded, interface, hash).unwrap_err();
        let NameError::Ending(name) = &error else { panic!("{error}") };
        assert!(name.ends_with(symbol), "{name}");
        assert_eq!(name.parse::<ResourceName>(), Err(NameError::Form(name.clone())));
        assert!(ResourceName::aocx(Naming::Plain, interface, hash).is_ok());
    }
}

#[test]
fn every_name_is_qualified_and_parses_back_to_itself() {
    let mut refused = 0;
    let mut numbers = numbers();
    for _ in 0..2000 {
        let mut number = || numbers.next().unwrap();
        let interface = InterfaceId::new(number());
        let afu = AfuId::new(number());
        let mut hash = [0; 20];
        hash[..16].copy_from_slice(&number().to_be_bytes());
        hash[16..].copy_from_slice(&number().to_be_bytes()[..4]);
        let hash = AocxHash::from_bytes(hash);

        let mut names = vec![ResourceName::region(interface)];
        names.push(ResourceName::regiondevel(RegionDevelName::Own, interface));
        for naming in Naming::ALL {
            names.push(ResourceName::af(naming, interface, afu));
            match ResourceName::aocx(naming, interface, hash) {
                Ok(name) => names.push(name),
                Err(_) => refused += 1,
            }
        }
        for name in names {
            assert!(is_qualified(name.device_type()), "{name}");
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
    // Two endings of 64 are refused, of the encoded hashes only.
    assert!((1..500).contains(&refused), "{refused}");
}

/// Upstream: TestGetAfuDevType/unparsable interfaceID.
#[test]
fn what_is_not_ours_to_the_letter_is_refused() {
    for foreign in
        ["", "cpu", "fpga.intel.com", "fpga.intel.community/af-1", "x.fpga.intel.com/af-1"]
    {
        assert_eq!(foreign.parse::<ResourceName>(), Err(NameError::Foreign(foreign.to_owned())));
    }
    for device_type in [
        String::new(),
        "arria10-nlb0".to_owned(),
        "af-".to_owned(),
        "region-".to_owned(),
        "regiondevel-".to_owned(),
        format!("regiondevel{DCP_1_2}"),
        format!("regiondevel-{}", DCP_1_2.to_uppercase()),
        format!("region-devel-{DCP_1_2}"),
        format!("af-{}", &NLB3[1..]),
        format!("af-{}", NLB3.to_uppercase()),
        format!("af- {NLB3}"),
        "region-69528db6-eb31-577a-8c36-68f9faa081f6".to_owned(),
        format!("region-{DCP_1_2}0"),
        // A prefix that is not the id's, padding, bits after the end, a missing byte.
        "af-696.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs".to_owned(),
        "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs=".to_owned(),
        "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAt".to_owned(),
        "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BA".to_owned(),
        "af-695.d84.".to_owned(),
        "af-695.d84.é".to_owned(),
    ] {
        let text = format!("fpga.intel.com/{device_type}");
        assert_eq!(text.parse::<ResourceName>(), Err(NameError::Form(text.clone())));
    }
}
