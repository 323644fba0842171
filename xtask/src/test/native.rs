//! Tests that `cargo test` runs: `unit`, `integration`, `lambda` and `sim`.
//!
//! All of them, and the servers of the other parts, are built with the features of the whole workspace: a package built
//! alone gets fewer features of its dependencies, which would be compiled twice.

use super::totals::Totals;
use crate::process::{cargo, output, root, run};
use crate::{install, package, sim};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// The test target of tests/integration, and the start of the names of its tests of the packaged Lambda.
const INTEGRATION: &str = "integration";
const LAMBDA_TESTS: &str = "lambda::";
/// All but the tool that is built with a profile of its own and has no tests.
const TESTED_PACKAGES: [&str; 2] = ["--workspace", "--exclude=bindgen"];

/// Tests in the crates, and of their command lines; `wasm` has those that need a browser.
pub fn unit(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    install::ffmpeg()?;
    let python = install::python()?;
    let mut command = cargo_test();
    command.args(["--lib", "--bins", "--examples"]);
    for test in test_targets(|package| package != "tests" && package != "simulation")? {
        command.args(["--test", &test]);
    }
    totals.count("unit tests", command.args(filter).env("GRELOUPIS_PYTHON", python));
    totals.count_any("examples in documentation", cargo_test().arg("--doc").args(filter));
    Ok(())
}

/// Tests of the whole system in one process each.
pub fn integration(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    install::ffmpeg()?;
    let python = install::python()?;
    let mut command = cargo_test();
    command.args(["--test", INTEGRATION, "--", "--skip", LAMBDA_TESTS]).args(filter);
    totals.count("integration tests", command.env("GRELOUPIS_PYTHON", python));
    Ok(())
}

/// Tests of the released edge, as it is packaged.
pub fn lambda(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    eprintln!("\n== building the Lambda");
    let edge = package::unpacked()?;
    let mut command = cargo_test();
    command.args(["--test", INTEGRATION, "--"]).env("GRELOUPIS_EDGE", edge);
    if let Some(filter) = filter {
        // The runner takes several filters as alternatives, so the tests that match both are given by name.
        let tests = lambda_tests(filter)?;
        ensure!(!tests.is_empty(), "no test of the Lambda contains {filter}");
        command.arg("--exact").args(tests);
    } else {
        command.arg(LAMBDA_TESTS);
    }
    totals.count("tests of the Lambda", &mut command);
    Ok(())
}

/// Tests of the simulation, then seeds.
pub fn sim(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    let mut command = cargo_test();
    for test in test_targets(|package| package == "simulation")? {
        command.args(["--test", &test]);
    }
    totals.count("tests of the simulation", command.args(filter));
    if filter.is_none() {
        totals.step("simulation, 20,000 seeds", || sim::sim(&["--seeds", "20000"]));
    }
    Ok(())
}

/// The path of a server of the workspace, built as the other tests are.
pub fn build_server(name: &str) -> Result<PathBuf> {
    // A test target among the built ones enables the features of dev-dependencies.
    run(cargo().args(["build", "--quiet"]).args(TESTED_PACKAGES).args([
        "--bin",
        name,
        "--test",
        INTEGRATION,
    ]))?;
    Ok(root().join("target/debug").join(name))
}

fn cargo_test() -> Command {
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]).args(TESTED_PACKAGES);
    command
}

/// The names of the test targets of those packages.
fn test_targets(is_included: fn(&str) -> bool) -> Result<Vec<String>> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata printed no JSON")?;
    let array = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let packages = array(&metadata, "packages").into_iter();
    let targets = packages
        .filter(|package| package["name"].as_str().is_some_and(is_included))
        .flat_map(|package| array(&package, "targets"))
        .filter(|target| array(target, "kind").contains(&Value::from("test")));
    Ok(targets.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// The full names of the tests of the Lambda that contain the filter.
fn lambda_tests(filter: &str) -> Result<Vec<String>> {
    let list = output(cargo_test().args(["--test", INTEGRATION, "--", "--list", LAMBDA_TESTS]))?;
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.filter(|name| name.contains(filter)).map(str::to_owned).collect())
}
