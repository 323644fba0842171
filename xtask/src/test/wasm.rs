//! `cargo xtask test wasm`: the uploader's tests in headless Chromium, against `tests/support/fake_server`.

use super::native;
use super::totals::Totals;
use crate::install;
use crate::process::{path_starting_with, root};
use crate::server::Server;
use anyhow::{Context, Result};
use std::process::Command;

pub fn run(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    install::wasm_target()?;
    install::chromium()?;
    let chromedriver = install::chromedriver()?;
    let wasm_pack = install::wasm_pack()?;
    // wasm-pack finds the test runner in PATH.
    let test_runner = install::wasm_bindgen_test_runner()?;
    let path = path_starting_with(test_runner.parent().context("the test runner has no folder")?)?;
    let fake_server = Server::start(&mut Command::new(native::build_server("fake_server")?), "fake_server")?;
    let mut command = Command::new(wasm_pack);
    command
        .args(["test", "--mode", "no-install", "--headless", "--chrome", "--chromedriver"])
        .arg(chromedriver)
        .arg("web");
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    command
        .env("GRELOUPIS_FAKE_SERVER", &fake_server.url)
        .env("PATH", path)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .current_dir(root());
    totals.count("tests of the uploader in headless Chromium", &mut command);
    Ok(())
}
