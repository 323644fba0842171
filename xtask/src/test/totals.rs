//! Counts passed and failed tests over several test runners.

use crate::process;
use anyhow::{Context, Error, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

#[derive(Default)]
pub struct Totals {
    passed: u32,
    failed: u32,
    /// Whether runners get a filter, which may leave one without a test.
    is_filtered: bool,
}

impl Totals {
    pub fn new(is_filtered: bool) -> Self {
        Self { is_filtered, ..Self::default() }
    }

    /// Runs a command that passes or fails as one test.
    pub fn check(&mut self, name: &str, command: &mut Command) {
        self.step(name, || process::run(command));
    }

    /// Calls a function that passes or fails as one test.
    pub fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        eprintln!("\n== {name}");
        match run() {
            Ok(()) => self.passed += 1,
            Err(error) => self.fail(name, &error),
        }
    }

    /// Runs a test runner, shows its output, and adds up what it counts. One that fails without counting a failure
    /// (it didn't compile, it crashed) is one failure, like one that counts no test.
    pub fn count(&mut self, name: &str, command: &mut Command) {
        if self.count_any(name, command) == 0 && !self.is_filtered {
            self.fail(name, &Error::msg("no test ran"));
        }
    }

    /// The same, but no test at all is no failure. Returns how many it counts.
    pub fn count_any(&mut self, name: &str, command: &mut Command) -> u32 {
        eprintln!("\n== {name}");
        let (status, passed, failed) = match run_and_count(command) {
            Ok(counted) => counted,
            Err(error) => {
                self.fail(name, &error);
                return 1;
            }
        };
        self.passed += passed;
        self.failed += failed;
        if !status.success() && failed == 0 {
            self.fail(name, &Error::msg(format!("the test runner failed: {status}")));
            return passed + 1;
        }
        passed + failed
    }

    pub fn fail(&mut self, name: &str, error: &Error) {
        eprintln!("FAILED {name}: {error:#}");
        self.failed += 1;
    }

    /// Prints the closing line; an error if a test failed or none ran.
    pub fn finish(&self) -> Result<()> {
        println!("{} passed, {} failed", self.passed, self.failed);
        match (self.passed, self.failed) {
            (0, 0) => bail!("no test matches the filter"),
            (_, 0) => Ok(()),
            (_, failed) => bail!("{failed} failed"),
        }
    }
}

fn run_and_count(command: &mut Command) -> Result<(ExitStatus, u32, u32)> {
    let cannot_run = format!("{} can't be run", process::name(command));
    let mut child = command.stdout(Stdio::piped()).spawn().context(cannot_run)?;
    let (mut passed, mut failed) = (0, 0);
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            let (more_passed, more_failed) = parse_counts(&line);
            passed += more_passed;
            failed += more_failed;
        }
    }
    Ok((child.wait()?, passed, failed))
}

/// Passed and failed tests of a runner's closing lines: Rust's `test result: ok. 3 passed; 0 failed; …`, Node's
/// `ℹ pass 3` and `ℹ fail 0`. Zero for any other line.
fn parse_counts(line: &str) -> (u32, u32) {
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
    use super::{Totals, parse_counts};
    use std::process::Command;

    #[test]
    fn closing_lines_are_parsed() {
        assert_eq!(parse_counts("test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured"), (12, 3));
        assert_eq!(parse_counts("ℹ pass 7"), (7, 0));
        assert_eq!(parse_counts("ℹ fail 2"), (0, 2));
        assert_eq!(parse_counts("test a::b ... ok"), (0, 0));
    }

    #[test]
    fn runner_without_a_test_is_a_failure_unless_filtered() {
        for (is_filtered, failed) in [(false, 1), (true, 0)] {
            let mut totals = Totals::new(is_filtered);
            totals.count("none", &mut Command::new("true"));
            assert_eq!((totals.passed, totals.failed), (0, failed));
            assert!(totals.finish().is_err());
        }
    }

    #[test]
    fn runner_that_crashes_is_one_failure() {
        let mut totals = Totals::new(true);
        totals.count("crash", &mut Command::new("false"));
        totals.count("missing", &mut Command::new("/nonexistent"));
        assert_eq!((totals.passed, totals.failed), (0, 2));
    }
}
