mod driver;

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use driver::{Buffer, Driver, MEMORY, eventually};
use vm_memory::{Bytes, GuestAddress};

use super::{Error, Options, Server, window};
use crate::card::afu::{HELLO, NLB0, NLB3};
use crate::card::pr::payload_head;
use crate::card::regs::*;
use crate::ctl::{Client, Command};
use crate::machine::{DEFAULT_INTERFACE_ID, Machine};

const FME: u8 = 0;
const PORTS: u8 = 2;
const TABLE: u8 = 4;

const TWO_PORTS: &str = "[[card]]\nname = 'x'\nkind = 'pac-a10'\npci = '0000:3b:00.0'
[[card.port]]\nafu = 'nlb3'\n[[card.port]]\nafu = 'hello'\nvf = true";

struct Scene {
    directory: tempfile::TempDir,
    _server: Server,
}

impl Scene {
    fn start(machine: Machine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = options(machine, directory.path().into());
        Self { _server: Server::start(&options).unwrap(), directory }
    }

    fn driver(&self, socket: &str) -> Driver {
        Driver::connect(&self.directory.path().join(socket))
    }

    fn control(&self) -> Client {
        Client::connect(self.directory.path().join("control.sock")).unwrap()
    }
}

fn options(machine: Machine, directory: PathBuf) -> Options {
    Options {
        machine,
        mmio: directory.join("mmio"),
        control: directory.join("control.sock"),
        sockets: directory,
        addresses: false,
    }
}

fn preset() -> Scene {
    Scene::start(Machine::preset("pac-a10").unwrap())
}

/// Answers at its BARs, and reaches memory.
fn enable(driver: &mut Driver) {
    driver.set_config(0x04, 0x6);
}

#[test]
fn a_kernel_finds_the_ids_the_bars_and_the_capabilities() {
    let scene = Scene::start(Machine::parse(TWO_PORTS).unwrap());
    let mut d = scene.driver("0.sock");
    assert_eq!(d.config(0x00), 0x09c4_8086);
    assert_eq!(d.config(0x08) >> 8, 0x12_0000);
    assert_eq!(d.place_bar(0x10, 0xf000_0000), 0x8_0000);
    assert_eq!(d.place_bar(0x18, 0xf010_0000), 0x10_0000);
    assert_eq!(d.place_bar(0x20, 0xf020_0000), 0x1000);
    assert_eq!(d.config(0x18), 0xf010_0004);
    let (mut at, mut found) = (d.config(0x34) & 0xff, vec![]);
    while at != 0 {
        let header = d.config(at.into());
        found.push(header & 0xff);
        at = header >> 8 & 0xff;
    }
    assert_eq!(found, [0x10, 0x11]);
    // Errors of the management engine and of two ports, and four interrupts of functions.
    assert_eq!(d.config(0x80) >> 16 & 0x7ff, 7 - 1);
    assert_eq!(d.config(0x100) & 0xffff, 0x10);
    assert_eq!(d.config(0x10c), 2 << 16 | 2);
    assert_eq!(d.config(0x110) >> 16, 0);
    assert_eq!(d.config(0x114), 8 << 16 | 8);
    assert_eq!(d.config(0x118) >> 16, 0x09c5);
    // Past the end, and what nobody may write.
    assert_eq!(d.config(4096), u32::MAX);
    d.set_config(0, 0);
    assert_eq!(d.config(0), 0x09c4_8086);
}

#[test]
fn without_virtual_functions_there_is_no_sriov() {
    assert_eq!(preset().driver("0.sock").config(0x100), 0);
}

#[test]
fn the_driver_walks_the_feature_lists() {
    let scene = preset();
    let mut d = scene.driver("0.sock");
    let mut walk = |bar| {
        let (mut at, mut ids) = (0, vec![]);
        loop {
            let header = d.read(bar, at);
            ids.push(header & 0xfff);
            if header >> 40 & 1 != 0 {
                return ids;
            }
            at += header >> 16 & 0xff_ffff;
        }
    };
    assert_eq!(walk(FME), [0, 1, 2, 3, 4, 5]);
    assert_eq!(walk(PORTS), [1, 0x10, 0x12]);
    let offset = d.read(FME, FME_PORT_OFST);
    assert_eq!((offset >> 60 & 1, offset >> 32 & 7, offset & 0xff_ffff), (1, PORTS.into(), 0));
    // A function in reset does not answer; after it, its id is there.
    assert_eq!(d.read(PORTS, AFU_OFFSET + GUID_L), u64::MAX);
    d.write(PORTS, PORT_CTRL, 0);
    assert_eq!(d.read(PORTS, AFU_OFFSET + GUID_L), NLB3.low);
    assert_eq!(d.read(FME, THERM_SENSOR), 42);
}

