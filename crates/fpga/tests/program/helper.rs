//! This test binary run again as another process: it does what a request says and reports it, one
//! line each.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fpga::bitstream::{self, Bitstream};
use fpga::id::{AfuId, InterfaceId};
use fpga::ledger::Owner;
use fpga::program::{
    self, CardLock, Cleaned, Error, For, Image, Options, RecoverOptions, SlotOptions, Step, Target,
    UserClock, Warning,
};
use fpga::root::Root;
use fpga::scan::scan;
use fpga_emulator::card::pr::payload_head;
use serde::{Deserialize, Serialize};

use crate::emulator::PATIENCE;

/// Tells the binary that it is a helper.
const VARIABLE: &str = "FPGA_PROGRAM_TEST_HELPER";
/// What starts a line of a report, since the test harness prints others.
const MARK: &str = "@ ";
/// The interface id of the emulator's Arria 10 cards.
pub(crate) const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";

/// What a helper does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) root: PathBuf,
    /// The port's name, or the management node's for [`Verb::Lock`].
    pub(crate) device: String,
    pub(crate) image: Sample,
    /// The function asked for; the image's when `None`.
    pub(crate) function: Option<String>,
    /// For whom; nobody when `None`.
    pub(crate) purpose: Option<Purpose>,
    pub(crate) lock_timeout_ms: u64,
    pub(crate) reprogram: bool,
    pub(crate) ignore_users: bool,
    pub(crate) clean: bool,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Verb {
    Program,
    Reset,
    Recover,
    Release,
    Assign,
    /// Takes the card's lock and keeps it until standard input ends.
    Lock,
    /// Opens the device and keeps it until standard input ends.
    Open,
    /// Programs port 0 by the management node alone, as a tool that knows nothing of the lock.
    Foreign,
}

/// Whose the region is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// The container of this id, with this process or none.
    Owner(String, Option<u32>),
    After(String),
    Anybody,
}

impl Purpose {
    fn purpose(self) -> For {
        match self {
            Self::Owner(id, pid) => For::Owner(Owner::container(id, pid)),
            Self::After(id) => For::After(Owner::container(id, None)),
            Self::Anybody => For::Anybody,
        }
    }
}

/// A bitstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) interface: String,
    pub(crate) afu: String,
    /// What the payload really loads, if not that.
    pub(crate) loads: Option<String>,
    pub(crate) size: usize,
    pub(crate) is_broken: bool,
    /// The user clock's faster and slower frequency in MHz.
    pub(crate) clock: (Option<f64>, Option<f64>),
    /// A file, in the place of all of the above.
    pub(crate) file: Option<PathBuf>,
}

impl Request {
    pub(crate) fn new(verb: Verb, root: PathBuf, device: &str, afu: &str) -> Self {
        Self {
            verb,
            root,
            device: device.to_owned(),
            image: Sample {
                interface: INTERFACE.to_owned(),
                afu: afu.to_owned(),
                loads: None,
                size: 64 * 1024,
                is_broken: false,
                clock: (None, None),
                file: None,
            },
            function: None,
            purpose: None,
            lock_timeout_ms: 30_000,
            reprogram: false,
            ignore_users: false,
            clean: false,
            dry_run: false,
        }
    }
}

/// A helper at work. Dropping it kills it.
pub(crate) struct Helper {
    process: Child,
    lines: Receiver<String>,
}

impl Helper {
    /// Starts a helper by `command`, which gets the helper's command line as its last arguments.
    pub(crate) fn spawn(mut command: Command, request: &Request) -> Self {
        let mut process = command
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "helper::run"])
            .env(VARIABLE, serde_json::to_string(request).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // A thread reads, so that a helper that says nothing more does not stop the test for ever.
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, lines }
    }

    /// Starts a helper that needs no ioctl.
    pub(crate) fn plain(request: &Request) -> Self {
        Self::spawn(Command::new("env"), request)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line of the report; `None` at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("the helper says nothing more"),
            };
            // The harness begins a line of its own and does not end it.
            if let Some((_, text)) = line.split_once(MARK) {
                return Some(text.to_owned());
            }
        }
    }

    /// Waits for a line that starts with `start`.
    pub(crate) fn wait_for(&mut self, start: &str) -> String {
        loop {
            match self.line() {
                Some(line) if line.starts_with(start) => return line,
                Some(_) => {}
                None => panic!("the helper ended without {start:?}"),
            }
        }
    }

    /// What it did, all of it.
    pub(crate) fn finish(mut self) -> Report {
        drop(self.process.stdin.take());
        let mut report = Report::default();
        while let Some(line) = self.line() {
            report.lines.push(line);
        }
        report
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines of a helper.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
}

impl Report {
    pub(crate) fn all(&self, start: &str) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.strip_prefix(start)).collect()
    }

    /// The one line that starts with `start`.
    pub(crate) fn one(&self, start: &str) -> &str {
        match self.all(start)[..] {
            [line] => line,
            _ => panic!("no single {start:?} in {:#?}", self.lines),
        }
    }

    /// When `step` began, in nanoseconds.
    pub(crate) fn time(&self, step: &str) -> Option<u128> {
        self.all("step ").into_iter().find_map(|line| {
            let (time, name) = line.split_once(' ').unwrap();
            (name == step).then(|| time.parse().unwrap())
        })
    }
}

#[test]
#[ignore = "not a test: what other tests run as another process"]
fn run() {
    let request = std::env::var(VARIABLE).expect("only run by other tests");
    let request: Request = serde_json::from_str(&request).unwrap();
    let end = match request.verb {
        Verb::Lock => hold_lock(&request),
        Verb::Open => hold_open(&request),
        Verb::Foreign => program_without_lock(&request),
        _ => act(&request).map_err(|error| format!("{:?} {error}", error.cause())),
    };
    match end {
        Ok(text) => say(&format!("done {text}")),
        Err(text) => say(&format!("error {text}")),
    }
}

