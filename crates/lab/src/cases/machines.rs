//! Machines for the cases. Most have their cards on bus 0, one after the other and each followed by its virtual functions:
//! where any kernel of User Mode Linux has them.

use fpga_emulator::machine::Machine;

/// The slots that User Mode Linux has.
const SLOTS: usize = 8;

/// The interface id of the emulator's Arria 10 cards.
pub(crate) const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const HELLO: &str = "850adcc26ceb4b229722d43375b61c66";

/// A card: its kind, the functions of its ports, and whether they can go to virtual functions.
pub(crate) struct Card {
    pub(crate) kind: &'static str,
    pub(crate) functions: &'static [&'static str],
    pub(crate) virtual_functions: bool,
}

/// A card of a kind that the emulator knows.
pub(crate) const fn card(kind: &'static str, functions: &'static [&'static str]) -> Card {
    Card { kind, functions, virtual_functions: false }
}

/// A PAC Arria 10.
pub(crate) const fn pac(functions: &'static [&'static str]) -> Card {
    card("pac-a10", functions)
}

/// The description of a machine with these cards.
pub(crate) fn machine(cards: &[Card]) -> String {
    let mut text = "name = \"lab\"\n".to_owned();
    let mut slot = 0;
    for (number, card) in cards.iter().enumerate() {
        text.push_str(&format!(
            "[[card]]\nname = \"card{number}\"\nkind = \"{}\"\npci = \"0000:00:{slot:02x}.0\"\n",
            card.kind
        ));
        for function in card.functions {
            text.push_str(&format!(
                "[[card.port]]\nafu = \"{function}\"\nvf = {}\n",
                card.virtual_functions
            ));
        }
        slot += 1 + if card.virtual_functions { card.functions.len() } else { 0 };
    }
    assert!(slot <= SLOTS, "User Mode Linux has {SLOTS} PCI slots");
    text
}

/// A shipped machine, in which each card has its own bus.
pub(crate) fn preset(name: &str) -> String {
    Machine::preset_text(name).unwrap_or_default().to_owned()
}

/// One card with one port.
pub(crate) fn one() -> String {
    machine(&[pac(&[NLB3])])
}

/// One card whose port has no registers for its clock that Linux would use.
pub(crate) fn without_clock() -> String {
    let interface = format!("interface_id = \"{INTERFACE}\"\n[[card.port]]");
    machine(&[card("d5005", &[NLB3])]).replace("[[card.port]]", &interface)
}

/// Two cards with one port each, the same function on both.
pub(crate) fn two() -> String {
    machine(&[pac(&[NLB3]), pac(&[NLB3])])
}
