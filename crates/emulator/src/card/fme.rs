//! The management engine: header, thermal, power, performance, global errors, reconfiguration.

use std::collections::BTreeMap;

use super::Build;
use super::pr::Engine;
use super::regs::*;

/// Temperature in degrees Celsius and power in watts after power-up.
const TEMPERATURE: u64 = 42;
const POWER_WATTS: u64 = 27;

/// Registers of the management engine.
pub struct Fme {
    plain: BTreeMap<u64, u64>,
    pub(super) pr: Option<Engine>,
}

impl Fme {
    pub(super) fn new(build: &Build) -> Self {
        let ports = build.functions.len() as u64;
        let feature = |id, revision, next| Dfh { kind: DFH_PRIVATE, id, revision, next }.value();
        let mut r = BTreeMap::from([
            (0, Dfh { kind: DFH_FIU, id: 0, revision: 0, next: 0x1000 }.value()),
            (GUID_L, FME_GUID.1),
            (GUID_H, FME_GUID.0),
            (FME_CAP, capabilities(ports, build.socket_id)),
            (BITSTREAM_ID, build.static_region.0),
            (BITSTREAM_MD, build.static_region.1),
            (THERMAL, feature(1, 0, 0x1000)),
            (THERM_THRESHOLD, 90 | 1 << 7 | 93 << 8 | 1 << 15 | 100 << 24),
            (THERM_SENSOR, TEMPERATURE),
            (POWER, feature(2, 0, 0x1000)),
            (PWR_STATUS, POWER_WATTS),
            (IPERF, feature(3, 0, 0x1000)),
            (FME_ERR, feature(4, 1, if build.interface_id.is_some() { 0x1000 } else { 0 })),
            (FME_ERR_CAP, 1 | VECTOR_FME_ERROR << 1),
        ]);
        for n in 0..ports {
            r.insert(FME_PORT_OFST + 8 * n, PORT_OFST_IMP | 2 << 32 | (n * PORT_SPAN));
        }
        if build.interface_id.is_some() {
            r.insert(PR, feature(5, 0, 0));
        }
        Self { plain: r, pr: build.interface_id.map(|id| Engine::new(id, build.pr_time)) }
    }

    pub(super) fn read(&self, offset: u64) -> u64 {
        match &self.pr {
            Some(engine) if offset > PR => engine.read(offset),
            _ => self.peek(offset),
        }
    }

    /// A register of a feature other than reconfiguration, without side effect.
    #[must_use]
    pub fn peek(&self, offset: u64) -> u64 {
        self.plain.get(&offset).copied().unwrap_or(0)
    }

    /// True when the write raises the error interrupt.
    pub(super) fn write(&mut self, offset: u64, value: u64) -> bool {
        match offset {
            FME_ERROR | PCIE0_ERROR | PCIE1_ERROR | FME_FIRST_ERROR => self.clear(offset, value),
            RAS_ERROR_INJECT => return self.inject(value),
            o if o > PR => {
                if let Some(engine) = &mut self.pr {
                    engine.write(o, value);
                }
            }
            o if is_writable(o) => {
                self.plain.insert(o, value);
            }
            _ => {}
        }
        false
    }

    fn clear(&mut self, offset: u64, ones: u64) {
        let register = self.plain.entry(offset).or_insert(0);
        *register &= !ones;
        if offset == FME_ERROR && *register == 0 {
            // The first and the next error go with the errors.
            self.plain.insert(FME_FIRST_ERROR, 0);
            self.plain.insert(FME_NEXT_ERROR, 0);
        }
    }

    fn inject(&mut self, value: u64) -> bool {
        self.plain.insert(RAS_ERROR_INJECT, value);
        self.plain.insert(RAS_NONFATAL_ERROR, if value & 4 != 0 { 1 << 6 } else { 0 });
        self.plain.insert(RAS_CATFATAL_ERROR, (value & 1) << 9 | (value >> 1 & 1) << 11);
        value & 7 != 0
    }

    pub(super) fn raise(&mut self, bits: u64) {
        let errors = self.plain.entry(FME_ERROR).or_insert(0);
        let first = *errors == 0;
        *errors |= bits;
        self.plain.insert(if first { FME_FIRST_ERROR } else { FME_NEXT_ERROR }, bits);
    }

    pub(super) fn set_temperature(&mut self, celsius: u8) {
        let degrees = u64::from(celsius & 0x7f);
        self.plain.insert(THERM_SENSOR, degrees);
        let thresholds = self.peek(THERM_THRESHOLD) & !(3 << 32);
        let reached = |shift: u32| u64::from(degrees >= thresholds >> shift & 0x7f);
        self.plain.insert(THERM_THRESHOLD, thresholds | reached(0) << 32 | reached(8) << 33);
    }

    /// Errors that the next reconfiguration ends with, whatever its data (bits of [`PR_ERR`]); 0 for none.
    pub fn force_pr_error(&mut self, bits: u64) {
        if let Some(engine) = &mut self.pr {
            engine.forced = bits;
        }
    }

    /// Makes the engine never signal completion: the driver runs into its time-out.
    pub fn stall_pr(&mut self, stalled: bool) {
        if let Some(engine) = &mut self.pr {
            engine.stalled = stalled;
        }
    }

    /// Time that the engine works after the last word.
    pub fn set_pr_time(&mut self, time: std::time::Duration) {
        if let Some(engine) = &mut self.pr {
            engine.time = time;
        }
    }
}

fn capabilities(ports: u64, socket_id: u8) -> u64 {
    const FABRIC_VERSION: u64 = 2;
    const PCIE0_LINK: u64 = 1 << 12;
    const ADDRESS_BITS: u64 = 0x28;
    const CACHE_KIB: u64 = 0x40;
    FABRIC_VERSION
        | u64::from(socket_id & 1) << 8
        | PCIE0_LINK
        | ports << 17
        | ADDRESS_BITS << 24
        | CACHE_KIB << 32
}

/// Port access modes, masks, power thresholds and counter controls.
fn is_writable(offset: u64) -> bool {
    const MASKS: [u64; 5] =
        [FME_ERR + 0x08, FME_ERR + 0x18, FME_ERR + 0x28, FME_ERR + 0x48, FME_ERR + 0x58];
    matches!(offset, FME_PORT_OFST..=0x50 | PWR_THRESHOLD | 0x3008..=0x3fff)
        || MASKS.contains(&offset)
}
