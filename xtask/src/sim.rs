//! `cargo xtask sim --seeds N [--seed S]`: simulated uploads under random faults, see `tests/sim`.

use crate::tools::{self, Outcome};

/// Builds the simulation with all optimization and hands the arguments on.
pub fn sim(args: &[&str]) -> Outcome {
    let cargo = ["run", "--quiet", "--package", "sim", "--profile", "sim", "--"];
    tools::run(tools::cargo().args(cargo).args(args)).map_err(|_| "a simulated upload has failed".into())
}
