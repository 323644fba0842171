//! `cargo xtask package [--x86]`: builds the edge for Amazon Linux; writes `target/lambda/edge.zip` with `bootstrap`,
//! `job.json`, the bill of materials and the licences.

use crate::process::{cargo, copy, create_dir, path_starting_with, root, run};
use crate::{install, sbom};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// In bytes; a larger one makes cold starts slow. It has 6 MB today.
const MAX_ZIP_SIZE: u64 = 7_000_000;

/// Adds files to a zip, with a fixed time: equal contents make equal zips, whose hash is their key in S3.
const ADD_TO_ZIP: &str = "
import pathlib, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'a', zipfile.ZIP_DEFLATED) as file:
    for path in map(pathlib.Path, sys.argv[2:]):
        info = zipfile.ZipInfo(path.name)
        info.external_attr = 0o644 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        file.writestr(info, path.read_bytes())
";

/// The processor architectures of Lambda.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Arm64,
    X86,
}

impl Architecture {
    /// The architecture that the arguments select, and the other arguments.
    pub fn from_args<'a>(args: &[&'a str]) -> (Self, Vec<&'a str>) {
        let others: Vec<_> = args.iter().copied().filter(|arg| *arg != "--x86").collect();
        (if others.len() == args.len() { Self::Arm64 } else { Self::X86 }, others)
    }

    /// The name in CloudFormation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86 => "x86_64",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86 => "x86_64-unknown-linux-gnu",
        }
    }
}

pub fn command(args: &[&str]) -> Result<()> {
    let (architecture, others) = Architecture::from_args(args);
    if !others.is_empty() {
        bail!("usage: cargo xtask package [--x86]");
    }
    package(architecture).map(drop)
}

/// Builds the zip; returns its path.
pub fn package(architecture: Architecture) -> Result<PathBuf> {
    // MediaConvert would refuse an invalid job only after the deployment.
    check_job()?;
    let programs = install::cargo_lambda()?;
    install::target(architecture.target(), "the processor of the Lambda")?;
    let folder = root().join("target/lambda");
    let build = folder.join(architecture.name());
    run(Command::new(programs.join("cargo-lambda"))
        .args([
            "lambda",
            "build",
            "--profile",
            "lambda",
            "--locked",
            "--quiet",
            "--package=edge",
            "--bin=edge",
        ])
        .args(["--target", architecture.target()])
        .args(["--output-format=zip", "--include=job.json", "--lambda-dir"])
        .arg(&build)
        .env("PATH", path_starting_with(&programs)?)
        .current_dir(root()))?;
    let zip = folder.join("edge.zip");
    copy(&build.join("edge/bootstrap.zip"), &zip)?;
    let documents = sbom::write("edge", "pkg:generic/edge", architecture.target(), &build)?;
    run(Command::new(programs.join("python")).args(["-c", ADD_TO_ZIP]).arg(&zip).args(documents))?;
    let size = fs::metadata(&zip).with_context(|| format!("{} can't be read", zip.display()))?.len();
    ensure!(
        size <= MAX_ZIP_SIZE,
        "edge.zip has {size} bytes; more than {MAX_ZIP_SIZE} make cold starts slow"
    );
    println!(
        "target/lambda/edge.zip ({}, with job.json): {size} bytes, {:.2} MB",
        architecture.name(),
        size as f64 / 1e6
    );
    Ok(zip)
}

/// The packaged edge, built for this machine: a folder like the unpacked zip.
pub fn unpacked() -> Result<PathBuf> {
    run(cargo().args(["build", "--quiet", "--profile=lambda", "--package=edge"]))?;
    let folder = root().join("target/lambda/unpacked");
    create_dir(&folder)?;
    // A running program can't be overwritten, but removed.
    let _ = fs::remove_file(folder.join("bootstrap"));
    copy(&root().join("target/lambda/edge"), &folder.join("bootstrap"))?;
    copy(&root().join("job.json"), &folder.join("job.json"))?;
    Ok(folder)
}

/// Refuses a job.json that MediaConvert or the stack would refuse.
fn check_job() -> Result<()> {
    let program = ["run", "--quiet", "--package=job", "--example=check_job", "--", "job.json"];
    run(cargo().args(program)).context("job.json can't be packaged")
}
