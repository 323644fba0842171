//! `cargo xtask pack`: builds the npm package in `target/npm/package/` and its tarball in `target/npm/`, prints the
//! size of each file and fails when a limit of `web/size-budget.json` is exceeded.

use crate::install;
use crate::process::{cargo, copy, create_dir, output, read, remove_dir, root, run};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The scripts of the package, from `web/js/`. Each is bundled with what it imports, except for the others of this list.
/// `bindings.js`, the glue that wasm-bindgen makes, lies beside them.
const SCRIPTS: &[&str] = &["index.js", "resumable.js", "store.js", "poster.js", "worker.js"];
const WASM: &str = "uploader.wasm";
/// Copied as they are: the path in the repository, the name in the package.
const COPIED: &[(&str, &str)] =
    &[("web/js/index.d.ts", "index.d.ts"), ("web/README.md", "README.md"), ("LICENSE", "LICENSE")];

const TARGET: &str = "wasm32-unknown-unknown";
/// The features that rustc enables for the wasm target. A newer one could keep current browsers from loading the module.
const WASM_FEATURES: [&str; 7] = [
    "bulk-memory",
    "bulk-memory-opt",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// Builds and packs; returns the folder with the package's files.
pub fn pack() -> Result<PathBuf> {
    let (root, npm) = (root(), root().join("target/npm"));
    let package = npm.join("package");
    // A file of an earlier version must not get into the tarball.
    remove_dir(&npm)?;
    build_wasm(&npm, &[])?;
    for (from, to) in COPIED {
        copy(&root.join(from), &package.join(to))?;
    }
    copy_scripts(&root.join("web/js"), &npm.join("glue"))?;
    for script in SCRIPTS {
        bundle(&npm.join("glue"), script, &package)?;
    }
    write_manifest(&root.join("web/package.json"), &package.join("package.json"))?;
    check_sizes(&package, &root.join("web"))?;
    output(
        Command::new("npm").args(["pack", "--silent", "--pack-destination"]).arg(&npm).current_dir(&package),
    )?;
    Ok(package)
}

/// Compiles `web`, makes the glue and optimizes: leaves `package/uploader.wasm` and `glue/bindings.js` in `npm`.
pub fn build_wasm(npm: &Path, features: &[&str]) -> Result<()> {
    install::wasm_target()?;
    install::npm_ci()?;
    let (package, glue) = (npm.join("package"), npm.join("glue"));
    create_dir(&package)?;
    run(cargo()
        .args(["build", "--quiet", "--package=web", "--lib", "--profile=web", "--target", TARGET])
        .arg(format!("--features={}", features.join(",")))
        // Otherwise panic messages would contain the paths of this machine.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", remapped_paths()))?;
    run(cargo()
        .args(["run", "--quiet", "--package=bindgen", "--profile=tools", "--"])
        .arg(root().join("target").join(TARGET).join("web/web.wasm"))
        .arg(&glue))?;
    let features = WASM_FEATURES.map(|feature| format!("--enable-{feature}"));
    run(Command::new(root().join("node_modules/.bin/wasm-opt"))
        // Similar functions compress better than merged ones.
        .args(["-Oz", "--one-caller-inline-max-function-size=0"])
        .args(["--strip-debug", "--strip-producers", "--strip-target-features", "--mvp-features"])
        .args(features)
        .arg(glue.join("bindings_bg.wasm"))
        .arg("-o")
        .arg(package.join(WASM)))
}

fn remapped_paths() -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let crates = home.map(|home| format!("--remap-path-prefix={home}/registry/src=crates "));
    format!("{}--remap-path-prefix={}=.", crates.unwrap_or_default(), root().display())
}

/// Copies all scripts beside the glue, so that they find it as `./bindings.js`.
fn copy_scripts(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("{} can't be read", from.display()))? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            create_dir(&target)?;
            copy_scripts(&path, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "js") {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Bundles and minifies one script, as not every page has a bundler.
fn bundle(scripts: &Path, script: &str, package: &Path) -> Result<()> {
    let others = SCRIPTS.iter().filter(|other| **other != script);
    run(Command::new(root().join("node_modules/.bin/esbuild"))
        .args(["--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=warning"])
        .args(others.map(|other| format!("--external:./{other}")))
        .arg(format!("--outfile={}", package.join(script).display()))
        .arg(scripts.join(script)))
}

/// The manifest of the package, without the fields that only its build needs.
fn write_manifest(from: &Path, to: &Path) -> Result<()> {
    let mut manifest = read_json(from)?;
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("devDependencies");
        fields.remove("scripts");
    }
    fs::write(to, format!("{manifest:#}\n")).with_context(|| format!("{} can't be written", to.display()))
}

/// Prints the sizes and compares them, compressed with brotli, with the limits.
fn check_sizes(package: &Path, web: &Path) -> Result<()> {
    let files = SCRIPTS.iter().chain([&WASM]).map(|file| package.join(file));
    let printed = output(Command::new("node").arg(web.join("sizes.mjs")).args(files))?;
    let sizes: Vec<Value> = serde_json::from_str(&printed).context("sizes.mjs printed no JSON")?;
    let bytes = |of: &Value, what: &str| of.get(what).and_then(Value::as_u64).unwrap_or(0);
    eprintln!("{:<16} {:>8} {:>8} {:>8}", "bytes", "raw", "gzip", "brotli");
    for size in &sizes {
        let (raw, gzip, brotli) = (bytes(size, "raw"), bytes(size, "gzip"), bytes(size, "brotli"));
        eprintln!("{:<16} {raw:>8} {gzip:>8} {brotli:>8}", file_name(size));
    }
    let budget = read_json(&web.join("size-budget.json"))?;
    let mut exceeded = Vec::new();
    for (name, limit) in budget.as_object().into_iter().flatten() {
        let files = limit.get("files").and_then(Value::as_array);
        let is_counted = |size: &&Value| {
            files.is_none_or(|files| files.iter().any(|file| file.as_str() == Some(file_name(size))))
        };
        let sum: u64 = sizes.iter().filter(is_counted).map(|size| bytes(size, "brotli")).sum();
        let max = bytes(limit, "maxBrotliBytes");
        eprintln!("{name:<34} {sum:>8} of {max}");
        if sum > max {
            exceeded.push(name.as_str());
        }
    }
    ensure!(exceeded.is_empty(), "over the limit in web/size-budget.json: {}", exceeded.join(", "));
    Ok(())
}

fn file_name(size: &Value) -> &str {
    size.get("file").and_then(Value::as_str).unwrap_or_default()
}

fn read_json(path: &Path) -> Result<Value> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{} isn't JSON", path.display()))
}
