//! `cargo xtask pack`: the npm package, assembled in `target/npm/package/`, its tarball in `target/npm/`.
//! Prints what each file weighs and fails when one is over `web/size-budget.json`.

use crate::tools::{self, Outcome};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is written by hand.
const FACE: [&str; 3] = ["index.js", "store.js", "poster.js"];
/// The engine: what stands around it with the glue in one file, so that a page waits for one answer less.
const ENGINE: [&str; 2] = ["worker.js", "uploader.wasm"];
/// What becomes part of `worker.js`.
const BUNDLED: [&str; 2] = ["worker.js", "browser.js"];

/// Builds and packs; answers the folder with the package's files.
pub fn pack() -> Outcome<PathBuf> {
    let npm = tools::root().join("target/npm");
    let package = npm.join("package");
    if npm.exists() {
        // A file of an earlier version must not get into the tarball.
        fs::remove_dir_all(&npm).map_err(|error| format!("{} can't be emptied: {error}", npm.display()))?;
    }
    build_wasm(&npm, &[])?;
    let web = tools::root().join("web");
    for (from, to) in [
        (web.join("js/index.d.ts"), "index.d.ts"),
        (web.join("README.md"), "README.md"),
        (tools::root().join("LICENSE"), "LICENSE"),
    ] {
        fs::copy(&from, package.join(to))
            .map_err(|error| format!("{} can't be copied: {error}", from.display()))?;
    }
    for file in FACE {
        minify(&web.join("js").join(file), &package.join(file), &[])?;
    }
    for file in BUNDLED {
        let (from, to) = (web.join("js").join(file), npm.join("glue").join(file));
        fs::copy(&from, to).map_err(|error| format!("{} can't be copied: {error}", from.display()))?;
    }
    let bundled = ["--bundle", "--external:./store.js"];
    minify(&npm.join("glue/worker.js"), &package.join("worker.js"), &bundled)?;
    write_manifest(&web.join("package.json"), &package.join("package.json"))?;
    weigh(&package, &web)?;
    tools::output_of(
        Command::new("npm").args(["pack", "--silent", "--pack-destination"]).arg(&npm).current_dir(&package),
    )?;
    Ok(package)
}

/// Compiles, makes the glue, and shrinks both: leaves `package/uploader.wasm` and `glue/engine.js`.
pub fn build_wasm(npm: &Path, features: &[&str]) -> Outcome {
    tools::wasm_target()?;
    tools::npm_ci()?;
    let package = npm.join("package");
    fs::create_dir_all(&package).map_err(|error| format!("{} can't be made: {error}", package.display()))?;
    let target = "wasm32-unknown-unknown";
    tools::run(
        tools::cargo()
            .args(["build", "--quiet", "--package=web", "--lib", "--profile=web", "--target", target])
            .arg(format!("--features={}", features.join(",")))
            // Else the names of this machine's folders would be in what everybody downloads.
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", remapped_paths()),
    )?;
    let glue = npm.join("glue");
    tools::run(
        Command::new(tools::wasm_bindgen()?)
            // The face says where the wasm is, so that bundlers look for it in one place only.
            .args(["--target=web", "--no-typescript", "--omit-default-module-path", "--out-name=engine"])
            .arg("--out-dir")
            .arg(&glue)
            .arg(tools::root().join("target").join(target).join("web/web.wasm")),
    )?;
    tools::run(
        Command::new("node")
            .arg(tools::root().join("web/shrink.mjs"))
            .arg(glue.join("engine_bg.wasm"))
            .arg(glue.join("engine.js"))
            .arg(package.join("uploader.wasm")),
    )
}

fn remapped_paths() -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let crates = home.map(|home| format!("--remap-path-prefix={home}/registry/src=crates "));
    format!("{}--remap-path-prefix={}=.", crates.unwrap_or_default(), tools::root().display())
}

/// Takes comments and long names out, as not every page has a bundler that does.
fn minify(from: &Path, to: &Path, options: &[&str]) -> Outcome {
    tools::run(
        Command::new(tools::root().join("node_modules/.bin/esbuild"))
            .args(["--minify", "--format=esm", "--target=es2022", "--log-level=warning"])
            .args(options)
            .arg(format!("--outfile={}", to.display()))
            .arg(from),
    )
}

/// The package's own manifest, without what only its making needs.
fn write_manifest(from: &Path, to: &Path) -> Outcome {
    let mut manifest: Value = serde_json::from_str(&tools::read(from)?)
        .map_err(|error| format!("{} isn't JSON: {error}", from.display()))?;
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("devDependencies");
        fields.remove("scripts");
    }
    let text = format!("{manifest:#}\n");
    fs::write(to, text).map_err(|error| format!("{} can't be written: {error}", to.display()))
}

/// Prints the sizes and compares brotli's with the budget, so that growth is a decision.
fn weigh(package: &Path, web: &Path) -> Outcome {
    let files = FACE.into_iter().chain(ENGINE).map(|file| package.join(file));
    let printed = tools::output_of(Command::new("node").arg(web.join("sizes.mjs")).args(files))?;
    let budget_file = web.join("size-budget.json");
    let budget: Value = serde_json::from_str(&tools::read(&budget_file)?)
        .map_err(|error| format!("{} isn't JSON: {error}", budget_file.display()))?;
    let sizes: Vec<Value> =
        serde_json::from_str(&printed).map_err(|error| format!("the sizes can't be read: {error}"))?;
    let bytes = |of: &Value, what: &str| of.get(what).and_then(Value::as_u64).unwrap_or(0);
    let (mut total, mut over) = (0, Vec::new());
    eprintln!("{:<14} {:>8} {:>8} {:>8} {:>8}", "bytes", "raw", "gzip", "brotli", "budget");
    for size in &sizes {
        let file = size.get("file").and_then(Value::as_str).unwrap_or_default();
        let (brotli, allowed) = (bytes(size, "brotli"), bytes(&budget, file));
        eprintln!("{file:<14} {:>8} {:>8} {brotli:>8} {allowed:>8}", bytes(size, "raw"), bytes(size, "gzip"));
        total += brotli;
        if brotli > allowed {
            over.push(file);
        }
    }
    eprintln!("{:<14} {:>8} {:>8} {total:>8}", "together", "", "");
    if over.is_empty() {
        Ok(())
    } else {
        Err(format!("{} is over web/size-budget.json; make it smaller or raise the budget", over.join(", ")))
    }
}
