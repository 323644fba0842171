//! The uploader's tests in headless Chrome: starts the faulty server, runs wasm-pack, stops the server.

use crate::test::Tally;
use crate::tools::{self, Outcome};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server that is stopped when this is dropped.
pub struct Sink {
    child: Child,
    /// Its address, `http://HOST:PORT`.
    pub url: String,
}

impl Sink {
    /// Builds and starts `tests/sink` on a free port; `release` for measuring.
    pub fn start(release: bool) -> Outcome<Self> {
        let (profile, folder) = if release { ("release", "release") } else { ("dev", "debug") };
        tools::run(tools::cargo().args([
            "build",
            "--quiet",
            "--package=tests",
            "--bin=sink",
            "--profile",
            profile,
        ]))?;
        let program = tools::root().join("target").join(folder).join("sink");
        let mut child = Command::new(&program)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // The line comes once the port is open.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let url = line.trim().strip_prefix("sink ").unwrap_or_default().to_owned();
        let sink = Self { child, url };
        if sink.url.is_empty() { Err("the test server ended before it was ready".into()) } else { Ok(sink) }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to tell about either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs them and adds them to the tally.
pub fn wasm_tests(tally: &mut Tally) {
    if let Err(sentence) = run(tally) {
        tally.step::<()>("wasm tests", Err(sentence));
    }
}

fn run(tally: &mut Tally) -> Outcome {
    tools::chromium()?;
    let driver = tools::chromedriver()?;
    let sink = Sink::start(false)?;
    // wasm-pack takes the wasm-bindgen that it finds on the PATH.
    let bindgen = tools::wasm_bindgen()?;
    let mut folders: Vec<_> = bindgen.parent().map(Into::into).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path =
        std::env::join_paths(folders).map_err(|error| format!("the PATH can't be extended: {error}"))?;
    tally.count(
        "wasm tests in headless Chrome",
        Command::new(tools::wasm_pack()?)
            .args(["test", "--mode", "no-install", "--headless", "--chrome", "--chromedriver"])
            .arg(driver)
            .args(["web"])
            .env("GRELOUPIS_SINK", &sink.url)
            .env("PATH", path)
            .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
            .current_dir(tools::root()),
    );
    Ok(())
}
