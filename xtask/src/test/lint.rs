//! `cargo xtask test lint`: formats and static checks.

use super::totals::Totals;
use super::unused_items;
use crate::process::{cargo, find, root};
use crate::{install, pack, packaging};
use anyhow::Result;
use std::process::Command;

/// The name of a step and its command, which installs what it needs. `None` skips the step.
type Step = (&'static str, fn() -> Result<Option<Command>>);

const STEPS: [Step; 12] = [
    ("rustfmt", rustfmt),
    ("clippy", clippy),
    ("clippy of the wasm target", clippy_wasm),
    ("clippy of bindgen", clippy_bindgen),
    ("biome", biome),
    ("tsc of the page and the tests", || tsc(".")),
    ("tsc of web/js", || tsc("web")),
    ("reference of the element", reference),
    ("examples of the documents", examples),
    ("publint", publint),
    ("types of the package, by attw", attw),
    ("cargo deny", cargo_deny),
];
const UNUSED_ITEMS: &str = "unused public items";

/// Runs the steps whose names contain the filter.
pub fn run(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    let is_selected = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    for (name, command) in STEPS.iter().filter(|(name, _)| is_selected(name)) {
        match command() {
            Ok(Some(mut command)) => totals.check(name, &mut command),
            Ok(None) => eprintln!("\n== {name}: skipped"),
            Err(error) => totals.fail(name, &error),
        }
    }
    if is_selected(UNUSED_ITEMS) {
        totals.step(UNUSED_ITEMS, unused_items::check);
    }
    Ok(())
}

fn rustfmt() -> Result<Option<Command>> {
    let mut command = cargo();
    command.args(["fmt", "--all", "--check"]);
    Ok(Some(command))
}

fn clippy() -> Result<Option<Command>> {
    let mut command = cargo();
    command.args(["clippy", "--quiet", "--workspace", "--exclude=bindgen", "--all-targets"]);
    Ok(Some(command))
}

/// With the profile of its build, which has the dependencies compiled already.
fn clippy_bindgen() -> Result<Option<Command>> {
    let mut command = cargo();
    command.args(["clippy", "--quiet", "--package=bindgen", "--profile=tools"]);
    Ok(Some(command))
}

fn clippy_wasm() -> Result<Option<Command>> {
    install::wasm_target()?;
    let mut command = cargo();
    command.args(["clippy", "--quiet", "--package", "web", "--target", "wasm32-unknown-unknown"]);
    Ok(Some(command))
}

/// Formats and lints of JavaScript, CSS and JSON.
fn biome() -> Result<Option<Command>> {
    node_program("biome", &["ci", "--error-on-warnings"]).map(Some)
}

/// The types of JavaScript, by the tsconfig.json of a folder.
fn tsc(folder: &str) -> Result<Option<Command>> {
    node_program("tsc", &["--project", folder]).map(Some)
}

/// Whether docs/embedding/reference.md is what the element's source says.
fn reference() -> Result<Option<Command>> {
    install::npm_ci()?;
    let mut command = Command::new("node");
    command.args(["web/types.mjs", "--check"]).current_dir(root());
    Ok(Some(command))
}

/// Whether the examples in docs/embedding compile.
fn examples() -> Result<Option<Command>> {
    install::npm_ci()?;
    let mut command = Command::new("node");
    command.arg("tests/docs_examples.mjs").current_dir(root());
    Ok(Some(command))
}

fn publint() -> Result<Option<Command>> {
    let package = pack::pack()?;
    let mut command = node_program("publint", &["--strict"])?;
    command.arg(package);
    Ok(Some(command))
}

/// Whether TypeScript finds the types, however a site resolves modules. Wasm and worker are files, not modules.
fn attw() -> Result<Option<Command>> {
    let mut command = node_program("attw", &["--exclude-entrypoints", "uploader.wasm", "worker.js", "--"])?;
    command.arg(packaging::tarball()?);
    Ok(Some(command))
}

/// A program of the root's npm packages.
fn node_program(name: &str, args: &[&str]) -> Result<Command> {
    install::npm_ci()?;
    let mut command = Command::new(root().join("node_modules/.bin").join(name));
    command.args(args).current_dir(root());
    Ok(command)
}

/// Licenses, sources and duplicates of the dependencies. Skipped where cargo-deny isn't installed.
fn cargo_deny() -> Result<Option<Command>> {
    if find("cargo-deny").is_none() {
        return Ok(None);
    }
    let mut command = cargo();
    command.args(["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    Ok(Some(command))
}
