//! The fuzzers' corpora and mutations of them: a smoke run of what `fuzz/` does at length.

use std::fs;
use std::path::{Path, PathBuf};

use fpga::bitstream::Contents;

/// Each file of the corpora is mutated this many times.
const MUTATIONS: u32 = 500;
const INFLATE_LIMIT: u64 = 1 << 20;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Parses `bytes` and checks what holds for every input. True if they are a bitstream.
fn check(bytes: &[u8], origin: &dyn Fn() -> String) -> bool {
    let length = Contents::parse(&bytes).and_then(|contents| {
        let _ = (contents.interface_id(), contents.afu_id(), contents.hash());
        let ignored = contents.metadata().ignored.iter();
        ignored.for_each(|text| assert!(!text.contains(char::is_control), "{text:?}"));
        contents.payload_len(&bytes, INFLATE_LIMIT)
    });
    match length {
        Ok(length) => {
            assert!((1..=INFLATE_LIMIT).contains(&length), "{}: {length}", origin());
            true
        }
        Err(fault) => {
            let text = fault.to_string();
            assert!(!text.contains(char::is_control), "{}: {text:?}", origin());
            false
        }
    }
}

#[test]
fn the_corpora_hold_good_and_bad_files() {
    for target in ["gbs", "aocx"] {
        let files = corpus(target);
        let good = files.iter().filter(|(path, bytes)| {
            let good = check(bytes, &|| path.display().to_string());
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(good, name.starts_with("good-"), "{name}");
            good
        });
        let good = good.count();
        assert!(good >= 2 && files.len() > good, "{target}: {good} of {}", files.len());
    }
}

#[test]
fn mutations_of_the_corpora_are_bitstreams_or_errors() {
    for target in ["gbs", "aocx"] {
        let mut rejected = 0;
        for (path, bytes) in corpus(target) {
            for seed in 0..MUTATIONS {
                let mutated = Mutator::new(seed).mutate(&bytes);
                let origin = || format!("{} mutated with seed {seed}", path.display());
                rejected += u32::from(!check(&mutated, &origin));
            }
        }
        assert!(rejected > MUTATIONS, "the mutations of {target} changed nothing that matters");
    }
}

/// Marsaglia's xorshift: the same mutations everywhere and always.
struct Mutator(u64);

impl Mutator {
    fn new(seed: u32) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (u64::from(seed) + 1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }

    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => self.replace(&mut bytes, at, &[0xff; 8]),
                2 => self.replace(&mut bytes, at, &[0; 4]),
                3 => self.replace(&mut bytes, at, &(1_u64 << 32).to_le_bytes()),
                4 => {
                    let piece = bytes[at..].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let bit = 1 << self.below(8);
                    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
                }
            }
        }
        bytes
    }

    fn replace(&mut self, bytes: &mut [u8], at: usize, by: &[u8]) {
        let count = self.below(by.len()) + 1;
        bytes.iter_mut().skip(at).zip(&by[..count]).for_each(|(byte, new)| *byte = *new);
    }
}
