//! `cargo xtask bench [NAME]`: benchmarks against peers, side by side in one run. Each prints a table and
//! writes its numbers to `target/bench/NAME.json`.

use crate::pack;
use crate::tools::{self, Outcome};
use crate::wasm_tests::Sink;
use std::path::PathBuf;
use std::process::Command;

/// Runs the benchmark of that name, or all.
pub fn bench(args: &[&str]) -> Outcome {
    match args {
        [] => upload().and_then(|()| s3()),
        ["upload"] => upload(),
        ["s3"] => s3(),
        _ => Err("usage: cargo xtask bench [upload | s3]".into()),
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

fn results() -> Outcome<PathBuf> {
    let folder = tools::root().join("target/bench");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    Ok(folder)
}
