//! `cargo xtask bench [NAME]`: benchmarks against peers, side by side in one run. Each prints a table and
//! writes its numbers to `target/bench/NAME.json`.

use crate::tools::{self, Outcome};
use crate::wasm_tests::Sink;
use crate::{pack, up};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs the benchmark of that name, or all.
pub fn bench(args: &[&str]) -> Outcome {
    match args {
        [] => upload().and_then(|()| s3()).and_then(|()| crc()),
        ["upload"] => upload(),
        ["s3"] => s3(),
        ["crc"] => crc(),
        _ => Err("usage: cargo xtask bench [upload | s3 | crc]".into()),
    }
}

/// Uploaders in headless Chromium, all to the same server, which drains what it gets.
fn upload() -> Outcome {
    let chromium = tools::chromium()?;
    let package = pack::pack()?;
    let folder = tools::root().join("tests/bench");
    tools::npm_ci_in(&folder)?;
    let sink = Sink::start(true)?;
    let files = results()?.join("files");
    let result = results()?.join("upload.json");
    tools::run(
        Command::new("node")
            .args(["upload.mjs", &sink.url])
            .args([&package, &files, &result])
            .env("CHROMIUM", chromium)
            .current_dir(folder),
    )
}

/// Our S3 endpoint, built as `up` runs it, against the sink built alike.
fn s3() -> Outcome {
    let server = up::build_server()?;
    let sink = Sink::start(false)?;
    let data = results()?.join("s3-data");
    let local = Local::start(&server, &data)?;
    let outcome = tools::run(
        Command::new("node")
            .args(["tests/bench/s3.mjs", &sink.url, &local.url, &local.child.id().to_string()])
            .arg(results()?.join("s3.json"))
            .current_dir(tools::root()),
    );
    drop(local);
    std::fs::remove_dir_all(&data)
        .map_err(|error| format!("{} can't be removed: {error}", data.display()))?;
    outcome
}

/// Implementations of CRC64NVME in headless Chromium, over the same bytes in memory.
fn crc() -> Outcome {
    let chromium = tools::chromium()?;
    let build = results()?.join("crc");
    pack::build_wasm(&build, &["bench"])?;
    let folder = tools::root().join("tests/bench");
    tools::npm_ci_in(&folder)?;
    tools::run(
        Command::new("node")
            .arg("crc.mjs")
            .args([&build, &results()?.join("crc.json")])
            .env("CHROMIUM", chromium)
            .current_dir(folder),
    )
}

/// The local system on free ports; stopped when this is dropped.
struct Local {
    child: Child,
    url: String,
}

impl Local {
    fn start(server: &Path, data: &Path) -> Outcome<Self> {
        let mut child = Command::new(server)
            .args(["--port", "0", "--data"])
            .arg(data)
            .current_dir(tools::root())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} can't be started: {error}", server.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let url = line.trim().strip_prefix("ready ").unwrap_or_default().to_owned();
        let local = Self { child, url };
        if local.url.is_empty() {
            Err("the local system ended before it was ready".into())
        } else {
            Ok(local)
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to tell about either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn results() -> Outcome<PathBuf> {
    let folder = tools::root().join("target/bench");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    Ok(folder)
}
