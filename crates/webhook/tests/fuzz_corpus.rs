//! The fuzzer's corpus and mutations of it: a smoke run of what `fuzz/` does at length.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use fpga_webhook::testing::World;

/// Each file is mutated this many times.
const MUTATIONS: u64 = 200;

/// Numbers that look random and are the same in each run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

/// Words that matter, put in the place of others.
const WORDS: [&str; 16] = [
    "nlb3-region",
    "nlb0-af",
    "arria10",
    "unknown",
    "\"limits\"",
    "\"requests\"",
    "\"env\"",
    "FPGA_AFU_1",
    "FPGA_REGION_2",
    "\"0\"",
    "\"2\"",
    "null",
    "[]",
    "{}",
    "initContainers",
    "UPDATE",
];

fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let end = (at + random.below(64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            // Mostly whole JSON strings, so that what comes out is still read.
            _ => {
                let quotes: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] == b'"').collect();
                let Some(pair) = quotes.chunks_exact(2).nth(random.below(quotes.len() / 2)) else {
                    continue;
                };
                let (start, end) = (pair[0], pair[1] + 1);
                let word = WORDS[random.below(WORDS.len())];
                let prefix = if word.contains(|c: char| "\"[{".contains(c)) || word == "null" {
                    word.to_owned()
                } else if random.below(2) == 0 {
                    format!("\"fpga.intel.com/{word}\"")
                } else {
                    format!("\"{word}\"")
                };
                bytes.splice(start..end, prefix.into_bytes());
            }
        }
    }
    bytes
}

#[test]
fn reviews_of_the_corpus_are_let_in_as_granted_or_not_at_all() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/admission");
    let files: BTreeMap<_, _> = std::fs::read_dir(directory)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    let world = World::default();
    let good = files.keys().filter(|name| name.starts_with("good-")).count();
    assert!(good >= 20 && files.len() >= good + 20, "{good} of {}", files.len());
    let (mut accepted, mut refused) = (0, 0);
    for (name, bytes) in &files {
        assert_eq!(world.check(bytes), name.starts_with("good-"), "{name}");
        for seed in 1..=MUTATIONS {
            let mutated = mutate(bytes, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let failed = std::panic::catch_unwind(|| world.check(&mutated));
            match failed {
                Ok(true) => accepted += 1,
                Ok(false) => refused += 1,
                Err(_) => panic!("{name}, seed {seed}: {}", String::from_utf8_lossy(&mutated)),
            }
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}
