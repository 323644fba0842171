//! `cargo xtask compat garage`: the edge with another S3 server as its storage. Not part of `cargo xtask test`: the first run
//! compiles that server, for some 13 minutes.

use crate::install;
use crate::process::{root, run};
use crate::test::build_server;
use anyhow::{Result, bail};
use std::process::Command;

pub fn compat(args: &[&str]) -> Result<()> {
    if args != ["garage"] {
        bail!("usage: cargo xtask compat garage");
    }
    let (garage, python) = (install::garage()?, install::python()?);
    let (runtime, edge) = (build_server("lambda_runtime")?, build_server("edge")?);
    let script = root().join("tests/python/compat_garage.py");
    run(Command::new(python).arg(script).args([garage, runtime, edge]).current_dir(root()))
}
