//! The TOML form of a machine, and the checks that turn it into a [`Machine`].

use std::time::Duration;

use serde::Deserialize;

use super::{
    CardSpec, DEFAULT_INTERFACE_ID, DmaRule, Driver, Error, Kind, MAX_PORTS, Machine, PortSpec,
};
use crate::card::afu;
use crate::id::{Guid, PciAddress};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MachineText {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    first_auto_id: u32,
    #[serde(default)]
    card: Vec<CardText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardText {
    name: Option<String>,
    kind: Kind,
    driver: Option<Driver>,
    pci: String,
    vendor: Option<u16>,
    device: Option<u16>,
    vf_device: Option<u16>,
    subsystem_vendor: Option<u16>,
    subsystem_device: Option<u16>,
    class: Option<u32>,
    numa_node: Option<i32>,
    local_cpus: Option<String>,
    socket_id: Option<u8>,
    interface_id: Option<String>,
    reconfigurable: Option<bool>,
    pr_ms: Option<u64>,
    dma: Option<DmaRule>,
    #[serde(default)]
    port: Vec<PortText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortText {
    afu: String,
    #[serde(default)]
    vf: bool,
}

pub(super) fn parse(text: &str) -> Result<Machine, Error> {
    let raw: MachineText = toml::from_str(text).map_err(|e| Error::Syntax(one_line(&e, text)))?;
    let cards =
        raw.card.into_iter().enumerate().map(|(i, c)| card(i, c)).collect::<Result<Vec<_>, _>>()?;
    for (i, card) in cards.iter().enumerate() {
        unique(&cards[..i], card)?;
    }
    Ok(Machine {
        name: raw.name.unwrap_or_else(|| "unnamed".into()),
        first_auto_id: raw.first_auto_id,
        cards,
    })
}

/// Line number and reason, without the excerpt over several lines that the parser adds.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let reason = error.message().replace('\n', ", ");
    match error.span() {
        Some(span) => {
            let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count()) + 1;
            format!("line {line}: {reason}")
        }
        None => reason,
    }
}

fn card(index: usize, raw: CardText) -> Result<CardSpec, Error> {
    let name = raw.name.clone().unwrap_or_else(|| format!("card{index}"));
    let fail = |field, reason: String| Error::Field { card: name.clone(), field, reason };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(Error::Field {
            card: format!("card{index}"),
            field: "name",
            reason: "must be one word without a slash".into(),
        });
    }
    let pci: PciAddress = raw.pci.parse().map_err(|e| fail("pci", format!("{e}")))?;
    let reconfigurable =
        raw.reconfigurable.unwrap_or(raw.kind.reconfigurable() || raw.interface_id.is_some());
    let interface_id = match (&raw.interface_id, reconfigurable) {
        (Some(_), false) => {
            return Err(fail("interface_id", "given for a card that is not reconfigurable".into()));
        }
        (Some(text), true) => Some(text.parse().map_err(|e| fail("interface_id", format!("{e}")))?),
        (None, true) => Some(DEFAULT_INTERFACE_ID),
        (None, false) => None,
    };
    if raw.port.is_empty() || raw.port.len() > MAX_PORTS {
        return Err(fail("port", format!("{} ports: a card has 1 to {MAX_PORTS}", raw.port.len())));
    }
    let socket_id = raw.socket_id.unwrap_or(0);
    if socket_id > 1 {
        return Err(fail("socket_id", format!("{socket_id}: must be 0 or 1")));
    }
    let ports = raw
        .port
        .iter()
        .map(|p| port(p).map_err(|e| fail("afu", e)))
        .collect::<Result<Vec<_>, _>>()?;
    let ids = ids(&raw);
    let driver = raw.driver.unwrap_or(Driver::Dfl);
    if ports.iter().any(|p| p.vf) && ids.vf_device == 0 {
        return Err(fail("vf", "this kind of card has no virtual functions".into()));
    }
    Ok(CardSpec {
        name,
        kind: raw.kind,
        driver,
        pci,
        ids,
        numa_node: raw.numa_node.unwrap_or(-1),
        local_cpus: raw.local_cpus.unwrap_or_else(|| "0-1".into()),
        socket_id,
        interface_id,
        pr_time: Duration::from_millis(raw.pr_ms.unwrap_or(0)),
        dma: raw.dma.unwrap_or(DmaRule::Contiguous),
        ports,
    })
}

