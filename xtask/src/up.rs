//! `cargo xtask up`: builds the page and the server, then becomes the server. stdout is the server's alone.

use crate::process::{cargo, root, run};
use crate::progress::{Background, Progress};
use crate::{install, pack, site};
use anyhow::{Error, Result};
use std::num::NonZero;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::available_parallelism;

/// Core seconds of a first build, for the estimate; see docs/benchmarks.md.
const FIRST_BUILD_CORE_SECONDS: usize = 520;
/// No number of cores makes a first build faster, as crates wait for each other.
const MIN_FIRST_BUILD_SECONDS: usize = 120;

/// Passes its arguments on to the server, which checks them.
pub fn up(args: &[&str]) -> Result<()> {
    print_plan();
    let mut progress = Progress::new(5);
    progress.step("the server starts to compile, beside the next steps");
    let mut server = Background::start(&mut server_build())?;
    progress.step("ffmpeg, which converts the videos");
    install::ffmpeg()?;
    progress.step("the npm packages");
    install::npm_ci()?;
    server.has_succeeded()?;
    progress.step("the uploader, as WebAssembly, and the page");
    let site = site::assemble(&pack::pack()?)?;
    progress.step("waiting until the server is compiled");
    progress.wait(&mut server)?;
    let (server, job) = (server_binary(), root().join("job.json"));
    // The server replaces this process, so that Ctrl-C and SIGTERM reach it and nothing else.
    let error = Command::new(&server).arg("--site").arg(site).arg("--job").arg(job).args(args).exec();
    Err(Error::new(error).context(format!("{} can't be started", server.display())))
}

fn print_plan() {
    eprintln!("builds the server and the page, then serves them; ends with `ready` and the address");
    if server_binary().exists() {
        eprintln!("only what changed is compiled: seconds, or a few minutes after an update");
    } else {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let seconds = (FIRST_BUILD_CORE_SECONDS / cores).max(MIN_FIRST_BUILD_SECONDS);
        let minutes = seconds.div_ceil(60);
        eprintln!(
            "the first run compiles everything: about {minutes} minutes on {cores} cores; later ones take seconds"
        );
    }
}

/// Builds the server as `up` does; returns the binary's path.
pub fn build_server() -> Result<PathBuf> {
    run(&mut server_build())?;
    Ok(server_binary())
}

fn server_build() -> Command {
    let mut command = cargo();
    command.args(["build", "--package", "local"]);
    command
}

fn server_binary() -> PathBuf {
    root().join("target/debug/local")
}
