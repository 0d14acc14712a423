//! Where the table is run: who answers, where `sys` and `dev` are, what the card's devices are called.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fpga_emulator::ctl::{Answer, Client, Command};

const PATIENCE: Duration = Duration::from_secs(30);

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// The emulator's own answers to system calls, with plain files.
    Emulator,
    /// Linux.
    Driver,
}

pub(crate) struct World {
    pub(crate) face: Face,
    pub(crate) root: PathBuf,
    control: PathBuf,
    names: Vec<(&'static str, String)>,
}

impl World {
    /// Finds a card with two ports. Its devices keep their names through all that the cases do.
    pub(crate) fn new(face: Face, root: PathBuf, control: PathBuf) -> Result<Self, String> {
        let mut world = Self { face, root, control, names: Vec::new() };
        let start = Instant::now();
        loop {
            world.names = world.find_card()?;
            if world.names.len() == NAMES {
                return Ok(world);
            }
            if start.elapsed() > PATIENCE {
                return Err(format!(
                    "{}: no card with two ports and two regions: {:?}",
                    world.root.display(),
                    world.names
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The version of the Linux whose driver answers; the emulator answers as 6.1 does.
    pub(crate) fn linux(&self) -> (u32, u32) {
        if self.face == Face::Emulator {
            return (6, 1);
        }
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = release.split('.').map_while(|number| number.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Asks the emulator: why not, if it does not do it.
    pub(crate) fn ask(&self, command: &Command) -> Result<(), String> {
        let answer = Client::connect(&self.control).and_then(|mut client| client.call(command));
        match answer.map_err(|e| e.to_string())? {
            Answer::Error(reason) => Err(reason),
            Answer::Done | Answer::Status(_) => Ok(()),
        }
    }

    fn find_card(&self) -> Result<Vec<(&'static str, String)>, String> {
        let driver = "sys/bus/pci/drivers/dfl-pci";
        let cards = self.names_in(driver, "");
        let card = cards
            .iter()
            .find(|c| self.root.join(format!("sys/bus/pci/devices/{c}/sriov_numvfs")).exists())
            .ok_or_else(|| format!("{}/{driver}: no card", self.root.display()))?;
        let pci = format!("sys/bus/pci/devices/{card}");
        let base = self.only(&format!("{pci}/fpga_region"), "region");
        let devices = "sys/bus/platform/devices";
        let fme = self.only(&base, "dfl-fme.").replace(&base, devices);
        let mut names = vec![("address", card.clone()), ("pci", pci), ("base", base.clone())];
        for (name, port) in ["port0", "port1"].into_iter().zip(self.names_in(&base, "dfl-port.")) {
            names.push((name, format!("{devices}/{port}")));
        }
        let below = |kind: &str, class: &str| -> Vec<String> {
            let parents =
                self.names_in(&fme, kind).into_iter().map(|p| format!("{fme}/{p}/{class}"));
            parents.map(|parent| self.only(&parent, "")).collect()
        };
        names.extend(["manager"].into_iter().zip(below("dfl-fme-mgr.", "fpga_manager")));
        names.extend(
            ["bridge0", "bridge1"].into_iter().zip(below("dfl-fme-bridge.", "fpga_bridge")),
        );
        names.extend(
            ["region0", "region1"].into_iter().zip(below("dfl-fme-region.", "fpga_region")),
        );
        for sensors in self.names_in(&format!("{fme}/hwmon"), "hwmon") {
            let path = format!("{fme}/hwmon/{sensors}");
            match fs::read_to_string(self.root.join(&path).join("name")).as_deref() {
                Ok("dfl_fme_thermal\n") => names.push(("thermal", path)),
                Ok("dfl_fme_power\n") => names.push(("power", path)),
                _ => {}
            }
        }
        names.push(("fme", fme));
        Ok(names)
    }

    /// Names in a directory that start so, in the order of their numbers.
    pub(crate) fn names_in(&self, directory: &str, start: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(directory)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| n.starts_with(start))
            .collect();
        names.sort_by_key(|n| (n.len(), n.clone()));
        names
    }

    fn only(&self, directory: &str, start: &str) -> String {
        let name = self.names_in(directory, start).into_iter().next().unwrap_or_default();
        format!("{directory}/{name}")
    }

    /// A path with `{names}` in it, such as `{port0}/errors/errors`.
    pub(crate) fn path(&self, template: &str) -> PathBuf {
        self.root.join(self.fill(template))
    }

    /// A text with `{names}` in it.
    pub(crate) fn fill(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for (name, value) in &self.names {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// The node of a device, by its name here.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        let device = self.fill(&format!("{{{name}}}"));
        self.root.join("dev").join(Path::new(&device).file_name().unwrap_or_default())
    }

    /// The flags that lead another process to the same world.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let face = if self.face == Face::Emulator { "emulator" } else { "driver" };
        let path = |p: &Path| p.to_string_lossy().into_owned();
        let words = ["--face".into(), face.into(), "--root".into(), path(&self.root)];
        let control = ["--control".into(), path(&self.control)];
        [["run".to_owned()].as_slice(), &words, &control].concat()
    }
}

/// How many names a card gives: address, function, region, two ports, manager, two bridges, two regions, two sensors,
/// management engine.
const NAMES: usize = 13;