#[test]
fn a_bitstream_goes_in_by_words() {
    let scene = preset();
    let mut d = scene.driver("0.sock");
    d.write(FME, PR_CTRL, PR_RST);
    assert_ne!(d.read(FME, PR_CTRL) & PR_RSTACK, 0);
    d.write(FME, PR_CTRL, PR_START);
    // Fewer than the guest's queue has entries.
    assert_eq!(d.read(FME, PR_STS) & 0x1ff, 128);
    let mut payload = payload_head(DEFAULT_INTERFACE_ID, NLB0);
    payload.resize(4096, 0);
    for word in payload.chunks(4) {
        d.write32(FME, PR_DATA, u32::from_le_bytes(word.try_into().unwrap()));
    }
    d.write(FME, PR_CTRL, PR_START | PR_COMPLETE);
    eventually("the engine is done", || (d.read(FME, PR_CTRL) & PR_START == 0).then_some(()));
    assert_eq!(d.read(FME, PR_ERR), 0);
    assert_eq!(scene.control().status().unwrap().cards[0].ports[0].afu_id, NLB0.to_string());
}

#[test]
fn errors_interrupt_once_they_are_unmasked() {
    let scene = preset();
    let mut d = scene.driver("0.sock");
    let vector = d.read(PORTS, PORT_ERR_CAP) >> 1 & 0xfff;
    assert_eq!(vector, vector_port_error(0));
    let entry = vector * 16;
    d.lend(2);
    d.write32(TABLE, entry, 0xfee0_0000);
    d.write32(TABLE, entry + 8, 77);
    d.set_config(0x80, 1 << 31);
    scene.control().port_error("card0", 0, 1 << 4).unwrap();
    assert_eq!(d.read(PORTS, PORT_ERROR), 1 << 4);
    assert_eq!(d.read(TABLE, 0x800), 1 << vector);
    assert!(!d.has_interrupt());
    d.write32(TABLE, entry + 12, 0);
    assert_eq!(d.interrupt(), (0xfee0_0000, 77));
    assert_eq!(d.read(TABLE, 0x800), 0);
    // Injecting an error raises the one of the management engine, without a detour.
    d.write32(TABLE, VECTOR_FME_ERROR * 16 + 8, 55);
    d.write32(TABLE, VECTOR_FME_ERROR * 16 + 12, 0);
    d.write(FME, RAS_ERROR_INJECT, 4);
    assert_eq!(d.interrupt().1, 55);
    // Without a buffer it waits for one.
    scene.control().fme_error("card0", 1).unwrap();
    assert_eq!(d.read(TABLE, 0x800), 1);
    d.lend(1);
    assert_eq!(d.interrupt().1, 55);
    // Clearing takes the first and the next error along.
    assert_eq!(d.read(FME, FME_FIRST_ERROR), 1);
    d.write(FME, FME_ERROR, 1);
    assert_eq!((d.read(FME, FME_ERROR), d.read(FME, FME_FIRST_ERROR)), (0, 0));
}

