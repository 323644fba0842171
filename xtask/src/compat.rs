//! `cargo xtask compat`: what is too slow for `cargo xtask test`, with other programs. `garage`: the edge with another S3
//! server as its storage; the first run compiles that server, for some 13 minutes. `clients`: everyday calls of five S3
//! clients against the local S3. `inputs`: videos of all kinds, and damaged ones, through the local system. `kills`: kills
//! it while it converts.

use crate::install;
use crate::process::{root, run};
use crate::test::build_server;
use crate::up;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

pub fn compat(args: &[&str]) -> Result<()> {
    match args {
        ["garage"] => garage(),
        ["clients"] => clients(),
        ["inputs", words @ ..] => with_local("compat_inputs.py", words),
        ["kills"] => with_local("compat_kills.py", &["50"]),
        ["kills", options @ ..] => with_local("compat_kills.py", options),
        _ => bail!("usage: cargo xtask compat garage|clients|inputs [WORD…]|kills [COUNT [SEED]]"),
    }
}

fn garage() -> Result<()> {
    let (garage, python) = (install::garage()?, install::python()?);
    let (runtime, edge) = (build_server("lambda_runtime")?, build_server("edge")?);
    run_script("compat_garage.py", &python, &[&garage, &runtime, &edge])
}

fn clients() -> Result<()> {
    let (python, s3cmd, rclone) = (install::python()?, install::s3cmd()?, install::rclone()?);
    let folder = root().join("tests/clients");
    run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--workspaces=false"])
        .current_dir(folder))?;
    let local = up::build_server()?;
    run_script("compat_clients.py", &python, &[&local, Path::new("node"), &s3cmd, &rclone])
}

/// Runs a script with the local system's program and `options`.
fn with_local(script: &str, options: &[&str]) -> Result<()> {
    install::ffmpeg()?;
    let (python, local) = (install::python()?, up::build_server()?);
    let mut args = vec![local.as_path()];
    args.extend(options.iter().map(Path::new));
    run_script(script, &python, &args)
}

fn run_script(name: &str, python: &Path, args: &[&Path]) -> Result<()> {
    let script = root().join("tests/python").join(name);
    run(Command::new(python).arg(script).args(args).current_dir(root()))
}
