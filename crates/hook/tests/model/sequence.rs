//! One sequence, and what must hold.

use fpga::bitstream::Bitstream;
use fpga::id::InterfaceId;
use fpga::ledger::State;
use fpga::names::{PromisePart, PromiseVariable, Use};
use fpga::program::{self, For, Image, Options};
use fpga_hook::{Promise, Slot};

use crate::container::Container;
use crate::driver::{self, PER_CARD, PORTS, Region};
use crate::node::{A10, IMAGES, Node, report};
use crate::random::Random;

pub(crate) struct Sequence<'a> {
    node: &'a mut Node,
    random: Random,
    containers: Vec<Container>,
    /// Somebody loaded something else than its container was promised, or that container began before that was noticed.
    disturbed: [bool; PORTS.len()],
    /// What is known of the region may have been given up since it was prepared.
    unsure: [bool; PORTS.len()],
    /// Somebody loaded something, and the agent has not seen it yet.
    unnoticed: [bool; PORTS.len()],
    /// How many system calls the last procedure made that it may be killed at.
    moments: usize,
    /// Where a hook was killed last, or something was loaded by hand: what is there is asked for more often than the
    /// rest.
    left: usize,
    trace: Trace,
}

/// What was done, printed when it came to nothing good.
struct Trace {
    seed: u64,
    steps: Vec<String>,
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "FPGA_MODEL_SEED={} FPGA_MODEL_SEQUENCES=1\n{}",
                self.seed,
                self.steps.join("\n")
            );
        }
    }
}

/// How a procedure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    Killed,
}

impl<'a> Sequence<'a> {
    pub(crate) fn new(node: &'a mut Node, seed: u64) -> Self {
        node.forget();
        let none = [false; PORTS.len()];
        Self {
            node,
            random: Random(seed),
            containers: Vec::new(),
            disturbed: none,
            unsure: none,
            unnoticed: none,
            moments: 40,
            left: 0,
            trace: Trace { seed, steps: Vec::new() },
        }
    }