#[test]
fn a_function_works_by_mapped_registers_and_in_the_guests_memory() {
    const SOURCE: u64 = 0x8_0000;
    const DESTINATION: u64 = 0x9_0000;
    const STATUS: u64 = 0xa_0000;
    let scene = preset();
    let mut d = scene.driver("0.sock");
    let start = window::START + 0x10_0000;
    d.place_bar(0x18, start);
    enable(&mut d);
    d.write(PORTS, PORT_CTRL, 0);
    let file = window::Window::open(&scene.directory.path().join("mmio")).unwrap();
    let registers = file.registers(start + AFU_OFFSET).unwrap();
    assert_eq!((registers.get(GUID_H), registers.get(GUID_L)), (NLB3.high, NLB3.low));
    scene.control().function("card0", 0, "nlb0").unwrap();
    assert_eq!(registers.get(GUID_L), NLB0.low);
    let data: Vec<u8> = (0..640_u32).map(|i| (i % 251) as u8).collect();
    d.memory.write_slice(&data, GuestAddress(SOURCE)).unwrap();
    let go = |destination: u64| {
        registers.set(0x138, 0);
        registers.set(0x138, 1);
        for (register, value) in [
            (0x110, STATUS),
            (0x120, SOURCE / 64),
            (0x128, destination / 64),
            (0x130, 10),
            (0x140, 0),
            (0x138, 3),
        ] {
            registers.set(register, value);
        }
    };
    let done = |d: &Driver| {
        let flag: u32 = d.memory.read_obj(GuestAddress(STATUS + 0x40)).unwrap();
        (flag & 1 != 0).then_some(())
    };
    go(DESTINATION);
    eventually("the copy is done", || done(&d));
    let mut copy = vec![0; data.len()];
    d.memory.read_slice(&mut copy, GuestAddress(DESTINATION)).unwrap();
    assert!(copy == data);
    // Memory that is not the guest's latches an error, and nothing else happens.
    go(MEMORY);
    eventually("the page fault", || {
        (d.read(PORTS, PORT_ERROR) == PORT_ERROR_PAGE_FAULT).then_some(())
    });
    // The port's reset clears the function's registers.
    d.write(PORTS, PORT_CTRL, PORT_SFTRST);
    assert_eq!((registers.get(0x120), registers.get(0x138)), (0, 0));
    // Without mastering the bus it does not move anything.
    d.write(PORTS, PORT_CTRL, 0);
    d.memory.write_obj(0_u32, GuestAddress(STATUS + 0x40)).unwrap();
    d.set_config(0x04, 0x2);
    go(DESTINATION);
    assert_eq!(registers.get(0x138), 3);
    enable(&mut d);
    eventually("it may again", || done(&d));
}

#[test]
fn a_port_moves_to_a_virtual_function_and_back() {
    let scene = Scene::start(Machine::parse(TWO_PORTS).unwrap());
    let (mut pf, mut vf) = (scene.driver("0.sock"), scene.driver("0.0.sock"));
    let mut other = scene.driver("0.1.sock");
    assert_eq!(vf.config(0), u32::MAX);
    let access = FME_PORT_OFST + 8;
    let value = pf.read(FME, access);
    pf.write(FME, access, value | PORT_OFST_VF);
    let start = window::START + 0x40_0000;
    assert_eq!(pf.place_bar(0x124, start), PORT_SPAN);
    pf.set_config(0x110, 1);
    pf.set_config(0x108, 0x9);
    // SR-IOV leaves the ids to the physical function.
    assert_eq!((vf.config(0), vf.config(0x08) >> 8), (u32::MAX, 0x12_0000));
    assert_eq!(other.config(0x08), u32::MAX);
    assert_eq!(vf.read(0, PORT_CAP) & 3, 1);
    // A function without vectors must not claim any.
    assert_eq!((vf.read(0, PORT_ERR_CAP), vf.read(0, PORT_UINT_CAP)), (0, 0));
    vf.write(0, PORT_CTRL, 0);
    assert_eq!(vf.read(0, AFU_OFFSET + GUID_L), HELLO.low);
    let file = window::Window::open(&scene.directory.path().join("mmio")).unwrap();
    let registers = file.registers(start + AFU_OFFSET).unwrap();
    assert_eq!(registers.get(GUID_L), HELLO.low);
    pf.set_config(0x108, 0);
    assert_eq!((vf.config(0x08), vf.read(0, PORT_CAP)), (u32::MAX, u64::MAX));
    assert_eq!(registers.get(GUID_L), u64::MAX);
}

