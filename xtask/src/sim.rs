//! `cargo xtask sim --seeds N [--seed S]`: simulated uploads under random faults, see `tests/simulation`.

use crate::process::{cargo, run};
use anyhow::{Context, Result};

/// Builds the simulation optimized and passes the arguments on.
pub fn sim(args: &[&str]) -> Result<()> {
    let build = ["run", "--quiet", "--package", "simulation", "--profile", "sim", "--"];
    run(cargo().args(build).args(args)).context("a simulated upload failed")
}
