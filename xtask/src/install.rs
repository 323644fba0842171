//! Finds the tools that the commands need and installs those that are missing. Our own copies are kept in the user's
//! cache folder; an installed tool is never replaced.

use crate::process::{cargo, create_dir, find, output, read, root, run};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn print_installing(what: &str, purpose: &str) {
    eprintln!("installing {what}: {purpose}");
}

/// `wasm-bindgen-test-runner` with the version of wasm-bindgen in Cargo.lock; returns its path.
pub fn wasm_bindgen_test_runner() -> Result<PathBuf> {
    let version = locked_version("wasm-bindgen")?;
    cargo_tool(
        "wasm-bindgen-cli",
        "wasm-bindgen-test-runner",
        &version,
        &[],
        "runs the uploader's tests in a browser",
    )
}

pub fn wasm_pack() -> Result<PathBuf> {
    cargo_tool("wasm-pack", "wasm-pack", "0.15.1", &[], "runs the uploader's tests in a browser")
}

/// Garage, an S3 server. Its licence is the AGPL: it is run as a server of its own, never linked or shipped.
pub fn garage() -> Result<PathBuf> {
    let options = ["--locked", "--no-default-features", "--features=bundled-libs,sqlite"];
    cargo_tool("garage", "garage", "2.5.0", &options, "is the storage that the edge is tested with")
}

fn cargo_tool(
    package: &str,
    program: &str,
    version: &str,
    options: &[&str],
    purpose: &str,
) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        let printed = output(Command::new(&path).arg("--version")).unwrap_or_default();
        if printed.split_whitespace().nth(1) == Some(version) {
            return Ok(path);
        }
    }
    let cache = cache()?;
    let folder = cache.join(format!("{package}-{version}"));
    let path = folder.join("bin").join(program);
    if !path.is_file() {
        print_installing(&format!("{package} {version}"), purpose);
        // An unoptimized build takes a sixth of the time and is fast enough here.
        run(cargo()
            .args(["install", "--quiet", "--debug", "--root"])
            .arg(&folder)
            .arg(format!("{package}@{version}"))
            .args(options)
            .current_dir(&cache)
            .env("CARGO_TARGET_DIR", cache.join("build"))
            // The lints of this workspace don't apply to other packages.
            .env_remove("RUSTFLAGS"))
        .with_context(|| format!("{package} is missing ({purpose}) and can't be installed"))?;
    }
    Ok(path)
}

/// The version of a package in Cargo.lock.
fn locked_version(package: &str) -> Result<String> {
    let lock = read(&root().join("Cargo.lock"))?;
    let start = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
    version.map(|(version, _)| version.to_owned()).with_context(|| format!("Cargo.lock lacks {package}"))
}

/// The folder for our copies of tools, shared by all checkouts of a user.
fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("tools can't be installed: neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = base.join("greloupis").join("tools");
    create_dir(&folder)?;
    Ok(folder)
}

/// The target of the uploader. rust-toolchain.toml names it, so rustup usually has it already.
pub fn wasm_target() -> Result<()> {
    target("wasm32-unknown-unknown", "the uploader is compiled for browsers")
}

/// A target of rustup.
pub fn target(target: &str, purpose: &str) -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    print_installing(target, purpose);
    run(Command::new("rustup").args(["target", "add", target]).current_dir(root()))
        .with_context(|| format!("the Rust target {target} is missing ({purpose}) and can't be installed"))
}

/// The packages of the repository's package-lock.json, in node_modules.
pub fn npm_ci() -> Result<()> {
    npm_ci_in(&root())
}

/// The packages of the lock file in `folder`. Skipped when node_modules was made from the same lock file.
pub fn npm_ci_in(folder: &Path) -> Result<()> {
    if find("npm").is_none() {
        bail!("Node.js is missing (the page and its tests need it): install Node 20 or later, with npm");
    }
    let lock = read(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.made-from-lock");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == lock) {
        return Ok(());
    }
    print_installing("the npm packages of package-lock.json", "player, optimizer, linters and browser tests");
    let options = ["ci", "--no-fund", "--no-audit", "--loglevel=error"];
    run(Command::new("npm").args(options).stdout(Stdio::null()).current_dir(folder))?;
    fs::write(&stamp, lock).with_context(|| format!("{} can't be written", stamp.display()))
}

/// A program of a Debian package; installed by apt if this process may.
fn debian(program: &str, package: &str, purpose: &str) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let missing =
        || anyhow!("{program} is missing ({purpose}): install it with `sudo apt-get install {package}`");
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if find("apt-get").is_none() || !is_root {
        return Err(missing());
    }
    print_installing(package, purpose);
    let apt = |args: &[&str]| {
        run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
    };
    // The package lists of a new machine are empty or old.
    apt(&["update", "-qq"]).map_err(|_| missing())?;
    apt(&["install", "-y", "-qq", "--no-install-recommends", package]).map_err(|_| missing())?;
    find(program).ok_or_else(missing)
}

/// ffmpeg and ffprobe.
pub fn ffmpeg() -> Result<PathBuf> {
    debian("ffmpeg", "ffmpeg", "converts the videos on one machine")
}

pub fn s3cmd() -> Result<PathBuf> {
    debian("s3cmd", "s3cmd", "one of the clients that the local S3 is tried with")
}

pub fn rclone() -> Result<PathBuf> {
    debian("rclone", "rclone", "one of the clients that the local S3 is tried with")
}

pub fn chromium() -> Result<PathBuf> {
    debian("chromium", "chromium", "the browser of the tests")
}

pub fn firefox() -> Result<PathBuf> {
    debian("firefox-esr", "firefox-esr", "the second browser of the tests")
}

pub fn chromedriver() -> Result<PathBuf> {
    debian("chromedriver", "chromium-driver", "wasm-pack drives the browser with it")
}

/// A Python with tests/python/requirements.txt.
pub fn python() -> Result<PathBuf> {
    let requirements = root().join("tests/python/requirements.txt");
    venv("python", &requirements, "boto3, the AWS CLI, cfn-lint and moto", "check and deploy the stack")
}

/// The folder of programs with `cargo-lambda` and `python-zig`.
pub fn cargo_lambda() -> Result<PathBuf> {
    let requirements = root().join("xtask/lambda.txt");
    let python = venv("lambda", &requirements, "cargo-lambda and zig", "build the Lambda for Amazon Linux")?;
    Ok(python.with_file_name(""))
}

/// The Python of a virtual environment of our own; recreated when its requirements have changed.
fn venv(name: &str, requirements: &Path, what: &str, purpose: &str) -> Result<PathBuf> {
    let required = read(requirements)?;
    let folder = cache()?.join(name);
    let (python, stamp) = (folder.join("bin/python"), folder.join("made-from-requirements"));
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == required) {
        return Ok(python);
    }
    print_installing(what, purpose);
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).map_err(|_| {
        anyhow!("Python 3 with venv is missing ({what} {purpose}): install it with `sudo apt-get install python3-venv`")
    })?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--require-hashes", "-r"])
        .arg(requirements))?;
    fs::write(&stamp, required).with_context(|| format!("{} can't be written", stamp.display()))?;
    Ok(python)
}
