use std::cell::RefCell;
use std::collections::BTreeMap;

use super::afu::{Activity, Fault, HELLO, NLB0, NLB3};
use super::dma::Dma;
use super::regs::*;
use super::*;

const INTERFACE: Guid = crate::machine::DEFAULT_INTERFACE_ID;

fn card(functions: &[Guid]) -> Card {
    let mut card = Card::new(&Build {
        functions: functions.to_vec(),
        interface_id: Some(INTERFACE),
        socket_id: 0,
        static_region: (1, 2),
        clock: Generator::Fractional,
        pr_time: Duration::ZERO,
    });
    for port in 0..functions.len() as u64 {
        card.port_write(port * PORT_SPAN + PORT_CTRL, 0);
    }
    card
}

/// Lengths of the lists that a driver walks from `offset`.
fn features(mut read: impl FnMut(u64) -> u64) -> Vec<u64> {
    let (mut at, mut ids) = (0, Vec::new());
    loop {
        let header = read(at);
        ids.push(header & 0xfff);
        if header >> 40 & 1 != 0 {
            return ids;
        }
        at += header >> 16 & 0xff_ffff;
    }
}

#[test]
fn the_feature_lists_are_what_the_driver_enumerates() {
    let mut c = card(&[NLB0, HELLO]);
    assert_eq!(features(|o| c.fme_read(o)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(features(|o| c.port_read(o)), [1, 0x10, 0x12]);
    assert_eq!(c.fme_read(FME_CAP) >> 17 & 7, 2);
    assert_eq!(c.fme_read(FME_PORT_OFST + 8) & 0xff_ffff, PORT_SPAN);
    assert_eq!(c.port_read(PORT_SPAN + PORT_CAP) & 3, 1);
    assert_eq!(c.port_read(2 * PORT_SPAN), u64::MAX);
    assert_eq!(
        (c.fme_read(PR_INTFC_ID_H), c.fme_read(PR_INTFC_ID_L)),
        (INTERFACE.high, INTERFACE.low)
    );
}

#[test]
fn without_a_reconfiguration_feature_the_list_ends_before_it() {
    let mut c = Card::new(&Build {
        functions: vec![HELLO],
        interface_id: None,
        socket_id: 1,
        static_region: (0, 0),
        clock: Generator::None,
        pr_time: Duration::ZERO,
    });
    assert_eq!(features(|o| c.fme_read(o)), [0, 1, 2, 3, 4]);
    assert_eq!(c.fme_read(FME_CAP) >> 8 & 1, 1);
    assert_eq!(c.fme_read(PR_STS), 0);
}

#[test]
fn a_function_in_reset_does_not_answer_and_forgets_its_registers() {
    let mut c = card(&[NLB0]);
    c.port_write(AFU_OFFSET + 0x120, 5);
    assert_eq!(c.port_read(AFU_OFFSET + GUID_H), NLB0.high);
    c.port_write(PORT_CTRL, PORT_SFTRST);
    assert_eq!(c.port_read(PORT_CTRL), PORT_SFTRST | PORT_SFTRST_ACK);
    assert_eq!(c.port_read(AFU_OFFSET + GUID_H), u64::MAX);
    c.port_write(PORT_CTRL, 0);
    assert_eq!(c.port_read(AFU_OFFSET + 0x120), 0);
}

#[test]
fn errors_latch_interrupt_and_clear() {
    let mut c = card(&[NLB0]);
    let before = c.revision();
    c.raise_port_error(0, 2);
    c.raise_port_error(0, 4);
    assert!(c.revision() > before);
    assert_eq!(c.take_interrupts(), [Interrupt::PortError(0), Interrupt::PortError(0)]);
    assert_eq!((c.port_read(PORT_ERROR), c.port_read(PORT_FIRST_ERROR)), (6, 2));
    c.port_write(PORT_ERROR, 2);
    assert_eq!(c.port_read(PORT_ERROR), 4);
    c.raise_fme_error(1);
    c.raise_fme_error(8);
    assert_eq!((c.fme_read(FME_FIRST_ERROR), c.fme_read(FME_NEXT_ERROR)), (1, 8));
    c.fme_write(FME_ERROR, 9);
    assert_eq!(
        (c.fme_read(FME_ERROR), c.fme_read(FME_FIRST_ERROR), c.fme_read(FME_NEXT_ERROR)),
        (0, 0, 0)
    );
    c.take_interrupts();
    c.fme_write(RAS_ERROR_INJECT, 5);
    assert_eq!(c.take_interrupts(), [Interrupt::FmeError]);
    assert_eq!((c.fme_read(RAS_NONFATAL_ERROR), c.fme_read(RAS_CATFATAL_ERROR)), (1 << 6, 1 << 9));
}

#[test]
fn temperature_sets_the_threshold_status() {
    let mut c = card(&[NLB0]);
    c.set_temperature(91);
    assert_eq!(c.fme_read(THERM_SENSOR), 91);
    assert_eq!(c.fme_read(THERM_THRESHOLD) >> 32 & 3, 1);
    c.set_temperature(95);
    assert_eq!(c.fme_read(THERM_THRESHOLD) >> 32 & 3, 3);
    c.set_temperature(40);
    assert_eq!(c.fme_read(THERM_THRESHOLD) >> 32 & 3, 0);
}

/// What the driver's manager does, word by word through the data register.
fn program(c: &mut Card, port: u64, data: &[u8]) -> u64 {
    c.fme_write(PR_CTRL, PR_RST);
    assert_ne!(c.fme_read(PR_CTRL) & PR_RSTACK, 0);
    c.fme_write(PR_CTRL, port << PR_REGION_SHIFT | PR_START);
    for word in data.chunks(4) {
        assert!(c.fme_read(PR_STS) & 0x1ff > 1);
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        c.fme_write(PR_DATA, u64::from_le_bytes(bytes));
    }
    let control = c.fme_read(PR_CTRL);
    c.fme_write(PR_CTRL, control | PR_COMPLETE);
    assert_eq!(c.fme_read(PR_CTRL) & PR_START, 0);
    let failed = c.fme_read(PR_STS) & PR_STS_FAILED != 0;
    let error = c.fme_read(PR_ERR);
    assert_eq!(failed, error != 0);
    c.fme_write(PR_ERR, error);
    assert_eq!(c.fme_read(PR_STS) & PR_STS_FAILED, 0);
    error
}

fn freeze(c: &mut Card, port: u64) {
    c.port_write(port * PORT_SPAN + PORT_CTRL, PORT_SFTRST);
}

#[test]
fn reconfiguration_replaces_the_function_of_the_right_port() {
    let mut c = card(&[HELLO, HELLO]);
    freeze(&mut c, 1);
    let mut data = pr::payload_head(INTERFACE, NLB3);
    data.resize(4096, 7);
    assert_eq!(program(&mut c, 1, &data), 0);
    assert_eq!((c.ports[0].function(), c.ports[1].function()), (HELLO, NLB3));
    assert_eq!(c.ports[1].mmio().get(GUID_L), NLB3.low);
}

#[test]
fn reconfiguration_errors_leave_the_function() {
    let other = Guid::new(42);
    let good = pr::payload_head(INTERFACE, NLB3);
    let cases: [(&[u8], u64); 3] = [
        (b"GARBAGE!and more of it, enough for a head", PR_ERR_CRC),
        (&good[..36], PR_ERR_CRC),
        (&pr::payload_head(other, NLB3), PR_ERR_INCOMPATIBLE),
    ];
    for (data, expected) in cases {
        let mut c = card(&[HELLO]);
        freeze(&mut c, 0);
        assert_eq!(program(&mut c, 0, data), expected);
        assert_eq!(c.ports[0].function(), HELLO);
    }
    let mut c = card(&[HELLO]);
    assert_eq!(program(&mut c, 0, &good), PR_ERR_OPERATION, "the port was not frozen");
    freeze(&mut c, 0);
    assert_eq!(program(&mut c, 3, &good), PR_ERR_OPERATION, "there is no such port");
    c.fme.force_pr_error(PR_ERR_FIFO);
    assert_eq!(program(&mut c, 0, &good), PR_ERR_FIFO);
    c.fme.force_pr_error(0);
    assert_eq!(c.ports[0].function(), HELLO);
    assert_eq!(program(&mut c, 0, &good), 0);
    assert_eq!(c.ports[0].function(), NLB3);
}

/// The driver resets the engine with what it read from the control register, the old request included.
#[test]
fn a_reset_ends_a_reconfiguration_that_never_completes() {
    let mut c = card(&[HELLO]);
    freeze(&mut c, 0);
    c.fme.stall_pr(true);
    c.fme_write(PR_CTRL, PR_START | PR_COMPLETE);
    assert_ne!(c.fme_read(PR_CTRL) & PR_COMPLETE, 0);
    c.fme.stall_pr(false);
    let control = c.fme_read(PR_CTRL);
    c.fme_write(PR_CTRL, control | PR_RST);
    assert_eq!(c.fme_read(PR_CTRL) & (PR_START | PR_COMPLETE), 0);
    assert_eq!((c.fme_read(PR_STS) & PR_STS_FAILED, c.fme_read(PR_ERR)), (0, 0));
    assert_eq!(program(&mut c, 0, &pr::payload_head(INTERFACE, NLB3)), 0);
    assert_eq!(c.ports[0].function(), NLB3);
}

#[test]
fn data_without_a_start_violates_the_protocol() {
    let mut c = card(&[HELLO]);
    c.fme_write(PR_DATA, 1);
    assert_eq!(c.fme_read(PR_ERR), PR_ERR_PROTOCOL);
}

#[test]
fn data_in_bulk_is_the_same_as_word_by_word() {
    let mut c = card(&[HELLO]);
    freeze(&mut c, 0);
    c.fme_write(PR_CTRL, PR_START);
    let head = pr::payload_head(INTERFACE, NLB0);
    c.push_pr_data(&head[..20]);
    c.push_pr_data(&head[20..]);
    c.push_pr_data(&[0; 1 << 16]);
    c.fme_write(PR_CTRL, PR_START | PR_COMPLETE);
    assert_eq!(c.fme_read(PR_CTRL) & PR_START, 0);
    assert_eq!(c.ports[0].function(), NLB0);
}

/// Memory from address 0, with a log of the writes.
struct Ram {
    bytes: RefCell<Vec<u8>>,
    writes: RefCell<Vec<(u64, usize)>>,
}

impl Ram {
    fn new(length: usize) -> Self {
        Self {
            bytes: RefCell::new((0..=250).cycle().take(length).collect()),
            writes: RefCell::default(),
        }
    }

    fn range(&self, address: u64, length: usize) -> Result<std::ops::Range<usize>, dma::Fault> {
        let start = usize::try_from(address).map_err(|_| dma::Fault { address })?;
        let end = start.checked_add(length).filter(|e| *e <= self.bytes.borrow().len());
        Ok(start..end.ok_or(dma::Fault { address })?)
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes.borrow()[at..at + 4].try_into().unwrap())
    }
}

impl Dma for Ram {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), dma::Fault> {
        let range = self.range(address, data.len())?;
        data.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), dma::Fault> {
        let range = self.range(address, data.len())?;
        self.bytes.borrow_mut()[range].copy_from_slice(data);
        self.writes.borrow_mut().push((address, data.len()));
        Ok(())
    }
}