#[test]
fn a_guest_that_does_wrong_harms_nobody() {
    let scene = preset();
    let mut d = scene.driver("0.sock");
    // Messages: nothing, a part of the header, no such kind, sizes and offsets out of all bounds.
    let mut message = |kind: u8, bar: u8, size: u32, offset: u64| {
        let mut m = vec![kind, bar, 0, 0];
        m.extend(size.to_le_bytes());
        m.extend(offset.to_le_bytes());
        d.message(&m, 64);
    };
    for kind in 0..=9 {
        for bar in [0, 1, 2, 4, 255] {
            for (size, offset) in
                [(0, 0), (u32::MAX, 0), (u32::MAX, u64::MAX), (8, u64::MAX - 3), (8, 0x7_fffc)]
            {
                message(kind, bar, size, offset);
            }
        }
    }
    d.message(&[3], 8);
    // Buffers outside of memory, longer than it, and with an end past all addresses.
    for address in [MEMORY, MEMORY - 4, u64::MAX - 7] {
        for write in [false, true] {
            d.submit(0, &[Buffer(address, 16, write), Buffer(0x5000, u32::MAX, true)]);
            assert_eq!(d.used(0).1, 0);
        }
    }
    // A chain that bites its tail, one that leads out of the table, a table of descriptors out of memory.
    d.descriptor(0, 0, (0x5000, 16), 1, 0);
    d.offer_head(0);
    d.used(0);
    d.descriptor(0, 0, (0x5000, 16), 1, 0xffff);
    d.offer_head(0);
    d.used(0);
    d.descriptor(0, 0, (u64::MAX - 15, 32), 4, 0);
    d.offer_head(0);
    d.used(0);
    assert_eq!(d.config(0), 0x09c4_8086);
    // A head that does not exist ends this connection, not the card.
    d.offer_head(0xfff0);
    eventually("the connection ends", || d.is_cut().then_some(()));
    assert_eq!(scene.driver("0.sock").config(0), 0x09c4_8086);
}