fn say(line: &str) {
    // In one write, so that lines of a process that is killed are whole.
    std::io::stdout().write_all(format!("{MARK}{line}\n").as_bytes()).unwrap();
}

fn step(step: Step<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    say(&format!("step {now} {step}"));
}

fn warn(warnings: &[Warning]) {
    warnings.iter().for_each(|warning| say(&format!("warning {warning}")));
}

fn act(request: &Request) -> Result<String, Error> {
    let root = Root::at(&request.root);
    let inventory = scan(&root);
    let timeout = Duration::from_millis(request.lock_timeout_ms);
    let ignore_users = request.ignore_users;
    if let Verb::Assign = request.verb {
        let card = fpga::stack::Management::new(&root, &inventory.cards[0]);
        let port_id = request.device.parse().unwrap();
        let warning = program::assign(&root, &card, port_id, timeout, &mut step)?;
        warn(warning.as_slice());
        return Ok(String::new());
    }
    let (card, slot) = program::slot_by_name(&inventory, &request.device).unwrap();
    let target = Target::new(&root, card, slot);
    match request.verb {
        Verb::Program => load(request, &target),
        Verb::Reset => {
            let purpose = request.purpose.clone().map(Purpose::purpose).unwrap_or_default();
            let options = SlotOptions { purpose, timeout, ignore_users, forget_image: false };
            program::reset(&target, &options, &mut step).map(|cleaned| match cleaned {
                Cleaned::Done(warnings) => {
                    warn(&warnings);
                    String::new()
                }
                Cleaned::AlreadyPrepared => "AlreadyPrepared".to_owned(),
                Cleaned::NotOwned => "NotOwned".to_owned(),
            })
        }
        Verb::Release => program::release(&target, timeout, &mut step).map(|()| String::new()),
        Verb::Recover => {
            let options = RecoverOptions {
                lock_timeout: timeout,
                ignore_users,
                timeout: Duration::from_secs(20),
                ..RecoverOptions::default()
            };
            let recovered =
                program::recover(&root, card.pci.as_ref().unwrap().address, &options, &mut step)?;
            warn(&recovered.warnings);
            Ok(format!("{:?}", recovered.slots))
        }
        Verb::Assign | Verb::Lock | Verb::Open | Verb::Foreign => unreachable!("done above"),
    }
}

fn load(request: &Request, target: &Target) -> Result<String, Error> {
    let sample = &request.image;
    if let Some(path) = &sample.file {
        let bitstream = Bitstream::open(path).unwrap();
        let payload = bitstream.payload().unwrap();
        return load_image(request, target, &Image::new(&bitstream, &payload).unwrap());
    }
    let payload = payload(sample);
    let image = Image {
        name: "/srv/test.gbs".to_owned(),
        interface_id: sample.interface.parse::<InterfaceId>().unwrap(),
        afu_id: sample.afu.parse().unwrap(),
        payload: &payload,
        user_clock: UserClock::new(
            sample.clock.0.map(bitstream::UserClock::Mhz),
            sample.clock.1.map(bitstream::UserClock::Mhz),
        ),
        bitstream: None,
    };
    load_image(request, target, &image)
}

fn load_image(request: &Request, target: &Target, image: &Image<'_>) -> Result<String, Error> {
    let options = Options {
        function: request.function.as_ref().map(|id| id.parse::<AfuId>().unwrap()),
        purpose: request.purpose.clone().map(Purpose::purpose).unwrap_or_default(),
        timeout: Duration::from_millis(request.lock_timeout_ms),
        reprogram: request.reprogram,
        ignore_users: request.ignore_users,
        clean: request.clean,
        dry_run: request.dry_run,
    };
    let outcome = program::program(target, image, &options, &mut step)?;
    warn(&outcome.warnings);
    if let Some(clock) = outcome.clock {
        say(&format!("clock {clock}"));
    }
    let action = format!("{:?}", outcome.action);
    let action = action.split(' ').next().unwrap();
    Ok(format!("{action} {}", outcome.after))
}

fn payload(sample: &Sample) -> Vec<u8> {
    let loads = sample.loads.as_ref().unwrap_or(&sample.afu);
    let mut payload = payload_head(sample.interface.parse().unwrap(), loads.parse().unwrap());
    payload.resize(sample.size.max(payload.len()), 0x5a);
    if sample.is_broken {
        payload[0] ^= 1;
    }
    payload
}

fn program_without_lock(request: &Request) -> Result<String, String> {
    let node = Root::at(&request.root).node(&request.device);
    let fme = fpga::stack::intel::driver::Fme::open(node).map_err(|error| error.to_string())?;
    say("programming");
    fme.port_pr(0, &payload(&request.image)).map_err(|error| error.to_string())?;
    Ok(String::new())
}

fn hold_lock(request: &Request) -> Result<String, String> {
    let node = Root::at(&request.root).node(&request.device);
    let timeout = Duration::from_millis(request.lock_timeout_ms);
    let waiting = &mut |holder: Option<&program::Holder>| {
        say(&format!("waiting {}", holder.map_or(0, |holder| holder.pid)));
    };
    let _lock = CardLock::acquire(&node, timeout, waiting).map_err(|error| error.to_string())?;
    say("locked");
    wait_for_end_of_input();
    Ok(String::new())
}

fn hold_open(request: &Request) -> Result<String, String> {
    let node = Root::at(&request.root).node(&request.device);
    let _port = fpga::stack::intel::driver::Port::open(node).map_err(|error| error.to_string())?;
    say("open");
    wait_for_end_of_input();
    Ok(String::new())
}

fn wait_for_end_of_input() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
