//! Finds the tools that the commands need, and installs what is missing. Nothing is installed twice, and
//! nothing replaces what a person has installed: our own copies lie in the user's cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every command ends well or with one clear sentence.
pub type Outcome<T = ()> = Result<T, String>;

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Runs a command to its end, its output on ours.
pub fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{} can't be run: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", name(command))) }
}

/// What a command prints on stdout.
pub fn output_of(command: &mut Command) -> Outcome<String> {
    let output = command
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("{} can't be run: {error}", name(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{} ended with {}", name(command), output.status))
    }
}

fn name(command: &Command) -> String {
    let first: Vec<_> = command.get_args().take(2).map(|arg| arg.to_string_lossy().into_owned()).collect();
    format!("{} {}", command.get_program().to_string_lossy(), first.join(" "))
}

/// Says on stderr what is about to be installed, and why.
fn announce(what: &str, why: &str) {
    eprintln!("installing {what}: {why}");
}

/// A program on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// The toolchain's own `cargo`, as it runs us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// `wasm-bindgen`, in exactly the lock file's version.
pub fn wasm_bindgen() -> Outcome<PathBuf> {
    cargo_tool(
        "wasm-bindgen-cli",
        "wasm-bindgen",
        &locked_version("wasm-bindgen")?,
        "makes the uploader's glue",
    )
}

/// `wasm-pack`, with the `wasm-bindgen` that it needs found beside it.
pub fn wasm_pack() -> Outcome<PathBuf> {
    cargo_tool("wasm-pack", "wasm-pack", "0.15.1", "runs the uploader's tests in a browser")
}

fn cargo_tool(package: &str, program: &str, version: &str, why: &str) -> Outcome<PathBuf> {
    if let Some(path) = find(program) {
        let said = output_of(Command::new(&path).arg("--version")).unwrap_or_default();
        if said.split_whitespace().nth(1) == Some(version) {
            return Ok(path);
        }
    }
    let home = cache()?.join(format!("{package}-{version}"));
    let path = home.join("bin").join(program);
    if !path.is_file() {
        announce(&format!("{package} {version}"), why);
        // An unoptimized build takes a sixth of the time and is quick enough for what we give it.
        run(cargo()
            .args(["install", "--quiet", "--debug", "--root"])
            .arg(&home)
            .arg(format!("{package}@{version}"))
            .current_dir(cache()?)
            .env("CARGO_TARGET_DIR", cache()?.join("build"))
            // The lints of this workspace are not those of others.
            .env_remove("RUSTFLAGS"))
        .map_err(|error| {
            format!("{package} is missing ({why}) and `cargo install {package}@{version}` failed: {error}")
        })?;
    }
    Ok(path)
}

/// The version of `package` in Cargo.lock.
fn locked_version(package: &str) -> Outcome<String> {
    let lock = read(&root().join("Cargo.lock"))?;
    let start = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&start)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version.to_owned())
        .ok_or_else(|| format!("Cargo.lock doesn't name {package}"))
}

/// Where our copies of tools lie, shared by all checkouts of this user.
fn cache() -> Outcome<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set, so there is no place to keep tools")?;
    let dir = base.join("greloupis").join("tools");
    fs::create_dir_all(&dir).map_err(|error| format!("{} can't be made: {error}", dir.display()))?;
    Ok(dir)
}

pub fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))
}

/// rustup's wasm target; rust-toolchain.toml names it, so rustup usually has it already.
pub fn wasm_target() -> Outcome {
    target("wasm32-unknown-unknown", "compiles the uploader for browsers")
}

/// A target of rustup's.
pub fn target(target: &str, why: &str) -> Outcome {
    let sysroot = output_of(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    announce(target, why);
    run(Command::new("rustup").args(["target", "add", target]).current_dir(root())).map_err(|error| {
        format!("the target {target} is missing ({why}) and `rustup target add {target}` failed: {error}")
    })
}

/// The packages of package-lock.json, in node_modules.
pub fn npm_ci() -> Outcome {
    npm_ci_in(&root())
}

/// The packages of the lock file in `dir`. Skipped when node_modules was made from the same lock file.
pub fn npm_ci_in(dir: &Path) -> Outcome {
    if find("npm").is_none() {
        return Err(
            "Node.js is missing (the page and its tests need it): install Node 20 or later, with npm".into(),
        );
    }
    let lock = read(&dir.join("package-lock.json"))?;
    let stamp = dir.join("node_modules/.made-from-lock");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == lock) {
        return Ok(());
    }
    announce("the npm packages of package-lock.json", "player, optimizer and browser tests");
    run(Command::new("npm").args(["ci", "--no-fund", "--no-audit", "--loglevel=error"]).current_dir(dir))?;
    fs::write(&stamp, lock).map_err(|error| format!("{} can't be written: {error}", stamp.display()))
}

/// A program that comes with a Debian package; installed by apt where we may.
pub fn debian(program: &str, package: &str, why: &str) -> Outcome<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let by_hand = format!("{program} is missing ({why}); install it with `sudo apt-get install {package}`");
    let is_root = output_of(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if find("apt-get").is_none() || !is_root {
        return Err(by_hand);
    }
    announce(package, why);
    let apt = |args: &[&str]| {
        run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
    };
    // The package lists of a new machine are empty or old.
    apt(&["update", "-qq"]).map_err(|_| by_hand.clone())?;
    apt(&["install", "-y", "-qq", "--no-install-recommends", package]).map_err(|_| by_hand.clone())?;
    find(program).ok_or(by_hand)
}

/// ffmpeg and ffprobe, which are MediaConvert on one machine.
pub fn ffmpeg() -> Outcome<PathBuf> {
    debian("ffmpeg", "ffmpeg", "converts the videos on one machine")
}

pub fn chromium() -> Outcome<PathBuf> {
    debian("chromium", "chromium", "the browser that the tests drive")
}

pub fn firefox() -> Outcome<PathBuf> {
    debian("firefox-esr", "firefox-esr", "the second browser that the tests drive")
}

pub fn chromedriver() -> Outcome<PathBuf> {
    debian("chromedriver", "chromium-driver", "wasm-pack drives the browser with it")
}

/// A Python with tests/python/requirements.txt: boto3, the AWS CLI, cfn-lint and moto.
pub fn python() -> Outcome<PathBuf> {
    let requirements = root().join("tests/python/requirements.txt");
    venv(
        "python",
        &requirements,
        "boto3, the AWS CLI, cfn-lint and moto",
        "they judge what we make, and deploy it",
    )
}

/// The folder of programs with `cargo-lambda` and `python-zig`.
pub fn cargo_lambda() -> Outcome<PathBuf> {
    let requirements = root().join("xtask/lambda.txt");
    let python =
        venv("lambda", &requirements, "cargo-lambda and zig", "they build the Lambda for Amazon Linux")?;
    Ok(python.with_file_name(""))
}

/// The Python of a virtual environment of our own, made anew when its requirements have changed.
fn venv(name: &str, requirements: &Path, what: &str, why: &str) -> Outcome<PathBuf> {
    let wanted = read(requirements)?;
    let home = cache()?.join(name);
    let (python, stamp) = (home.join("bin/python"), home.join("made-from-requirements"));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    announce(what, why);
    let by_hand = format!(
        "Python 3 with venv is missing ({what}: {why}); install it with `sudo apt-get install python3-venv`"
    );
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)).map_err(|_| by_hand)?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{} can't be written: {error}", stamp.display()))?;
    Ok(python)
}
