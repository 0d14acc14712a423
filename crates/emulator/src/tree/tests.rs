use super::*;

fn shown(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    create(&Machine::preset(name).unwrap(), &root).unwrap();
    (dir, root)
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn a_dfl_card_has_the_kernels_layout() {
    let (_dir, root) = shown("pac-a10");
    let card = "sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0";
    assert_eq!(
        read(&root, "sys/class/fpga_region/region0/dfl-port.0/afu_id"),
        "f7df405cbd7acf7222f144b0b93acd18\n"
    );
    assert_eq!(read(&root, &format!("{card}/fpga_region/region0/dfl-port.0/id")), "0\n");
    let child = "fpga_region/region0/dfl-fme.0/dfl-fme-region.0/fpga_region/region1/compat_id";
    assert_eq!(read(&root, &format!("{card}/{child}")), "69528db6eb31577a8c3668f9faa081f6\n");
    assert_eq!(
        read(&root, "sys/class/fpga_region/region1/compat_id"),
        "69528db6eb31577a8c3668f9faa081f6\n"
    );
    assert!(!root.join("sys/class/fpga_region/region0/compat_id").exists());
    assert_eq!(read(&root, &format!("{card}/device")), "0x09c4\n");
    assert_eq!(read(&root, &format!("{card}/class")), "0x120000\n");
    assert_eq!(read(&root, "sys/class/fpga_manager/fpga0/state"), "unknown\n");
    assert_eq!(read(&root, "sys/class/fpga_manager/fpga0/status"), "");
    assert_eq!(read(&root, "sys/class/hwmon/hwmon0/name"), "dfl_fme_thermal\n");
    assert_eq!(read(&root, "sys/class/hwmon/hwmon0/temp1_input"), "42000\n");
    let by_number = std::fs::canonicalize(root.join("sys/dev/char/235:0")).unwrap();
    assert!(by_number.ends_with("fpga_region/region0/dfl-port.0"));
    assert!(std::fs::canonicalize(root.join("dev/char/236:0")).unwrap().ends_with("dev/dfl-fme.0"));
    assert!(
        std::fs::canonicalize(root.join("sys/bus/pci/devices/0000:3b:00.0/driver"))
            .unwrap()
            .ends_with("dfl-pci")
    );
}

#[test]
fn every_link_leads_somewhere() {
    for preset in Machine::presets() {
        let (_dir, root) = shown(preset);
        let mut todo = vec![root.join("sys"), root.join("dev")];
        let mut links = 0;
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    todo.push(entry.path());
                } else if kind.is_symlink() {
                    links += 1;
                    assert!(entry.path().exists(), "{} dangles", entry.path().display());
                }
            }
        }
        assert!(links > 10);
    }
}

#[test]
fn one_reconfigurable_region_for_each_port() {
    let (_dir, root) = shown("mixed");
    let fme =
        root.join("sys/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/fpga_region/region2/dfl-fme.1");
    let mut regions = Vec::new();
    for entry in std::fs::read_dir(fme).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        regions.extend(name.strip_prefix("dfl-fme-region.").map(str::to_owned));
    }
    regions.sort();
    assert_eq!(regions, ["5", "6"]);
}

#[test]
fn a_port_on_a_virtual_function_is_below_it() {
    let (_dir, root) = shown("mixed");
    let vf = root.join("sys/bus/pci/devices/0000:af:00.1");
    assert!(std::fs::canonicalize(vf.join("physfn")).unwrap().ends_with("0000:af:00.0"));
    assert!(
        std::fs::canonicalize(root.join("sys/bus/pci/devices/0000:af:00.0/virtfn0"))
            .unwrap()
            .ends_with("0000:af:00.1")
    );
    assert_eq!(read(&root, "sys/bus/pci/devices/0000:af:00.1/device"), "0x09c5\n");
    assert_eq!(read(&root, "sys/bus/pci/devices/0000:af:00.0/sriov_numvfs"), "1\n");
    let regions: Vec<_> =
        std::fs::read_dir(vf.join("fpga_region")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(regions.len(), 1);
    let ports: Vec<_> = std::fs::read_dir(&regions[0])
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.file_name().to_string_lossy().starts_with("dfl-port."))
        .collect();
    assert_eq!(ports.len(), 1);
    assert_eq!(std::fs::read_to_string(ports[0].path().join("id")).unwrap(), "1\n");
}