fn ids(raw: &CardText) -> super::PciIds {
    let mut ids = raw.kind.ids();
    let set = |slot: &mut u16, value: Option<u16>| *slot = value.unwrap_or(*slot);
    set(&mut ids.vendor, raw.vendor);
    set(&mut ids.device, raw.device);
    set(&mut ids.vf_device, raw.vf_device);
    set(&mut ids.subsystem_vendor, raw.subsystem_vendor);
    set(&mut ids.subsystem_device, raw.subsystem_device);
    ids.class = raw.class.unwrap_or(ids.class);
    ids
}

fn port(raw: &PortText) -> Result<PortSpec, String> {
    Ok(PortSpec { afu_id: afu_id(&raw.afu)?, vf: raw.vf })
}

/// A function's id by its short name or its UUID.
fn afu_id(text: &str) -> Result<Guid, String> {
    match afu::by_name(text) {
        Some(id) => Ok(id),
        None => text
            .parse()
            .map_err(|_| format!("{text:?} is neither a UUID nor one of nlb0, nlb3, hello")),
    }
}

fn unique(earlier: &[CardSpec], card: &CardSpec) -> Result<(), Error> {
    let fail = |field, reason: String| Err(Error::Field { card: card.name.clone(), field, reason });
    if earlier.iter().any(|e| e.name == card.name) {
        return fail("name", "used by an earlier card too".into());
    }
    if let Some(other) = earlier.iter().find(|e| e.pci == card.pci) {
        return fail("pci", format!("{} is the address of {} too", card.pci, other.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_the_card_and_the_field() {
        let card = "[[card]]\nname = 'x'\nkind = 'pac-a10'\npci = '0000:3b:00.0'\n";
        let port = "[[card.port]]\nafu = 'nlb3'\n";
        let start = "machine description: ";
        assert_eq!(error(card), format!("{start}x: port: 0 ports: a card has 1 to 4"));
        assert_eq!(
            error(&format!("{card}{}", port.repeat(5))),
            format!("{start}x: port: 5 ports: a card has 1 to 4")
        );
        assert_eq!(
            error(&format!("{card}[[card.port]]\nafu = 'nlb9'")),
            format!("{start}x: afu: \"nlb9\" is neither a UUID nor one of nlb0, nlb3, hello")
        );
        assert_eq!(
            error("[[card]]\nkind = 'd5005'\npci = '3b'\n[[card.port]]\nafu = 'nlb0'"),
            format!("{start}card0: pci: \"3b\" is not a PCI address such as 0000:3b:00.0")
        );
        assert_eq!(
            error(&format!("{card}{port}{card}{port}")),
            format!("{start}x: name: used by an earlier card too")
        );
        assert_eq!(
            error(&format!("{card}{port}{}{port}", card.replace('x', "y"))),
            format!("{start}y: pci: 0000:3b:00.0 is the address of x too")
        );
        assert_eq!(
            error(&format!("{card}interface_id = '12'\n{port}")),
            format!("{start}x: interface_id: \"12\" is not 32 hexadecimal digits or a UUID")
        );
        assert_eq!(
            error(&format!(
                "{card}interface_id = '69528db6eb31577a8c3668f9faa081f6'\nreconfigurable = false\n{port}"
            )),
            format!("{start}x: interface_id: given for a card that is not reconfigurable")
        );
    }

    #[test]
    fn syntax_errors_are_one_line_with_its_number() {
        let e = error("name = 'm'\n[[card]]\nkind = 'pac-a11'\npci = '0000:3b:00.0'");
        assert!(e.starts_with("machine description: line 3: unknown variant `pac-a11`"), "{e}");
        let e = error("[[card]]\nkind = 'pac-a10'\npci = '0000:3b:00.0'\ncolour = 3");
        assert!(e.starts_with("machine description: line 4: unknown field `colour`"), "{e}");
        assert!(!e.contains('\n'));
        let e = error("[[card]]\nkind = 'pac-a10'");
        assert!(e.contains("missing field `pci`"), "{e}");
    }
}
