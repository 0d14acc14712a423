//! What holds for every environment.

use std::path::Path;

use super::lines;
use crate::failure::Code;
use crate::input::Config;
use crate::promise::{self, Promise};

/// Takes an input for the entries of an environment, with a zero byte after each, and checks what the
/// hook makes of them. The number of functions that are promised; `None` when it refuses them.
pub fn check(input: &[u8]) -> Option<usize> {
    let input = String::from_utf8_lossy(input);
    let env: Vec<String> = input.split('\0').map(str::to_owned).collect();
    let result = promise::promises(&env);
    let picked: Vec<_> =
        env.iter().filter(|entry| promise::is_about_fpgas(entry)).cloned().collect();
    assert_eq!(promise::promises(&picked), result, "it matters what is left out");
    assert_eq!(through_json(&env), picked);
    match result {
        Ok(promises) => {
            check_promises(&env, &promises);
            Some(promises.len())
        }
        Err(failure) => {
            assert_eq!(failure.code, Code::Input);
            lines::check_failure(&failure);
            None
        }
    }
}

/// The entries after a way through a `config.json`.
fn through_json(env: &[String]) -> Vec<String> {
    let text = serde_json::json!({"process": {"env": env}}).to_string();
    let config = Config::read_from(Path::new("config.json"), text.as_bytes());
    config.expect("a configuration").env
}

fn check_promises(env: &[String], promises: &[Promise]) {
    for Promise { variable, interface, image } in promises {
        let variable = variable.to_string();
        let suffix = variable.strip_prefix("FPGA_AFU").expect("such a variable");
        let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let digits = suffix.strip_prefix('_').unwrap_or("1");
        assert!(is_digits(digits) && !digits.starts_with('0'), "{variable} is not a promise");
        let has = |name: &str, id: &str| {
            let value = |entry: &str| entry.strip_prefix(name)?.strip_prefix('=').map(plain);
            env.iter().filter_map(|entry| value(entry)).all(|value| value == id)
                && env.iter().any(|entry| value(entry).is_some())
        };
        let (interface, image) = (interface.to_string(), image.to_string());
        assert!(is_hex(&interface, &[32]) && is_hex(&image, &[32, 40]), "{interface} {image}");
        assert!(has(&format!("FPGA_REGION{suffix}"), &interface), "{interface} of {env:?}");
        assert!(has(&variable, &image), "{image} of {env:?}");
    }
    assert!(promises.is_sorted_by(|a, b| a.variable < b.variable), "{promises:?}");
    let mut turned = env.to_vec();
    turned.reverse();
    assert_eq!(promise::promises(&turned).ok().as_deref(), Some(promises), "the order matters");
}

/// A value as ids are written.
fn plain(value: &str) -> String {
    value.replace('-', "").trim().to_lowercase()
}

fn is_hex(id: &str, lengths: &[usize]) -> bool {
    lengths.contains(&id.len()) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