#[test]
fn the_memory_table_of_user_mode_linux_has_room_to_spare() {
    let scene = preset();
    let stream = UnixStream::connect(scene.directory.path().join("0.sock")).unwrap();
    let file = tempfile::tempfile().unwrap();
    file.set_len(MEMORY).unwrap();
    let mut message = vec![];
    // SET_MEM_TABLE with an answer wanted: 72 bytes, for one region of two.
    for word in [5_u32, 1 | 1 << 3, 72, 1, 0] {
        message.extend(word.to_le_bytes());
    }
    for long in [0_u64, MEMORY, 0, 0, 0, 0, 0, 0] {
        message.extend(long.to_le_bytes());
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    crate::sys::descriptor::send(&stream, &message, fd).unwrap();
    let mut answer = [0; 20];
    std::io::Read::read_exact(&mut &stream, &mut answer).unwrap();
    assert_eq!(answer[..4], 5_u32.to_le_bytes());
    assert_eq!(answer[12..], [0; 8]);
}

#[test]
fn a_card_is_pulled_out_and_put_back() {
    let scene = Scene::start(Machine::preset("r740").unwrap());
    let mut control = scene.control();
    let (mut near, mut far) = (scene.driver("0.sock"), scene.driver("1.sock"));
    near.set_config(0x3c, 11);
    control.function("near", 0, "hello").unwrap();
    control.temperature("near", 99).unwrap();
    control.remove("near").unwrap();
    assert!(!control.status().unwrap().cards[0].present);
    assert!(near.is_cut());
    assert_eq!(far.config(0), 0x09c4_8086);
    control.insert("near").unwrap();
    let mut near = scene.driver("0.sock");
    // Its power was off: the function is from flash memory, the rest is new.
    assert_eq!((near.config(0), near.config(0x3c) & 0xff), (0x09c4_8086, 0));
    assert_eq!(near.read(FME, THERM_SENSOR), 42);
    assert_eq!(control.status().unwrap().cards[0].ports[0].afu_id, HELLO.to_string());
}

#[test]
fn a_guest_that_starts_again_finds_a_reset_bus_and_latched_errors() {
    let scene = preset();
    let mut d = scene.driver("0.sock");
    d.set_config(0x3c, 11);
    d.write(PORTS, PORT_CTRL, 0);
    scene.control().port_error("card0", 0, 2).unwrap();
    drop(d);
    let mut d = scene.driver("0.sock");
    assert_eq!(d.config(0x3c) & 0xff, 0);
    assert_eq!((d.read(PORTS, PORT_CTRL) & 1, d.read(PORTS, PORT_ERROR)), (1, 2));
}

#[test]
fn what_is_the_guests_is_refused_in_one_line() {
    let scene = preset();
    let mut control = scene.control();
    let refusal = |e: crate::ctl::Error| e.to_string();
    let driver = "the driver: in the guest's kernel, do it there";
    assert_eq!(refusal(control.rebind("card0").unwrap_err()), driver);
    assert_eq!(
        refusal(control.attribute_error("sys/x", Some("EIO")).unwrap_err()),
        "sys/x: in the guest's kernel, do it there"
    );
    assert_eq!(refusal(control.port_error("y", 0, 1).unwrap_err()), "no card \"y\"");
    assert_eq!(
        refusal(control.port_error("card0", 4, 1).unwrap_err()),
        "card \"card0\" has no port 4"
    );
    let listen = control.run(&Command::Listen).unwrap_err();
    assert_eq!(refusal(listen), "exec: programs run in the guest, not on the host");
}

#[test]
fn the_kernel_arguments_name_every_function_in_order() {
    let scene = Scene::start(Machine::preset("mixed").unwrap());
    let arguments = scene._server.kernel_arguments();
    let sockets: Vec<_> = arguments[3..]
        .iter()
        .map(|a| a.rsplit('/').next().unwrap().trim_end_matches(".sock:1234"))
        .collect();
    assert_eq!(sockets, ["0", "1", "2", "3", "3.0", "3.1", "4"]);
    // The function that a physical one depends on is itself: fourth card, third device number.
    assert_eq!(scene.driver("3.sock").config(0x110) >> 16, 3 << 3);
    assert_eq!(arguments[0], "mem=3932156K");
    assert!(arguments[2].starts_with("iomem=fpga,/") && arguments[2].ends_with("/mmio"));
}

#[test]
fn cards_are_at_their_addresses_where_the_kernel_can_have_them_there() {
    let directory = tempfile::tempdir().unwrap();
    let start = |text: &str| {
        let machine = Machine::parse(text).unwrap();
        Server::start(&Options { addresses: true, ..options(machine, directory.path().into()) })
    };
    let server = start(Machine::preset_text("mixed").unwrap()).unwrap();
    let arguments = server.kernel_arguments();
    let numbers: Vec<_> = arguments[3..]
        .iter()
        .map(|a| {
            let number = a.rsplit(':').next().unwrap().parse::<u32>().unwrap();
            assert!(a.contains(".sock:1234:"), "{a}");
            format!("{number:x}")
        })
        .collect();
    assert_eq!(numbers, ["13b00", "15e00", "18600", "1af00", "1af08", "1af10", "1d800"]);
    // A physical function depends on itself, and its bus is its own.
    assert_eq!(Driver::connect(&directory.path().join("3.sock")).config(0x110) >> 16, 0);
    drop(server);
    let card = |name: &str, address: &str, vf: bool| {
        format!(
            "[[card]]\nname = '{name}'\nkind = 'pac-a10'\npci = '{address}'\n[[card.port]]\nafu = 'nlb0'\nvf = {vf}\n"
        )
    };
    let two = card("x", "0000:3b:00.0", true) + &card("y", "0000:3b:01.0", false);
    for (text, reason) in [
        (card("x", "0001:3b:00.0", false), "\"x\": 0001:3b:00.0: a guest has one PCI domain, 0000"),
        (
            card("x", "0000:3b:00.1", false),
            "\"x\": 0000:3b:00.1: a guest looks for function 0 of a device",
        ),
        (
            card("x", "0000:3b:1f.0", true),
            "\"x\": 0000:3b:1f.0: no room on the bus for its virtual functions",
        ),
        (two, "\"y\": 0000:3b:01.0: 0000:3b:01.0 is the address of a function of x too"),
    ] {
        assert_eq!(start(&text).err().unwrap().to_string(), format!("card {reason}"));
    }
}

#[test]
fn more_than_a_guest_takes_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let start = |machine| Server::start(&options(machine, directory.path().into())).err().unwrap();
    assert_eq!(
        start(Machine::cards(9, 1).unwrap()).to_string(),
        "machine \"9x1\" has 9 PCI functions: a guest takes 8"
    );
    assert!(matches!(start(Machine::cards(7, 4).unwrap()), Error::TooMany { .. }));
    let odd = directory.path().join("a b");
    let refused = Server::start(&options(Machine::cards(1, 1).unwrap(), odd)).err().unwrap();
    assert!(matches!(refused, Error::Name(_)), "{refused}");
}
