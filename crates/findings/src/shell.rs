//! Words that a shell takes as they are meant, for commands that people copy and scripts run.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// `text` as one word of a POSIX shell that no command takes for an option. What is not printable text is in `$'...'`,
/// which POSIX has since 2024, and bash, zsh, ksh and busybox have had before.
#[must_use]
pub fn word(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_bytes();
    // A command would take it for an option, quoted or not.
    let path = if bytes.starts_with(b"-") { "./" } else { "" };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(is_plain) => format!("{path}{text}"),
        Ok(text) if !text.chars().any(char::is_control) => {
            format!("'{path}{}'", text.replace('\'', "'\\''"))
        }
        _ => {
            let escaped = bytes.iter().fold(String::new(), |mut escaped, byte| {
                // Writing to a String does not fail.
                let _ = match byte {
                    byte if is_plain(byte) => write!(escaped, "{}", char::from(*byte)),
                    byte => write!(escaped, "\\{byte:03o}"),
                };
                escaped
            });
            format!("$'{path}{escaped}'")
        }
    }
}

/// True for what means nothing to a shell, wherever it stands in a word.
fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@%+:,./-".contains(byte)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::process::Command;

    use super::*;

    /// A shell makes of it what it was.
    #[test]
    fn a_shell_reads_what_was_meant() {
        for text in [
            &b"/srv/intel.com/fpga/69528db6.gbs"[..],
            b"",
            b"a b.gbs",
            b"$(x).gbs",
            b"`x`; rm -r *",
            b"it's \"quoted\" \\ and ~ # = !",
            "größe".as_bytes(),
        ] {
            let text = OsString::from_vec(text.to_vec());
            assert_eq!(echo("sh", &word(&text)), text.as_bytes(), "{text:?}");
        }
        assert_eq!(word("/srv/a-b_c.gbs"), "/srv/a-b_c.gbs");
    }

    #[test]
    fn no_word_is_an_option() {
        assert_eq!(word("-rf"), "./-rf");
        assert_eq!(word("- f"), "'./- f'");
    }

    #[test]
    fn what_is_no_text_is_escaped() {
        assert_eq!(word("a\nb\x1b"), "$'a\\012b\\033'");
        let text = OsString::from_vec(b"/s/\xff'x\n1".to_vec());
        assert_eq!(word(&text), "$'/s/\\377\\047x\\0121'");
        if Command::new("bash").arg("-c").arg(":").status().is_ok() {
            assert_eq!(echo("bash", &word(&text)), text.as_bytes());
        }
    }

    fn echo(shell: &str, word: &str) -> Vec<u8> {
        let command = format!("printf %s {word}");
        Command::new(shell).args(["-c", &command]).output().unwrap().stdout
    }
}
