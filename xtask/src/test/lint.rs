//! `cargo xtask test lint`: formats and static checks.

use super::totals::Totals;
use crate::install;
use crate::process::cargo;
use anyhow::Result;
use std::process::Command;

/// The name of a step and its command, which installs what it needs. `None` skips the step.
type Step = (&'static str, fn() -> Result<Option<Command>>);

const STEPS: [Step; 4] = [
    ("rustfmt", rustfmt),
    ("clippy", clippy),
    ("clippy of the wasm target", clippy_wasm),
    ("clippy of bindgen", clippy_bindgen),
];

/// Runs the steps whose names contain the filter.
pub fn run(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    for (name, command) in STEPS.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter)))
    {
        match command() {
            Ok(Some(mut command)) => totals.check(name, &mut command),
            Ok(None) => eprintln!("\n== {name}: skipped"),
            Err(error) => totals.fail(name, &error),
        }
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
