//! `cargo xtask rotate --stack NAME ORIGIN|TOKEN|CALLBACK`: changes a secret of a deployed stack with `deploy/rotate.py`.

use crate::deploy::{deploy_script, exec, stack_option};
use crate::install;
use anyhow::Result;

/// Passes the other arguments on to the script, which checks them.
pub fn rotate(args: &[&str]) -> Result<()> {
    let (stack, others) = stack_option(args, "rotate")?;
    exec(deploy_script(&install::python()?, "rotate.py").arg(stack).args(others))
}
