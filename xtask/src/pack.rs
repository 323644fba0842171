//! `cargo xtask pack`: builds the npm package in `target/npm/package/` and its tarball in `target/npm/`, prints the
//! size of each file and fails when a limit of `web/size-budget.json` is exceeded.

use crate::process::{cargo, copy, create_dir, output, read, remove_dir, root, run};
use crate::{install, sbom};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files whose sizes are printed and counted. `web/build.mjs` makes the scripts.
const MEASURED: &[&str] = &[
    "index.js",
    "queue/index.js",
    "element/index.js",
    "element/class.js",
    "element/panel.js",
    "react/index.js",
    "resumable.js",
    "store.js",
    "poster.js",
    "worker.js",
    "inline/index.js",
    WASM,
];
const WASM: &str = "uploader.wasm";
/// Copied as they are: the path in the repository, the name in the package.
const COPIED: &[(&str, &str)] = &[("web/README.md", "README.md"), ("LICENSE", "LICENSE")];

/// Legal documents, which the tarball must have.
const REQUIRED: [&str; 3] = ["LICENSE", sbom::SBOM, sbom::NOTICES];

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
    copy_sources(&root.join("web/js"), &npm.join("glue"))?;
    run(Command::new("node").arg(root.join("web/build.mjs")).arg(npm.join("glue")).arg(&package))?;
    sbom::write("web", "pkg:npm/%40greloupis/uploader", TARGET, &package)?;
    check_sizes(&package, &root.join("web"))?;
    let printed = output(
        Command::new("npm")
            .args(["pack", "--json", "--silent", "--pack-destination"])
            .arg(&npm)
            .current_dir(&package),
    )?;
    let packed: Value = serde_json::from_str(&printed).context("npm pack printed no JSON")?;
    let files = packed.pointer("/0/files").and_then(Value::as_array).context("npm pack listed no files")?;
    for name in REQUIRED {
        let is_packed = files.iter().any(|file| file.get("path").and_then(Value::as_str) == Some(name));
        ensure!(is_packed, "the tarball lacks {name}: add it to `files` of web/package.json");
    }
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

/// Copies all scripts and types beside the glue that wasm-bindgen makes, so that they find it as `./bindings.js`.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("{} can't be read", from.display()))? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            create_dir(&target)?;
            copy_sources(&path, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "js" || extension == "ts") {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Prints the sizes and compares them, compressed with brotli, with the limits.
fn check_sizes(package: &Path, web: &Path) -> Result<()> {
    let printed =
        output(Command::new("node").arg(web.join("sizes.mjs")).args(MEASURED).current_dir(package))?;
    let sizes: Vec<Value> = serde_json::from_str(&printed).context("sizes.mjs printed no JSON")?;
    let bytes = |of: &Value, what: &str| of.get(what).and_then(Value::as_u64).unwrap_or(0);
    eprintln!("{:<18} {:>8} {:>8} {:>8}", "bytes", "raw", "gzip", "brotli");
    for size in &sizes {
        let (raw, gzip, brotli) = (bytes(size, "raw"), bytes(size, "gzip"), bytes(size, "brotli"));
        eprintln!("{:<18} {raw:>8} {gzip:>8} {brotli:>8}", file_name(size));
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
