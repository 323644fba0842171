//! Inputs of all kinds through the whole system: a few of those of `cargo xtask compat inputs`.
// Clippy allows these in test functions only, not in their helpers.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::process::Command;

#[test]
fn inputs_of_each_kind_end_as_they_must() {
    let python = std::env::var("GRELOUPIS_PYTHON").expect("GRELOUPIS_PYTHON: run by `cargo xtask test unit`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/compat_inputs.py");
    let mut command = Command::new(python);
    command.args([script, env!("CARGO_BIN_EXE_local"), "sample"]).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stdout.trim().lines().last(), Some("passed"), "{stdout}");
}
