//! Words for likely mistakes.

use std::sync::LazyLock;

use fpga::bitstream::ImageId;
use fpga::catalog;
use fpga::names::{Mode, NAMESPACE, Named, RegionDevelName, ResourceName};

use super::container::{Home, Plan};
use super::pod::{Amounts, Container};
use super::text::quote;
use crate::index::Modes;

/// Functions of Intel's acceleration stack whose host side locks huge pages for the card to reach: native
/// loopback and the two DMA functions (OPAE's `fpgaPrepareBuffer` takes buffers beyond a page from there).
const PINNED: [&str; 4] = ["nlb_mode_0", "nlb_mode_3", "dma_afu", "streaming_dma_afu"];

static PINNED_IDS: LazyLock<Vec<ImageId>> = LazyLock::new(|| {
    let known = PINNED.into_iter().filter_map(catalog::by_name);
    known.map(|entry| ImageId::Afu(entry.afu_id)).collect()
});

/// At most so many names are looked through for one that is near.
const NAMES_LIMIT: usize = 1000;
/// At most so many letters are wrong in a name that is near.
const NEAR: usize = 3;

/// What to ask for instead of an unknown name.
pub(super) fn instead(name: &str, home: Home<'_>) -> String {
    let list = format!("kubectl get af,fpga -n {}", home.name);
    let Some(objects) = home.objects else {
        return format!(
            "namespace {} has no AcceleratorFunction or FpgaRegion: have some created there",
            home.name
        );
    };
    let near = objects
        .names()
        .take(NAMES_LIMIT)
        .filter(|other| other.len().abs_diff(name.len()) <= NEAR)
        .map(|other| (strsim::osa_distance(name, other), other))
        .min()
        .filter(|(distance, other)| *distance <= NEAR && *distance < other.len());
    match near {
        Some((_, other)) => {
            format!("did you mean {NAMESPACE}/{other}? ({list} lists what there is)")
        }
        None => format!("{list} lists what there is"),
    }
}

/// What an FpgaRegion leads to, for a pod that asks for regions as Intel's plugin called them in both modes.
pub(super) fn development(name: &ResourceName, home: Home<'_>) -> String {
    let Named::Region(interface) = name.named() else { return String::new() };
    let own = ResourceName::regiondevel(RegionDevelName::Own, interface).to_string();
    match home.objects.and_then(|objects| objects.granted(&own)) {
        Some(_) => format!("; the namespace's FpgaRegion grants {own}"),
        None => String::new(),
    }
}

/// Mistakes that do not stop a container from being made, but from working.
pub(super) fn warnings(container: &Container<'_>, plan: &Plan<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let name = quote(&container.name);
    if let Some(image) = plan.images.iter().find(|image| PINNED_IDS.contains(image)) {
        let function = match image {
            ImageId::Afu(id) => catalog::display_name(*id),
            ImageId::Aocx(_) => None,
        };
        let function = function.unwrap_or_else(|| image.to_string());
        if !has_hugepages(container) {
            warnings.push(format!(
                "container {name}: {function} usually needs huge pages: add hugepages-2Mi to its limits"
            ));
        }
        if !container.may_lock {
            warnings.push(format!(
                "container {name}: {function} usually needs to lock memory: add IPC_LOCK to its securityContext.capabilities.add"
            ));
        }
    }
    if let Some(prefix) = &container.env_from.doubtful {
        warnings.push(format!(
            "container {name}: envFrom with the prefix {} may set variables that are reserved: no function is programmed for them that the namespace is not granted",
            quote(prefix)
        ));
    }
    warnings
}

fn has_hugepages(container: &Container<'_>) -> bool {
    let resources = container.resources.as_ref();
    let has =
        |amounts: &Option<Amounts<'_>>| amounts.as_ref().is_some_and(|list| list.has_hugepages);
    resources.is_some_and(|resources| has(&resources.limits) || has(&resources.requests))
}

/// Modes for people.
pub(super) fn word(modes: Modes) -> &'static str {
    let is = |mode| !modes.and(Modes::only(mode)).is_empty();
    match (is(Mode::Af), is(Mode::Region), is(Mode::RegionDevel)) {
        (true, false, false) => "af",
        (false, true, false) => "region",
        (false, false, true) => "regiondevel",
        (false, true, true) => "region or regiondevel",
        _ => "any",
    }
}
