//! Blocks that begin with ```` ```console run ````: their commands are run in a shell, all of a page in
//! one directory, and must print what the page says.
//!
//! A line that begins with `$ ` is a command, those that follow with `> ` belong to it, and the rest is
//! its output. With the word `unordered` the lines of an output may come in any order.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::page::{Block, Page};
use crate::volatile::settled;
use crate::{binaries, is_update, pages};

/// What is printed between two outputs.
const MARK: &str = "::end of output::";

#[test]
fn marked_commands_print_what_the_page_says() {
    let mut wrong = Vec::new();
    for page in pages() {
        let blocks: Vec<Block> = page.blocks().into_iter().filter(is_run).collect();
        if !blocks.is_empty() {
            wrong.extend(check(&page, &blocks));
        }
    }
    assert!(
        wrong.is_empty(),
        "run UPDATE_GENERATED=1 cargo test -p fpga-demo --test docs\n{}",
        wrong.join("\n")
    );
}

fn is_run(block: &Block) -> bool {
    block.info.starts_with("console") && block.info.split_whitespace().any(|word| word == "run")
}

/// A command with what it is said to print.
struct Step {
    command: String,
    /// As on the page, with its prompts.
    shown: String,
    output: String,
}

fn check(page: &Page, blocks: &[Block]) -> Vec<String> {
    let lines: Vec<&str> = page.text.lines().collect();
    let steps: Vec<Vec<Step>> =
        blocks.iter().map(|block| steps(page, &lines[block.lines.clone()])).collect();
    let outputs = run(page, steps.iter().flatten());
    let mut outputs = outputs.into_iter();
    let (mut wrong, mut fresh) = (Vec::new(), Vec::new());
    for (block, steps) in blocks.iter().zip(&steps) {
        let is_unordered = block.info.contains("unordered");
        let mut text = String::new();
        for step in steps {
            let output = outputs.next().unwrap();
            let is_same = settled(&output, is_unordered) == settled(&step.output, is_unordered);
            if !is_same {
                wrong.push(format!(
                    "{page}:{}: {}\n--- on the page\n{}--- printed\n{output}---",
                    block.lines.start, step.command, step.output
                ));
            }
            text += &step.shown;
            text += if is_same { &step.output } else { &output };
        }
        fresh.push(text);
    }
    if is_update() && !wrong.is_empty() {
        rewrite(page, &lines, blocks, &fresh);
        return Vec::new();
    }
    wrong
}

fn rewrite(page: &Page, lines: &[&str], blocks: &[Block], fresh: &[String]) {
    let (mut text, mut next) = (String::new(), 0);
    for (block, fresh) in blocks.iter().zip(fresh) {
        for line in &lines[next..block.lines.start] {
            writeln!(text, "{line}").unwrap();
        }
        text += fresh;
        next = block.lines.end;
    }
    for line in &lines[next..] {
        writeln!(text, "{line}").unwrap();
    }
    std::fs::write(&page.path, text).unwrap();
}

fn steps(page: &Page, lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                shown: format!("{line}\n"),
                output: String::new(),
            });
            continue;
        }
        let step =
            steps.last_mut().unwrap_or_else(|| panic!("{page}: output without a command: {line}"));
        match line.strip_prefix("> ").filter(|_| step.output.is_empty()) {
            Some(more) => {
                step.command += "\n";
                step.command += more;
                writeln!(step.shown, "{line}").unwrap();
            }
            None => writeln!(step.output, "{line}").unwrap(),
        }
    }
    steps
}

/// What each command prints, on both streams.
fn run<'a>(page: &Page, steps: impl Iterator<Item = &'a Step>) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let bin = directory.path().join("bin");
    let home = directory.path().join("home");
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(&home).unwrap();
    for name in fpga_demo::binaries::NAMES {
        std::os::unix::fs::symlink(binaries().path(name), bin.join(name)).unwrap();
    }
    // The demo's own binary builds the others unless it is told where they are.
    let demo = format!(
        "#!/bin/sh\nexec {} --bin-dir {} \"$@\"\n",
        env!("CARGO_BIN_EXE_fpga-demo"),
        bin.display()
    );
    std::fs::write(bin.join("fpga-demo"), demo).unwrap();
    std::fs::set_permissions(
        bin.join("fpga-demo"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut script =
        "exec 2>&1\nstarted=\ntrap '[ -z \"$started\" ] || kill $started' EXIT\n".to_owned();
    let mut count = 0;
    for step in steps {
        writeln!(script, "{}", step.command).unwrap();
        if step.command.ends_with('&') {
            script += "started=\"$started $!\"\n";
        }
        writeln!(script, "printf '%s\\n' '{MARK}'").unwrap();
        count += 1;
    }
    let text = shell(&script, &bin, &home);
    let outputs: Vec<String> = text
        .split(&format!("{MARK}\n"))
        .map(|output| tidy(output, directory.path()))
        .take(count)
        .collect();
    assert_eq!(outputs.len(), count, "{page}: the shell ended early:\n{text}");
    outputs
}

/// What a terminal would not show, and where the page was run.
fn tidy(output: &str, directory: &Path) -> String {
    output.replace(&format!("{}/home", directory.display()), "~").lines().fold(
        String::new(),
        |mut text, line| {
            writeln!(text, "{}", line.trim_end()).unwrap();
            text
        },
    )
}

fn shell(script: &str, bin: &Path, home: &Path) -> String {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(home)
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", home.to_str().unwrap()), ("LC_ALL", "C.UTF-8")])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
