//! What the emulated machine consists of: a description in TOML, checked, and the shipped presets.

mod kind;
mod text;

use std::time::Duration;

pub use kind::{Kind, PciIds};

use crate::card::afu;
use crate::id::{Guid, PciAddress};

/// Ports that one card can have (`MAX_DFL_FPGA_PORT_NUM` in the kernel's `drivers/fpga/dfl.h`).
pub const MAX_PORTS: usize = 4;

/// Interface id of the static region of the PAC Arria 10 in acceleration stack 1.0.
pub const DEFAULT_INTERFACE_ID: Guid = Guid::new(0x6952_8db6_eb31_577a_8c36_68f9_faa0_81f6);

const PRESETS: [(&str, &str); 3] = [
    ("pac-a10", include_str!("../presets/pac-a10.toml")),
    ("r740", include_str!("../presets/r740.toml")),
    ("mixed", include_str!("../presets/mixed.toml")),
];

/// A machine with its cards, in the order in which the kernel would find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Name, for messages.
    pub name: String,
    /// First number that an automatically numbered platform device gets; other drivers took the ones below.
    pub first_auto_id: u32,
    /// The cards.
    pub cards: Vec<CardSpec>,
}

/// One card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSpec {
    /// Name for the control commands.
    pub name: String,
    /// Product, which decides the defaults below.
    pub kind: Kind,
    /// Kernel driver that is bound to it.
    pub driver: Driver,
    /// Address of the physical function.
    pub pci: PciAddress,
    /// PCI ids.
    pub ids: PciIds,
    /// NUMA node, -1 when the platform does not say.
    pub numa_node: i32,
    /// CPUs near the card, as a list such as `0-15,32-47`.
    pub local_cpus: String,
    /// CPU socket of an integrated FPGA, 0 or 1.
    pub socket_id: u8,
    /// Interface id of its reconfigurable regions; `None` without a reconfiguration feature.
    pub interface_id: Option<Guid>,
    /// Time that a reconfiguration takes in the card, beyond the transfer.
    pub pr_time: Duration,
    /// What the driver asks of memory for DMA.
    pub dma: DmaRule,
    /// Its ports, port number = index.
    pub ports: Vec<PortSpec>,
}

/// One port of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// The function that is loaded at the start.
    pub afu_id: Guid,
    /// Released by the physical function and enabled on a virtual one.
    pub vf: bool,
}

/// The kernel driver of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// In-tree Device Feature List driver.
    Dfl,
    /// Intel's out-of-tree driver of the OPAE stack.
    Opae,
}

impl Driver {
    /// Name of the PCI driver.
    #[must_use]
    pub fn pci_name(self) -> &'static str {
        match self {
            Self::Dfl => "dfl-pci",
            Self::Opae => "intel-fpga-pci",
        }
    }
}

/// Which memory can be mapped for DMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DmaRule {
    /// One page, or memory in huge pages: what the real driver takes, which pins only physically
    /// contiguous pages.
    Contiguous,
    /// Any pages.
    Any,
}

/// A machine description that cannot be used, naming the card and the field.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML, or a field of the wrong type or name.
    #[error("machine description: {0}")]
    Syntax(String),
    /// A value that makes no sense.
    #[error("machine description: {card}: {field}: {reason}")]
    Field {
        /// The card, by name or number.
        card: String,
        /// The field.
        field: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// No preset of that name.
    #[error("no preset {name:?}: there are {known}")]
    NoPreset {
        /// What was asked for.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },
}

impl Machine {
    /// A shipped machine by name.
    ///
    /// # Errors
    /// [`Error::NoPreset`] for an unknown name.
    pub fn preset(name: &str) -> Result<Self, Error> {
        match PRESETS.iter().find(|(n, _)| *n == name) {
            Some((_, text)) => Self::parse(text),
            None => Err(Error::NoPreset {
                name: name.to_owned(),
                known: Self::presets().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Names of the shipped machines.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// Text of a shipped machine, to start one's own from.
    #[must_use]
    pub fn preset_text(name: &str) -> Option<&'static str> {
        PRESETS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
    }

    /// Reads a description.
    ///
    /// # Errors
    /// [`Error`] with the card and the field that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text::parse(text)
    }

    /// `count` PAC Arria 10 cards with `ports` ports each, all with NLB mode 3: for benchmarks.
    ///
    /// # Errors
    /// [`Error::Field`] when `ports` is not 1 to 4 or `count` is above 10,000.
    pub fn cards(count: usize, ports: usize) -> Result<Self, Error> {
        let fail =
            |field, reason: String| Error::Field { card: "every card".into(), field, reason };
        if !(1..=MAX_PORTS).contains(&ports) {
            return Err(fail("port", format!("{ports} ports: a card has 1 to {MAX_PORTS}")));
        }
        let cards = (0..count).map(|i| {
            numbered(i, ports).ok_or_else(|| fail("pci", format!("no address for card {i}")))
        });
        Ok(Self {
            name: format!("{count}x{ports}"),
            first_auto_id: 0,
            cards: cards.collect::<Result<_, _>>()?,
        })
    }
}

/// Index of the card called `name`, by its name, PCI address or number.
pub(crate) fn find<'a>(
    cards: impl ExactSizeIterator<Item = &'a CardSpec> + Clone,
    name: &str,
) -> Option<usize> {
    let by_name = cards.clone().position(|c| c.name == name || c.pci.to_string() == name);
    by_name.or_else(|| name.parse().ok().filter(|i| *i < cards.len()))
}

/// Card `index` of a uniform machine: every second bus, half of the cards on each of two NUMA nodes.
fn numbered(index: usize, ports: usize) -> Option<CardSpec> {
    const PER_DOMAIN: usize = 100;
    let bus = u8::try_from(2 * (index % PER_DOMAIN) + 2).ok()?;
    let domain = u32::try_from(index / PER_DOMAIN).ok().filter(|d| *d < 100)?;
    let kind = Kind::PacA10;
    Some(CardSpec {
        name: format!("card{index}"),
        kind,
        driver: Driver::Dfl,
        pci: PciAddress { domain, bus, device: 0, function: 0 },
        ids: kind.ids(),
        numa_node: i32::from(index % 2 == 1),
        local_cpus: "0-1".into(),
        socket_id: 0,
        interface_id: Some(DEFAULT_INTERFACE_ID),
        pr_time: Duration::ZERO,
        dma: DmaRule::Contiguous,
        ports: vec![PortSpec { afu_id: afu::NLB3, vf: false }; ports],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_parses_and_is_named_after_itself() {
        for name in Machine::presets() {
            assert_eq!(Machine::preset(name).unwrap().name, name);
        }
        let e = Machine::preset("nope").unwrap_err().to_string();
        assert_eq!(e, "no preset \"nope\": there are pac-a10, r740, mixed");
    }

    #[test]
    fn r740_has_nlb3_on_one_card_and_another_function_on_the_other() {
        let m = Machine::preset("r740").unwrap();
        assert_eq!(m.cards.len(), 2);
        assert_eq!(m.cards[0].ports[0].afu_id, afu::NLB3);
        assert_eq!(m.cards[1].ports[0].afu_id, afu::HELLO);
        assert_ne!(m.cards[0].numa_node, m.cards[1].numa_node);
    }

    #[test]
    fn uniform_machines() {
        let m = Machine::cards(64, 4).unwrap();
        assert_eq!(m.cards.iter().map(|c| c.ports.len()).sum::<usize>(), 256);
        let mut addresses: Vec<_> = m.cards.iter().map(|c| c.pci).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), 64);
        assert!(Machine::cards(1, 5).is_err());
    }
}
