//! `cargo xtask test`: everything, one step after the other; ends with `N passed, M failed`.

use crate::tools::{self, Outcome};
use crate::{sim, up, wasm_tests};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the steps so far have come to.
#[derive(Default)]
pub struct Tally {
    passed: u32,
    failed: u32,
}

pub fn test() -> Outcome {
    let python = install()?;
    let mut tally = Tally::default();
    tally.check("format", tools::cargo().args(["fmt", "--all", "--check"]));
    tally.check("lints", tools::cargo().args(["clippy", "--quiet", "--workspace", "--all-targets"]));
    tally.check(
        "lints of the wasm side",
        tools::cargo().args(["clippy", "--quiet", "--package", "web", "--target", "wasm32-unknown-unknown"]),
    );
    tally.count(
        "native tests",
        tools::cargo().args(["test", "--workspace", "--no-fail-fast"]).env("GRELOUPIS_PYTHON", &python),
    );
    eprintln!("\n== simulation");
    tally.step("simulation", sim::sim(&["--seeds", "20000"]));
    wasm_tests::wasm_tests(&mut tally);
    if let (Some(site), Some(server)) =
        (tally.step("the page", up::build_site()), tally.step("the server", tested_server()))
    {
        end_to_end(&mut tally, &site, &server);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { Ok(()) } else { Err("not everything passed".into()) }
}

/// The server that `cargo test` has built for local/tests/cli.rs; building it alone would take other features
/// of its dependencies, and minutes.
fn tested_server() -> Outcome<PathBuf> {
    let server = tools::root().join("target/debug/local");
    if server.is_file() { Ok(server) } else { Err("it wasn't built with the native tests".into()) }
}

/// Real browsers against the whole system.
fn end_to_end(tally: &mut Tally, site: &Path, server: &Path) {
    let folder = tools::root().join("tests/e2e");
    // Named one by one: some versions of Node take a folder here, others a pattern.
    let mut tests: Vec<_> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    tally.count(
        "end to end",
        Command::new("node")
            .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
            .args(tests)
            .current_dir(tools::root())
            .env("GRELOUPIS_SITE", site)
            .env("GRELOUPIS_LOCAL", server),
    );
}

/// Installs what is missing first, so that the first lines say what that is.
fn install() -> Outcome<PathBuf> {
    eprintln!("looking for what the tests need; what is missing gets installed now:");
    tools::wasm_target()?;
    tools::ffmpeg()?;
    tools::chromium()?;
    tools::chromedriver()?;
    tools::npm_ci()?;
    tools::wasm_bindgen()?;
    tools::wasm_pack()?;
    let python = tools::python()?;
    eprintln!("all there");
    Ok(python)
}

impl Tally {
    /// A step that passes or fails as one.
    pub fn check(&mut self, what: &str, command: &mut Command) {
        eprintln!("\n== {what}");
        let outcome = tools::run(command);
        self.step(what, outcome);
    }

    /// Counts a step, says why it failed, and hands on what it made.
    pub fn step<T>(&mut self, what: &str, outcome: Outcome<T>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.passed += 1;
                Some(value)
            }
            Err(sentence) => {
                eprintln!("FAILED {what}: {sentence}");
                self.failed += 1;
                None
            }
        }
    }

    /// Runs a test runner, shows its output, and adds up what it counts. One that fails without counting a
    /// failure (it didn't compile, it crashed) is one failure; one that counts nothing at all, too.
    pub fn count(&mut self, what: &str, command: &mut Command) {
        eprintln!("\n== {what}");
        let outcome = stream(command);
        let (ended_well, passed, failed) = match outcome {
            Ok(counted) => counted,
            Err(sentence) => {
                self.step::<()>(what, Err(sentence));
                return;
            }
        };
        self.passed += passed;
        self.failed += failed;
        if passed + failed == 0 || (!ended_well && failed == 0) {
            self.step::<()>(what, Err("the runner failed, or ran no test".into()));
        }
    }
}

fn stream(command: &mut Command) -> Outcome<(bool, u32, u32)> {
    let program = command.get_program().to_owned();
    let failed_to = |error| format!("{} can't be run: {error}", OsStr::display(&program));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed_to)?;
    let (mut passed, mut failed) = (0, 0);
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            let (more_passed, more_failed) = counts(&line);
            passed += more_passed;
            failed += more_failed;
        }
    }
    let status = child.wait().map_err(failed_to)?;
    Ok((status.success(), passed, failed))
}

/// Passed and failed tests as a runner's closing lines tell them: Rust's
/// `test result: ok. 3 passed; 0 failed; …`, Node's `ℹ pass 3` and `ℹ fail 0`.
fn counts(line: &str) -> (u32, u32) {
    let number_before = |word: &str| {
        let (before, _) = line.split_once(word)?;
        before.rsplit(' ').next()?.parse::<u32>().ok()
    };
    let number_after = |word: &str| line.strip_prefix(word)?.trim().parse::<u32>().ok();
    if line.starts_with("test result:") {
        return (number_before(" passed;").unwrap_or(0), number_before(" failed;").unwrap_or(0));
    }
    (number_after("ℹ pass ").unwrap_or(0), number_after("ℹ fail ").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn closing_lines_are_read() {
        assert_eq!(counts("test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured"), (12, 3));
        assert_eq!(counts("ℹ pass 7"), (7, 0));
        assert_eq!(counts("ℹ fail 2"), (0, 2));
        assert_eq!(counts("test a::b ... ok"), (0, 0));
    }
}
