//! The fuzzers' corpora for the hook and mutations of them: a smoke run of what `fuzz/` does at length.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fpga_hook::testing::{Node, check_container, check_environment, split_container};

/// Each file of the corpora is mutated this many times.
const MUTATIONS: u32 = 300;

fn fuzz(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(name)
}

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(fuzz("corpus").join(target)).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// The words of the dictionary.
fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(fuzz("dictionaries/hook")).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(|word| word.replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()).collect()
}

/// Gives `check` all files and their mutations. It tells what is accepted.
#[track_caller]
fn run(target: &str, check: impl Fn(&[u8]) -> bool) {
    let (files, words) = (corpus(target), words());
    let good = files.keys().filter(|name| name.starts_with("good-")).count();
    assert!(good >= 5 && files.len() >= good + 5, "{target}: {good} of {}", files.len());
    let (mut accepted, mut refused) = (0, 0);
    for (name, bytes) in &files {
        assert_eq!(check(bytes), name.starts_with("good-"), "{name}");
        for seed in 0..MUTATIONS {
            let mutated = Mutator::new(seed).mutate(bytes, &words);
            let _told = Told { name, seed };
            *if check(&mutated) { &mut accepted } else { &mut refused } += 1;
        }
    }
    assert!(accepted > MUTATIONS, "the mutations of {target} break all that is good");
    assert!(refused > MUTATIONS, "the mutations of {target} change nothing that matters");
}

/// Says which mutation it was, should a check fail.
struct Told<'a> {
    name: &'a str,
    seed: u32,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {} mutated with seed {}", self.name, self.seed);
        }
    }
}

#[test]
fn containers_of_the_corpus_get_what_they_may_have_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::new(directory.path());
    run("oci_state_config", |input| {
        let (state, config) = split_container(input);
        check_container(&node, state, config)
    });
}

#[test]
fn environments_of_the_corpus_are_promises_or_errors() {
    run("env", |input| check_environment(input).is_some());
}

/// Marsaglia's xorshift: the same mutations everywhere and always.
struct Mutator(u64);

impl Mutator {
    fn new(seed: u32) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (u64::from(seed) + 1))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap()
    }

    fn mutate(&mut self, bytes: &[u8], words: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let (at, length) = (self.below(bytes.len()), self.below(80));
            let end = (at + length).min(bytes.len());
            let word = &words[self.below(words.len())];
            match self.below(6) {
                0 => drop(bytes.splice(at..at, word.iter().copied())),
                1 => drop(bytes.splice(at..end, word.iter().copied())),
                2 => self.exchange(&mut bytes, word, words),
                3 => drop(bytes.drain(at..end)),
                4 => {
                    let (piece, to) = (bytes[at..end].to_vec(), self.below(bytes.len()));
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

    /// Replaces a word where it is found by another, which leaves most texts well formed.
    fn exchange(&mut self, bytes: &mut Vec<u8>, word: &[u8], words: &[Vec<u8>]) {
        let by = words[self.below(words.len())].clone();
        if let Some(at) = bytes.windows(word.len()).position(|window| window == word) {
            bytes.splice(at..at + word.len(), by);
        }
    }
}
