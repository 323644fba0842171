//! `cargo xtask test`: everything, one step after the other; ends with `N passed, M failed`.

use crate::tools::{self, Outcome};
use crate::{package, server, sim, up, wasm_tests};
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
    eprintln!("\n== the Lambda");
    let edge = tally.step("the Lambda", package::unpacked()).unwrap_or_default();
    tally.count(
        "native tests",
        tools::cargo()
            .args(["test", "--workspace", "--no-fail-fast"])
            .env("GRELOUPIS_PYTHON", &python)
            .env("GRELOUPIS_EDGE", &edge),
    );
    eprintln!("\n== simulation");
    tally.step("simulation", sim::sim(&["--seeds", "20000"]));
    wasm_tests::wasm_tests(&mut tally);
    if let (Some(site), Some(server), Some(proxy)) = (
        tally.step("the page", up::build_site()),
        tally.step("the server", tested("local")),
        tally.step("the fault proxy", tested("fault_proxy")),
    ) {
        end_to_end(&mut tally, &site, &server, &proxy);
        as_packaged(&mut tally, &site, &edge, &python);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { Ok(()) } else { Err("not everything passed".into()) }
}

/// A program that `cargo test` has built for the tests of its package; building it alone would take other
/// features of its dependencies, and minutes.
fn tested(program: &str) -> Outcome<PathBuf> {
    let path = tools::root().join("target/debug").join(program);
    if path.is_file() { Ok(path) } else { Err("it wasn't built with the native tests".into()) }
}

/// Real browsers against the whole system.
fn end_to_end(tally: &mut Tally, site: &Path, local: &Path, proxy: &Path) {
    let folder = tools::root().join("tests/e2e");
    // Named one by one: some versions of Node take a folder here, others a pattern.
    let mut tests: Vec<_> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    // It takes what is too large for a disk.
    let Some(fake_server) = tally.step("the draining server", server::fake_server(false)) else { return };
    tally.count(
        "end to end",
        browser_tests(tests, site, local)
            .env("GRELOUPIS_FAULT_PROXY", proxy)
            .env("GRELOUPIS_FAKE_SERVER", &fake_server.url),
    );
}

fn browser_tests(tests: impl IntoIterator<Item = PathBuf>, site: &Path, local: &Path) -> Command {
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(tests)
        .current_dir(tools::root())
        .env("GRELOUPIS_SITE", site)
        .env("GRELOUPIS_LOCAL", local);
    command
}

/// The same once more with the packaged Lambda under Lambda's Runtime API, and DynamoDB, in place of the edge within
/// the server and SQLite. Faults of the network, and workers, don't reach the edge and aren't tried again.
fn as_packaged(tally: &mut Tally, site: &Path, edge: &Path, python: &Path) {
    let Some(server) = tally.step("the server around the Lambda", tested("local_with_lambda")) else {
        return;
    };
    let script = tools::root().join("tests/python/aws.py");
    let mut aws = Command::new(python);
    // It ends with us.
    aws.arg(script).stdin(Stdio::piped()).stderr(Stdio::null());
    let Some(aws) = tally.step("DynamoDB", server::Server::start(&mut aws, "aws")) else { return };
    let tests = ["upload_to_playback", "file_validation", "server_killed", "page", "resume"]
        .map(|name| format!("tests/e2e/{name}.test.mjs"));
    tally.count(
        "end to end, as packaged",
        browser_tests(tests.map(PathBuf::from), site, &server)
            .env("GRELOUPIS_EDGE", edge)
            .env("GRELOUPIS_DYNAMODB", &aws.url),
    );
}

/// Installs what is missing first, so that the first lines say what that is.
fn install() -> Outcome<PathBuf> {
    eprintln!("looking for what the tests need; what is missing gets installed now:");
    tools::wasm_target()?;
    tools::ffmpeg()?;
    tools::chromium()?;
    tools::chromedriver()?;
    tools::firefox()?;
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