const SOURCE: usize = 0x1_0000;
const DESTINATION: usize = 0x8_0000;
const DSM: usize = 0x100;

/// Starts NLB and lets it work until it rests.
fn nlb(c: &mut Card, ram: &Ram, lines: u64, config: u64, stride: u64) -> Activity {
    let registers = std::sync::Arc::clone(c.ports[0].mmio());
    registers.set(0x138, 0);
    assert_eq!(c.step(0, ram), Activity::Idle);
    registers.set(0x138, 1);
    let values = [
        (0x110, DSM as u64),
        (0x120, SOURCE as u64 / 64),
        (0x128, DESTINATION as u64 / 64),
        (0x130, lines),
        (0x140, config),
        (0x178, stride),
    ];
    values.iter().for_each(|(o, v)| registers.set(*o, *v));
    registers.set(0x138, 3);
    let mut last = Activity::Idle;
    loop {
        match c.step(0, ram) {
            Activity::Idle => return last,
            Activity::Failed => return Activity::Failed,
            Activity::Working => last = Activity::Working,
        }
    }
}

#[test]
fn nlb_mode_0_copies_and_counts() {
    for (lines, config) in [(1, 0), (3, 1 << 5), (1024, 0), (5000, 3 << 5)] {
        let ram = Ram::new(0x10_0000);
        let mut c = card(&[NLB0]);
        nlb(&mut c, &ram, lines, config, 0);
        let length = usize::try_from(lines).unwrap() * 64;
        let bytes = ram.bytes.borrow();
        assert_eq!(
            bytes[SOURCE..SOURCE + length],
            bytes[DESTINATION..DESTINATION + length],
            "{lines} lines"
        );
        assert_ne!(bytes[SOURCE + length], bytes[DESTINATION + length], "one line too many");
        drop(bytes);
        assert_eq!(ram.u32(DSM + 0x40), 1);
        assert_eq!(ram.u32(DSM + 0x44), 0);
        assert_eq!(
            (u64::from(ram.u32(DSM + 0x50)), u64::from(ram.u32(DSM + 0x54))),
            (lines, lines)
        );
        let clocks = u64::from(ram.u32(DSM + 0x48));
        assert!(clocks > u64::from(ram.u32(DSM + 0x58) + ram.u32(DSM + 0x5c)));
    }
}

