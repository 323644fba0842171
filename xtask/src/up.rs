//! `cargo xtask up`: builds everything and becomes the local server.

use crate::tools::{self, Outcome};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Passes `--port`, `--data` and `--host` on to the server, which checks them.
pub fn up(args: &[&str]) -> Outcome {
    tools::ffmpeg()?;
    let site = build_site()?;
    let server = build_server()?;
    let root = tools::root();
    // The server takes our place, so that Ctrl-C and SIGTERM reach it and nothing else.
    let error = Command::new(&server)
        .args(["--site".as_ref(), site.as_os_str(), "--job".as_ref(), root.join("job.json").as_os_str()])
        .args(args)
        .exec();
    Err(format!("{} can't be started: {error}", server.display()))
}

pub fn build_site() -> Outcome<PathBuf> {
    tools::wasm_target()?;
    crate::site::build()
}

/// The whole system as one binary.
pub fn build_server() -> Outcome<PathBuf> {
    tools::run(tools::cargo().args(["build", "--package", "local"]))?;
    Ok(tools::root().join("target/debug/local"))
}
