//! `cargo xtask doctor --stack NAME`: examines a deployed stack with `deploy/doctor.py`.

use crate::deploy::{deploy_script, exec, stack_option};
use crate::install;
use anyhow::Result;

/// Passes the other arguments on to the script, which checks them.
pub fn doctor(args: &[&str]) -> Result<()> {
    let (stack, others) = stack_option(args, "doctor")?;
    exec(deploy_script(&install::python()?, "doctor.py").arg(stack).args(others))
}