#[test]
fn nlb_writes_its_flag_last() {
    let ram = Ram::new(0x10_0000);
    nlb(&mut card(&[NLB0]), &ram, 4, 0, 0);
    assert_eq!(
        *ram.writes.borrow(),
        [(DESTINATION as u64, 256), (DSM as u64 + 0x44, 28), (DSM as u64 + 0x40, 4)]
    );
}

#[test]
fn nlb_modes_read_and_write_what_they_should() {
    for (mode, reads, writes) in [(0, 4, 4), (1, 4, 0), (2, 0, 4), (3, 4, 4)] {
        let ram = Ram::new(0x10_0000);
        nlb(&mut card(&[NLB3]), &ram, 4, mode << 2, 0);
        assert_eq!((ram.u32(DSM + 0x50), ram.u32(DSM + 0x54)), (reads, writes), "mode {mode}");
        if mode >= 2 {
            let second = u64::from_le_bytes(
                ram.bytes.borrow()[DESTINATION + 64..DESTINATION + 72].try_into().unwrap(),
            );
            assert_eq!(second, 1 | 0xf_fffe << 20);
        }
    }
}

#[test]
fn nlb_strides_over_lines() {
    let ram = Ram::new(0x10_0000);
    nlb(&mut card(&[NLB0]), &ram, 3, 0, 1);
    let lines: BTreeMap<u64, usize> = ram.writes.borrow().iter().copied().take(3).collect();
    assert_eq!(
        lines.keys().copied().collect::<Vec<_>>(),
        [0, 128, 256].map(|o| DESTINATION as u64 + o)
    );
}