    pub(crate) fn play(mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.check();
        }
        self.finish();
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..6 => self.start(),
            6 => self.prepare_again(),
            7..10 => self.end(),
            10..13 => self.clean(),
            13 => self.clean_released(),
            14 => self.bind_again(),
            15 | 16 => self.program_by_hand(),
            17 => self.notice(),
            18 => self.develop(),
            _ => self.program_or_rebuild(),
        }
    }

    fn say(&mut self, what: String) {
        self.trace.steps.push(what);
    }

    /// The container that runs and has the region.
    fn user(&self, index: usize) -> Option<usize> {
        let has = |container: &Container| container.runs && container.regions.contains(&index);
        self.containers.iter().position(has)
    }

    /// Runs a procedure, to its end or until it is killed, and checks that it touches only what it may.
    fn act(
        &mut self,
        what: String,
        run: impl Fn(&Node) -> bool,
        may_touch: impl Fn(&Self, usize) -> bool,
    ) -> End {
        let allowed: Vec<bool> = (0..PORTS.len()).map(|index| may_touch(self, index)).collect();
        let regions = || Vec::from_iter((0..PORTS.len()).map(Region::read));
        let before = regions();
        driver::refuse(self.random.once_in(20));
        let end = if self.random.once_in(6) {
            // As long as the last procedure was that did anything, so that it is at any step.
            let left = self.random.below(self.moments + 4);
            driver::in_process(u32::try_from(left).unwrap(), || run(self.node))
        } else {
            driver::moments();
            let done = run(self.node);
            let moments = driver::moments();
            if regions() != before {
                self.moments = usize::try_from(moments).unwrap();
            }
            Some(done)
        };
        driver::refuse(false);
        let end = end.map_or(End::Killed, |done| if done { End::Done } else { End::Failed });
        let after = regions();
        self.say(format!("{what}: {end:?}"));
        for index in 0..PORTS.len() {
            let is_touched = before[index].touched != after[index].touched;
            assert!(allowed[index] || !is_touched, "{what} touched region {index}");
        }
        end
    }

    /// A container is created.
    fn start(&mut self) {
        let usage = self.random.pick(&[
            Use::Region,
            Use::Region,
            Use::Region,
            Use::Function,
            Use::Development,
        ]);
        let any = self.random.below(PORTS.len());
        let mut regions = vec![if self.random.once_in(2) { self.left } else { any }];
        if self.random.once_in(3) {
            regions.push((regions[0] + 1 + self.random.below(PORTS.len() - 1)) % PORTS.len());
        }
        // The first two show one function.
        let count = if self.random.once_in(3) { IMAGES.len() } else { 2 };
        let wishes = regions.iter().map(|_| self.random.below(count)).collect();
        if let Some(user) = self.user(regions[0]).filter(|_| self.random.once_in(2)) {
            self.end_of(user);
            self.say(format!("end c{user}"));
        }
        let id = self.containers.len();
        self.containers.push(Container::start(id, usage, regions, wishes));
        self.prepare(id);
    }

    /// A hook of the container runs: its first, or a further one.
    fn prepare(&mut self, id: usize) {
        let container = &self.containers[id];
        let (regions, usage, first) = (container.regions.clone(), container.usage, !container.runs);
        let wishes = if usage == Use::Region { &container.wishes[..] } else { &[] };
        let promises: Vec<Promise> = (1..)
            .zip(wishes)
            .map(|(number, wish)| Promise {
                variable: PromiseVariable {
                    number: std::num::NonZeroU32::new(number),
                    part: PromisePart::Function,
                },
                interface: A10.parse::<InterfaceId>().unwrap(),
                image: IMAGES[*wish].0.parse().unwrap(),
            })
            .collect();
        let promised: Vec<u64> = wishes.iter().map(|wish| self.node.builds[*wish]).collect();
        let owner = container.owner.clone();
        let targets: Vec<_> =
            regions.iter().map(|index| self.node.targets[*index].clone()).collect();
        let run = |node: &Node| {
            let slot = |target: &program::Target| Slot::new(target.clone(), usage, None);
            let slots = targets.iter().map(slot).collect();
            node.session(false).prepare(&owner, &promises, slots, &mut report()).is_ok()
        };
        let is_same = container.promised == promised;
        let what = format!("prepare c{id} {usage:?} regions {regions:?} builds {promised:?}");
        // With one region that is not certain, its images may be assigned anew.
        let is_open =
            !is_same || regions.iter().any(|index| self.unsure[*index] || self.disturbed[*index]);
        // What it has already is left alone, unless that is not certain any more or it asks for something else.
        let end = self.act(what, run, |this, index| {
            regions.contains(&index)
                && match this.user(index) {
                    None => true,
                    Some(user) => user == id && is_open,
                }
        });
        if end != End::Done {
            if end == End::Killed {
                self.left = regions[0];
            }
            // The runtime kills it, at once or a moment later.
            if first && self.random.once_in(2) {
                self.containers[id].end();
            } else if !first {
                // It had begun long ago, and something may have been loaded meanwhile.
                self.end_of(id);
            }
            return;
        }
        for &index in &regions {
            let other = self.user(index).filter(|user| *user != id);
            assert_eq!(other, None, "region {index} was given to c{id}, too");
            let is_clean = !Region::read(index).is_dirty;
            assert!(is_clean || !first, "c{id} got region {index} as another left it");
            self.disturbed[index] = self.unnoticed[index];
            self.unsure[index] = self.unnoticed[index];
        }
        self.containers[id].promised = promised;
        self.containers[id].runs = true;
        regions.iter().for_each(|index| self.node.soil(*index));
    }

    fn prepare_again(&mut self) {
        if let Some(id) = self.pick(|container| container.runs) {
            self.prepare(id);
        }
    }

    fn end(&mut self) {
        if let Some(id) = self.pick(Container::is_alive) {
            self.say(format!("end c{id}"));
            self.end_of(id);
        }
    }

    fn end_of(&mut self, id: usize) {
        self.containers[id].end();
    }

    /// A runtime cleans up after a container: at once, after others had its regions, again, or although it never ran.
    fn clean(&mut self) {
        if let Some(id) = self.pick(|container| !container.is_alive()) {
            self.clean_after(id);
        }
    }

    fn clean_after(&mut self, id: usize) -> End {
        let owner = self.containers[id].owner.clone();
        let with_blank = self.random.once_in(2);
        let owned: Vec<usize> = (0..PORTS.len())
            .filter(|index| self.node.owner(*index).as_ref() == Some(&owner.id))
            .collect();
        let run = |node: &Node| {
            let mut report = report();
            let result = node.session(with_blank).clean(&owner, &mut report);
            result.is_ok() && report.first_failure().is_none()
        };
        let end = self.act(format!("clean c{id}, blank {with_blank}"), run, |this, index| {
            owned.contains(&index) && this.user(index).is_none()
        });
        if end == End::Done {
            owned.iter().for_each(|index| self.is_clean(*index));
        }
        end
    }

    /// The agent learns from the kubelet that nobody has the device.
    fn clean_released(&mut self) {
        let index = self.random.below(PORTS.len());
        if self.user(index).is_none() {
            self.clean_region(index);
        }
    }

    fn clean_region(&mut self, index: usize) -> End {
        let target = self.node.targets[index].clone();
        let run = |node: &Node| {
            let mut report = report();
            node.session(false).clean_released(&target, &mut report);
            report.first_failure().is_none()
        };
        let end = self.act(format!("clean region {index}"), run, |_, touched| touched == index);
        if end == End::Done {
            self.is_clean(index);
        }
        end
    }

    /// Somebody has cleaned it.
    #[track_caller]
    fn is_clean(&self, index: usize) {
        let entry = self.node.entry(index).unwrap();
        assert_eq!((entry.state, entry.owner), (State::Clean, None), "region {index}");
        assert!(!Region::read(index).is_dirty, "region {index} was not cleaned");
    }

    fn bind_again(&mut self) {
        let card = self.random.below(PORTS.len() / PER_CARD);
        let is_replugged = self.random.once_in(2);
        self.say(format!("bind card {card} again, replugged {is_replugged}"));
        if is_replugged {
            self.node.replug(card)
        } else {
            self.node.rebind(card)
        }
        for index in card * PER_CARD..(card + 1) * PER_CARD {
            self.disturbed[index] |= is_replugged;
            self.unsure[index] = true;
            // Whatever was loaded before, nothing is believed.
            self.unnoticed[index] = false;
        }
    }

    /// A tool that knows nothing of the ledger loads something. The agent sees it soon or later.
    fn program_by_hand(&mut self) {
        let index = self.random.below(PORTS.len());
        self.left = index;
        self.say(format!("load into region {index} by hand"));
        self.node.load_foreign(index);
        self.disturbed[index] = true;
        self.unnoticed[index] = true;
        if !self.random.once_in(3) {
            self.notice();
        }
    }

    /// The agent sees what was closed after writing, or it starts: all that was loaded is in doubt.
    fn notice(&mut self) {
        self.say("the agent notices".to_owned());
        for card in 0..PORTS.len() / PER_CARD {
            let regions = card * PER_CARD..(card + 1) * PER_CARD;
            if self.unnoticed[regions.clone()].contains(&true) || self.random.once_in(4) {
                self.node.ledger().doubt(self.node.targets[regions.start].card.id).unwrap();
                self.unnoticed[regions.clone()].fill(false);
                self.unsure[regions].fill(true);
            }
        }
    }

    /// A container that has a region for development loads something, which nobody can see.
    fn develop(&mut self) {
        let develops =
            |container: &Container| container.runs && container.usage == Use::Development;
        if let Some(id) = self.pick(develops) {
            let index = self.random.pick(&self.containers[id].regions);
            self.say(format!("c{id} loads into region {index}"));
            self.node.load_foreign(index);
            self.node.soil(index);
        }
    }

    fn program_or_rebuild(&mut self) {
        let image = self.random.below(IMAGES.len());
        if self.random.once_in(2) {
            self.node.rebuild(image);
            self.say(format!("build {} of image {image}", self.node.builds[image]));
            return;
        }
        // `fpgactl program`, which may be forced on whoever has the region.
        let index = self.random.below(PORTS.len());
        let is_forced = self.random.once_in(4);
        let (target, path) = (self.node.targets[index].clone(), self.node.image(image));
        let purpose = if is_forced { For::Anybody } else { For::Nobody };
        let options = Options { purpose, timeout: std::time::Duration::ZERO, ..Options::default() };
        let run = |_: &Node| {
            let bitstream = Bitstream::open(&path).unwrap();
            let payload = bitstream.payload().unwrap();
            let image = Image::new(&bitstream, &payload).unwrap();
            program::program(&target, &image, &options, &mut ()).is_ok()
        };
        let what = format!(
            "program region {index} with build {}, forced {is_forced}",
            self.node.builds[image]
        );
        self.act(what, run, |this, touched| {
            touched == index && (is_forced || this.user(index).is_none())
        });
        if is_forced {
            self.disturbed[index] = true;
            self.unsure[index] = true;
        }
    }

    fn pick(&mut self, is_one: impl Fn(&Container) -> bool) -> Option<usize> {
        let all: Vec<usize> =
            (0..self.containers.len()).filter(|id| is_one(&self.containers[*id])).collect();
        (!all.is_empty()).then(|| self.random.pick(&all))
    }

    /// What runs is the only one with its regions, and has in them what it was promised.
    fn check(&self) {
        for (id, container) in self.containers.iter().enumerate().filter(|(_, one)| one.runs) {
            let regions = &container.regions;
            for &index in regions {
                assert_eq!(self.user(index), Some(id), "two have region {index}");
                assert_eq!(
                    self.node.owner(index),
                    Some(format!("c{id}")),
                    "the ledger of region {index}"
                );
            }
            if container.usage != Use::Region || regions.iter().any(|index| self.disturbed[*index])
            {
                continue;
            }
            let sorted = |mut builds: Vec<u64>| {
                builds.sort_unstable();
                builds
            };
            let loaded = regions.iter().map(|index| Region::read(*index).build).collect();
            assert_eq!(
                sorted(loaded),
                sorted(container.promised.clone()),
                "c{id} has other images"
            );
        }
    }

    /// Everybody ends, and is cleaned up after, by the runtime or by the agent.
    fn finish(&mut self) {
        for id in 0..self.containers.len() {
            self.end_of(id);
            if self.random.once_in(4) {
                self.clean_after(id);
            }
        }
        for index in 0..PORTS.len() {
            while self.clean_region(index) != End::Done {}
        }
    }
}