#[test]
fn an_opae_card_has_the_other_drivers_layout() {
    let (_dir, root) = shown("mixed");
    let device = root.join("sys/class/fpga/intel-fpga-dev.0");
    assert_eq!(
        std::fs::read_to_string(device.join("intel-fpga-port.0/afu_id")).unwrap(),
        "d8424dc4a4a3c413f89e433683f9040b\n"
    );
    assert_eq!(
        std::fs::read_to_string(device.join("intel-fpga-fme.0/pr/interface_id")).unwrap(),
        "69528db6eb31577a8c3668f9faa081f6\n"
    );
    assert!(root.join("dev/intel-fpga-port.0").exists());
    assert!(!root.join("sys/class/fpga_region/region20").exists());
}

#[test]
fn device_numbers_are_distinct() {
    let (_dir, root) = shown("mixed");
    let numbers: Vec<String> = std::fs::read_dir(root.join("sys/dev/char"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    let nodes = std::fs::read_dir(root.join("dev"))
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_type().unwrap().is_file())
        .count();
    assert_eq!(numbers.len(), nodes);
    assert_eq!(nodes, 5 + 1 + 2 + 1 + 2 + 1);
}

#[test]
fn refuses_a_directory_with_other_content_and_replaces_its_own() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("precious"), "x").unwrap();
    let machine = Machine::preset("pac-a10").unwrap();
    let e = create(&machine, dir.path()).unwrap_err();
    assert!(matches!(e, Error::NotOurs(_)), "{e}");
    assert!(dir.path().join("precious").exists());
    let own = tempfile::tempdir().unwrap();
    create(&Machine::preset("mixed").unwrap(), own.path()).unwrap();
    create(&machine, own.path()).unwrap();
    assert!(!own.path().join("sys/class/fpga").exists());
    // What was known of the other machine's regions goes with it, and nothing else.
    let (ledger, other) = (own.path().join(LEDGER), own.path().join("run/precious"));
    std::fs::create_dir_all(&ledger).unwrap();
    std::fs::write(ledger.join("0000-3b-00-0-slot0.json"), "{}").unwrap();
    std::fs::write(&other, "x").unwrap();
    create(&machine, own.path()).unwrap();
    assert!(!own.path().join("run/kube-fpga").exists() && other.exists());
    std::fs::remove_file(&other).unwrap();
    create(&machine, own.path()).unwrap();
    assert!(!own.path().join("run").exists());
    let held = Tree::claim(own.path()).unwrap();
    assert!(matches!(create(&machine, own.path()).unwrap_err(), Error::InUse(_)));
    drop(held);
}

#[test]
fn an_attribute_that_cannot_be_read_is_there_and_fails_to_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(&Machine::preset("pac-a10").unwrap());
    let mut tree = Tree::claim(dir.path()).unwrap();
    tree.show_machine(&host).unwrap();
    tree.sync(&host).unwrap();
    let path = "fpga_region/region0/dfl-port.0/afu_id";
    let (card, full) = tree.locate(&Path::new("sys/class").join(path)).unwrap();
    assert_eq!(
        (card, full.as_str()),
        (0, &*format!("sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/{path}"))
    );
    host.slots[0].deny(&full, Some(nix::errno::Errno::EIO));
    tree.sync(&host).unwrap();
    let file = dir.path().join("sys/class").join(path);
    assert!(file.exists());
    assert_eq!(std::fs::read(&file).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    assert!(tree.has_denied());
    host.slots[0].deny(&full, None);
    tree.sync(&host).unwrap();
    assert_eq!(
        read(dir.path(), &format!("sys/class/{path}")),
        "f7df405cbd7acf7222f144b0b93acd18\n"
    );
    assert!(!tree.has_denied());
}

#[test]
fn a_card_that_goes_takes_its_files_along_and_brings_them_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(&Machine::preset("r740").unwrap());
    let mut tree = Tree::claim(dir.path()).unwrap();
    tree.show_machine(&host).unwrap();
    tree.sync(&host).unwrap();
    host.remove(0);
    tree.sync(&host).unwrap();
    assert!(!dir.path().join("sys/devices/pci0000:3a").exists());
    assert!(!dir.path().join("dev/dfl-port.0").exists());
    assert_eq!(std::fs::read_dir(dir.path().join("sys/class/fpga_region")).unwrap().count(), 2);
    assert!(dir.path().join("dev/dfl-port.1").exists());
    host.insert(0);
    tree.sync(&host).unwrap();
    assert_eq!(read(dir.path(), "sys/class/fpga_region/region0/dfl-port.0/id"), "0\n");
    assert_eq!(std::fs::read_dir(dir.path().join("sys/class/fpga_region")).unwrap().count(), 4);
}