#[test]
fn nlb_runs_until_stopped_when_continuous() {
    let ram = Ram::new(0x10_0000);
    let mut c = card(&[NLB0]);
    ram.bytes.borrow_mut()[DSM..DSM + 128].fill(0);
    let registers = std::sync::Arc::clone(c.ports[0].mmio());
    let values = [
        (0x110, DSM as u64),
        (0x120, SOURCE as u64 / 64),
        (0x128, DESTINATION as u64 / 64),
        (0x130, 8),
        (0x140, 2),
    ];
    values.iter().for_each(|(o, v)| registers.set(*o, *v));
    registers.set(0x138, 3);
    for _ in 0..10 {
        assert_eq!(c.step(0, &ram), Activity::Working);
    }
    assert_eq!(ram.u32(DSM + 0x40), 0, "not before it is stopped");
    registers.set(0x138, 7);
    c.step(0, &ram);
    assert_eq!(ram.u32(DSM + 0x40), 1);
    assert_eq!(ram.u32(DSM + 0x50), 80);
    assert_eq!(c.step(0, &ram), Activity::Idle);
}

#[test]
fn nlb_stops_at_memory_that_is_not_mapped() {
    let ram = Ram::new(DESTINATION);
    let mut c = card(&[NLB0]);
    assert_eq!(nlb(&mut c, &ram, 1, 0, 0), Activity::Failed);
    assert_eq!(c.port_read(PORT_ERROR), PORT_ERROR_PAGE_FAULT);
    assert_eq!(c.take_interrupts(), [Interrupt::PortError(0)]);
    assert_eq!(ram.u32(DSM + 0x44), 1);
}

#[test]
fn nlb_faults() {
    let ram = Ram::new(0x10_0000);
    let mut c = card(&[NLB0]);
    c.ports[0].fault = Fault::Corrupt;
    nlb(&mut c, &ram, 2, 0, 0);
    {
        let bytes = ram.bytes.borrow();
        let wrong = (0..128).filter(|i| bytes[SOURCE + i] != bytes[DESTINATION + i]).count();
        assert_eq!(wrong, 1);
    }
    c.ports[0].fault = Fault::Hang;
    ram.bytes.borrow_mut()[DSM..DSM + 128].fill(0);
    assert_eq!(nlb(&mut c, &ram, 2, 0, 0), Activity::Idle);
    assert_eq!(ram.u32(DSM + 0x40), 0);
}

#[test]
fn nlb_sees_the_same_start_written_twice() {
    let ram = Ram::new(0x10_0000);
    let mut c = card(&[NLB0]);
    nlb(&mut c, &ram, 1, 0, 0);
    c.ports[0].mmio().set(0x138, 3);
    c.step(0, &ram);
    assert_eq!(ram.u32(DSM + 0x40), 1 << 1 | 1, "the serial number of the second run");
}

#[test]
fn hello_keeps_its_scratch_register_until_reset() {
    let mut c = card(&[HELLO]);
    c.port_write(AFU_OFFSET + 0x80, 0xdead_beef);
    assert_eq!(c.port_read(AFU_OFFSET + 0x80), 0xdead_beef);
    c.port_write(PORT_CTRL, PORT_SFTRST);
    c.port_write(PORT_CTRL, 0);
    assert_eq!(c.port_read(AFU_OFFSET + 0x80), 0);
}
