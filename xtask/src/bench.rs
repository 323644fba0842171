//! `cargo xtask bench [NAME]`: benchmarks against peers, side by side in one run. Each prints a table and
//! writes its numbers to `target/bench/NAME.json`.

use crate::server::{self, Server};
use crate::tools::{self, Outcome};
use crate::{pack, package, up};
use std::path::PathBuf;
use std::process::Command;

/// Runs the benchmark of that name, or all.
pub fn bench(args: &[&str]) -> Outcome {
    match args {
        [] => upload().and_then(|()| s3()).and_then(|()| crc()).and_then(|()| edge()),
        ["upload"] => upload(),
        ["s3"] => s3(),
        ["crc"] => crc(),
        ["edge"] => edge(),
        _ => Err("usage: cargo xtask bench [upload | s3 | crc | edge]".into()),
    }
}

/// Uploaders in headless Chromium, all to the same server, which drains what it gets.
fn upload() -> Outcome {
    let chromium = tools::chromium()?;
    let package = pack::pack()?;
    let folder = tools::root().join("tests/bench");
    tools::npm_ci_in(&folder)?;
    let fake_server = server::fake_server(true)?;
    let mut proxy =
        Server::start(server::of_tests("fault_proxy", true)?.arg(&fake_server.url), "fault_proxy")?;
    let control = proxy.next("control")?;
    let files = results()?.join("files");
    let result = results()?.join("upload.json");
    tools::run(
        Command::new("node")
            .args(["upload.mjs", &fake_server.url, &proxy.url, &control])
            .args([&package, &files, &result])
            .env("CHROMIUM", chromium)
            .current_dir(folder),
    )
}

/// Our S3 endpoint, built as `up` runs it, against the fake server built alike.
fn s3() -> Outcome {
    let server = up::build_server()?;
    let fake_server = server::fake_server(false)?;
    let data = results()?.join("s3-data");
    let mut local = Command::new(server);
    local.args(["--port", "0", "--data"]).arg(&data).current_dir(tools::root());
    let local = Server::start(&mut local, "ready")?;
    let outcome = tools::run(
        Command::new("node")
            .args(["tests/bench/s3.mjs", &fake_server.url, &local.url, &local.id().to_string()])
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

/// The packaged edge under Lambda's Runtime API beside the same presign in Python and Node; then signing alone.
fn edge() -> Outcome {
    let unpacked = package::unpacked()?;
    let python = tools::python()?;
    tools::npm_ci_in(&tools::root().join("tests/bench"))?;
    let zip = results()?.join("edge.zip");
    tools::run(
        Command::new(&python)
            .args(["-m", "zipfile", "-c"])
            .arg(&zip)
            .args([unpacked.join("bootstrap"), unpacked.join("job.json")]),
    )?;
    tools::run(
        server::of_tests("bench_edge", true)?
            .args([unpacked, zip, python, results()?.join("edge.json")])
            .current_dir(tools::root()),
    )?;
    tools::run(tools::cargo().args([
        "run",
        "--quiet",
        "--profile=lambda",
        "--package=edge",
        "--example=sign",
    ]))
}

fn results() -> Outcome<PathBuf> {
    let folder = tools::root().join("target/bench");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    Ok(folder)
}