#[test]
fn a_change_is_one_rename_that_a_watcher_sees() {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(&Machine::preset("pac-a10").unwrap());
    let mut tree = Tree::claim(dir.path()).unwrap();
    tree.show_machine(&host).unwrap();
    tree.sync(&host).unwrap();
    let port = dir.path().join("sys/class/fpga_region/region0/dfl-port.0");
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let watch = inotify.add_watch(&port, AddWatchFlags::IN_ALL_EVENTS).unwrap();
    host.slots[0].card.set_function(0, crate::card::afu::NLB0);
    tree.sync(&host).unwrap();
    let events: Vec<_> = inotify
        .read_events()
        .unwrap()
        .into_iter()
        .map(|e| (e.wd, e.mask, e.name.unwrap()))
        .collect();
    assert_eq!(events, [(watch, AddWatchFlags::IN_MOVED_TO, "afu_id".into())]);
    assert_eq!(
        std::fs::read_to_string(port.join("afu_id")).unwrap(),
        "d8424dc4a4a3c413f89e433683f9040b\n"
    );
}

#[test]
fn nodes_come_last_and_go_first() {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(&Machine::preset("pac-a10").unwrap());
    let mut tree = Tree::claim(dir.path()).unwrap();
    tree.show_machine(&host).unwrap();
    tree.sync(&host).unwrap();
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
    let watch = |path: &str| inotify.add_watch(&dir.path().join(path), flags).unwrap();
    let dev = watch("dev");
    watch("sys/class/fpga_region");
    watch("sys/bus/platform/devices");
    watch("sys/dev/char");
    // For each event whether it was a node's.
    let nodes = || -> Vec<bool> {
        inotify.read_events().unwrap().into_iter().map(|e| e.wd == dev).collect()
    };
    host.remove(0);
    tree.sync(&host).unwrap();
    let gone = nodes();
    host.insert(0);
    tree.sync(&host).unwrap();
    let come = nodes();
    assert!(gone.len() > 4 && gone.is_sorted_by_key(|node| !node), "{gone:?}");
    assert!(come.len() > 4 && come.is_sorted(), "{come:?}");
    for events in [gone, come] {
        assert_eq!(events.into_iter().filter(|node| *node).count(), 2);
    }
}

/// Such as `remove` of a card, which goes with what was written to it.
#[test]
fn an_attribute_that_was_written_goes_with_its_card() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(&Machine::preset("pac-a10").unwrap());
    let mut tree = Tree::claim(dir.path()).unwrap();
    tree.show_machine(&host).unwrap();
    tree.sync(&host).unwrap();
    tree.watch().unwrap();
    std::fs::write(dir.path().join("sys/bus/pci/devices/0000:3b:00.0/remove"), "1").unwrap();
    let written = tree.written();
    let crate::host::Target::Card(0, store) = written[0].target else { panic!("{written:?}") };
    host.store(0, store, &String::from_utf8_lossy(&written[0].text)).unwrap();
    tree.sync(&host).unwrap();
    assert!(!dir.path().join("sys/devices/pci0000:3a").exists());
}

#[test]
fn a_write_by_somebody_else_is_taken_and_undone() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(&Machine::preset("pac-a10").unwrap());
    let mut tree = Tree::claim(dir.path()).unwrap();
    tree.show_machine(&host).unwrap();
    tree.sync(&host).unwrap();
    tree.watch().unwrap();
    let path = "sys/class/fpga_region/region0/dfl-port.0/errors/errors";
    std::fs::write(dir.path().join(path), "0x7").unwrap();
    let written = tree.written();
    assert_eq!(written.len(), 1);
    let crate::host::Target::Card(0, store) = written[0].target else { panic!("{written:?}") };
    assert_eq!(written[0].text, b"0x7");
    assert_eq!(
        host.store(0, store, &String::from_utf8_lossy(&written[0].text)),
        Err(nix::errno::Errno::EINVAL)
    );
    tree.sync(&host).unwrap();
    assert_eq!(read(dir.path(), path), "0x0\n");
    assert_eq!(tree.written(), [], "our own change is none of somebody else");
}
