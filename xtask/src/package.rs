//! `cargo xtask package [--x86]`: the edge built for Amazon Linux, as `target/lambda/edge.zip` with `bootstrap` and
//! `job.json` in it.

use crate::tools::{self, Outcome};
use job::JobTemplate;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// In bytes. It has a good 6 MB.
const LARGEST_ZIP: u64 = 7_000_000;

/// What Lambda runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Arm64,
    X86,
}

impl Architecture {
    /// Reads `--x86` out of the words; the rest of them.
    pub fn from_words<'a>(words: &[&'a str]) -> (Self, Vec<&'a str>) {
        let rest: Vec<_> = words.iter().copied().filter(|word| *word != "--x86").collect();
        (if rest.len() == words.len() { Self::Arm64 } else { Self::X86 }, rest)
    }

    /// As CloudFormation calls it.
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

pub fn command(args: &[&str]) -> Outcome {
    let (architecture, rest) = Architecture::from_words(args);
    if !rest.is_empty() {
        return Err("usage: cargo xtask package [--x86]".into());
    }
    package(architecture).map(drop)
}

/// Builds the zip; where it is.
pub fn package(architecture: Architecture) -> Outcome<PathBuf> {
    let root = tools::root();
    // A job that MediaConvert would refuse must not get as far as a Lambda.
    judge_job()?;
    let programs = tools::cargo_lambda()?;
    tools::target(architecture.target(), "the Lambda's processor")?;
    let folder = root.join("target/lambda");
    let built = folder.join(architecture.name());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs.clone()].into_iter().chain(std::env::split_paths(&path)))
        .map_err(|error| format!("PATH can't be extended: {error}"))?;
    tools::run(
        Command::new(programs.join("cargo-lambda"))
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
            .args([
                "--target",
                architecture.target(),
                "--output-format=zip",
                "--include=job.json",
                "--lambda-dir",
            ])
            .arg(&built)
            .env("PATH", path)
            .current_dir(&root),
    )?;
    let zip = folder.join("edge.zip");
    fs::copy(built.join("edge/bootstrap.zip"), &zip)
        .map_err(|error| format!("{} can't be written: {error}", zip.display()))?;
    let size = fs::metadata(&zip).map_err(|error| format!("{} is gone: {error}", zip.display()))?.len();
    if size > LARGEST_ZIP {
        return Err(format!("the zip has {size} bytes; more than {LARGEST_ZIP} makes cold starts slow"));
    }
    println!(
        "target/lambda/edge.zip ({}, with job.json): {size} bytes, {:.2} MB",
        architecture.name(),
        size as f64 / 1e6
    );
    Ok(zip)
}

/// The edge as it is packaged, for this machine's processor: a folder like the unpacked zip.
pub fn unpacked() -> Outcome<PathBuf> {
    let root = tools::root();
    tools::run(tools::cargo().args(["build", "--quiet", "--profile=lambda", "--package=edge"]))?;
    let folder = root.join("target/lambda/unpacked");
    let copy = |from: PathBuf, name: &str| {
        let to = folder.join(name);
        fs::copy(&from, &to).map_err(|error| format!("{} can't be written: {error}", to.display()))
    };
    fs::create_dir_all(&folder).map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    // A running program can't be written over.
    let _ = fs::remove_file(folder.join("bootstrap"));
    copy(root.join("target/lambda/edge"), "bootstrap")?;
    copy(root.join("job.json"), "job.json")?;
    Ok(folder)
}

/// Says no to what MediaConvert would refuse, and tells of outputs that are promised and wouldn't be made.
fn judge_job() -> Outcome {
    let job = JobTemplate::checked(&tools::read(&tools::root().join("job.json"))?)?;
    if let Some(folder) = job.destinations().into_iter().find(|folder| !folder.starts_with("assets/")) {
        return Err(format!(
            "job.json writes to {folder}, but the stack lets outputs lie under assets/ only"
        ));
    }
    if let Some(key) = job.broken_promise() {
        eprintln!("job.json makes no {key}, on which sites may count: the README names it");
    }
    Ok(())
}
