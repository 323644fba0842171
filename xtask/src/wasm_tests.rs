//! The uploader's tests in headless Chrome: starts the faulty server, runs wasm-pack, stops the server.

use crate::server;
use crate::test::Tally;
use crate::tools::{self, Outcome};
use std::process::Command;

/// Runs them and adds them to the tally.
pub fn wasm_tests(tally: &mut Tally) {
    if let Err(sentence) = run(tally) {
        tally.step::<()>("wasm tests", Err(sentence));
    }
}

fn run(tally: &mut Tally) -> Outcome {
    tools::chromium()?;
    let driver = tools::chromedriver()?;
    let fake_server = server::fake_server(false)?;
    // wasm-pack takes the wasm-bindgen that it finds on the PATH.
    let bindgen = tools::wasm_bindgen()?;
    let mut folders: Vec<_> = bindgen.parent().map(Into::into).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path =
        std::env::join_paths(folders).map_err(|error| format!("the PATH can't be extended: {error}"))?;
    tally.count(
        "wasm tests in headless Chrome",
        Command::new(tools::wasm_pack()?)
            .args(["test", "--mode", "no-install", "--headless", "--chrome", "--chromedriver"])
            .arg(driver)
            .args(["web"])
            .env("GRELOUPIS_FAKE_SERVER", &fake_server.url)
            .env("PATH", path)
            .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
            .current_dir(tools::root()),
    );
    Ok(())
}
