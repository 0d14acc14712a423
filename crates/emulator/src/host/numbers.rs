//! The numbers that the kernel gives to devices: the lowest free one of each kind.

use std::collections::BTreeSet;

use crate::id::PciAddress;

/// Numbers in use of one kind of device.
#[derive(Default)]
pub(super) struct Pool {
    used: BTreeSet<u32>,
    first: u32,
}

impl Pool {
    fn take(&mut self) -> u32 {
        let mut free = self.first;
        for n in &self.used {
            if *n == free {
                free += 1;
            }
        }
        self.used.insert(free);
        free
    }

    fn give(&mut self, number: u32) {
        self.used.remove(&number);
    }
}

/// Numbers in use of all kinds.
#[derive(Default)]
pub struct Numbers {
    dfl: Flavour,
    opae: Flavour,
    managers: Pool,
    bridges: Pool,
    hwmons: Pool,
    auto: Pool,
}

/// What both drivers number, each on its own.
#[derive(Default)]
struct Flavour {
    regions: Pool,
    fmes: Pool,
    ports: Pool,
}

/// Numbers of one bound card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// `regionN` of the base region, or `intel-fpga-dev.N`.
    pub region: u32,
    /// `dfl-fme.N` or `intel-fpga-fme.N`.
    pub fme: u32,
    /// `fpga_manager/fpgaN`; `None` without a reconfiguration feature.
    pub manager: Option<u32>,
    /// `hwmonN` of the thermal and of the power feature.
    pub hwmon: [u32; 2],
    /// Reconfigurable regions, one a port.
    pub regions: Vec<Region>,
    /// `dfl-port.N` or `intel-fpga-port.N`, by port. A released port keeps its number.
    pub ports: Vec<u32>,
    /// Virtual functions that are enabled.
    pub vfs: Vec<Vf>,
}

/// Numbers of one reconfigurable region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// `dfl-fme-br.N.auto` and `dfl-fme-region.N`, which share a number.
    pub platform: u32,
    /// `fpga_bridge/brN`.
    pub bridge: u32,
    /// `fpga_region/regionN` below `dfl-fme-region`.
    pub region: u32,
}

/// A virtual function with the port that was released to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vf {
    /// Where it is on the bus.
    pub address: PciAddress,
    /// Number of the port on the card.
    pub port: usize,
    /// `regionN` of its base region, or `intel-fpga-dev.N`.
    pub region: u32,
    /// `dfl-port.N` or `intel-fpga-port.N` on the virtual function.
    pub device: u32,
}

impl Numbers {
    /// Nothing in use; platform devices with automatic numbers start at `first_auto`.
    pub(super) fn new(first_auto: u32) -> Self {
        Self { auto: Pool { first: first_auto, ..Pool::default() }, ..Self::default() }
    }

    fn flavour(&mut self, opae: bool) -> &mut Flavour {
        if opae { &mut self.opae } else { &mut self.dfl }
    }

    /// Numbers in the order in which the drivers ask for them.
    pub(super) fn bind(&mut self, opae: bool, ports: usize, reconfigurable: bool) -> Bound {
        let flavour = self.flavour(opae);
        let (region, fme) = (flavour.regions.take(), flavour.fmes.take());
        let mut bound = Bound { region, fme, ..Bound::default() };
        if !opae {
            bound.hwmon = [self.hwmons.take(), self.hwmons.take()];
            if reconfigurable {
                bound.manager = Some(self.managers.take());
                bound.regions = (0..ports).map(|_| self.region()).collect();
            }
        }
        bound.ports = (0..ports).map(|_| self.flavour(opae).ports.take()).collect();
        bound
    }

    fn region(&mut self) -> Region {
        Region {
            platform: self.auto.take(),
            bridge: self.bridges.take(),
            region: self.dfl.regions.take(),
        }
    }

    pub(super) fn unbind(&mut self, opae: bool, bound: &Bound) {
        bound.vfs.iter().for_each(|vf| self.unbind_vf(opae, vf));
        for r in &bound.regions {
            self.auto.give(r.platform);
            self.bridges.give(r.bridge);
            self.dfl.regions.give(r.region);
        }
        if let Some(manager) = bound.manager {
            self.managers.give(manager);
        }
        if !opae {
            bound.hwmon.iter().for_each(|n| self.hwmons.give(*n));
        }
        let flavour = self.flavour(opae);
        flavour.regions.give(bound.region);
        flavour.fmes.give(bound.fme);
        bound.ports.iter().for_each(|n| flavour.ports.give(*n));
    }

    pub(super) fn bind_vf(&mut self, opae: bool, address: PciAddress, port: usize) -> Vf {
        let flavour = self.flavour(opae);
        Vf { address, port, region: flavour.regions.take(), device: flavour.ports.take() }
    }

    pub(super) fn unbind_vf(&mut self, opae: bool, vf: &Vf) {
        let flavour = self.flavour(opae);
        flavour.regions.give(vf.region);
        flavour.ports.give(vf.device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut pool = Pool { first: 4, ..Pool::default() };
        assert_eq!([pool.take(), pool.take(), pool.take()], [4, 5, 6]);
        pool.give(5);
        assert_eq!([pool.take(), pool.take()], [5, 7]);
    }

    #[test]
    fn a_card_takes_its_base_region_first_then_one_for_each_port() {
        let mut numbers = Numbers::new(0);
        let first = numbers.bind(false, 2, true);
        let second = numbers.bind(false, 1, true);
        assert_eq!(first.region, 0);
        assert_eq!(first.regions.iter().map(|r| r.region).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((second.region, second.regions[0].region, second.ports[0]), (3, 4, 2));
        numbers.unbind(false, &first);
        assert_eq!(numbers.bind(false, 2, true), first);
    }
}
