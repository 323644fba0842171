//! `cargo xtask packaging [NAME…]`: the packed tarball in the tools of site developers, see `tests/packaging/run.mjs`.
//! Installs many packages, so it isn't part of `cargo xtask test`.

use crate::process::{root, run};
use crate::{install, pack, up};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub fn packaging(names: &[&str]) -> Result<()> {
    install::ffmpeg()?;
    install::chromium()?;
    install::npm_ci()?;
    let server = up::build_server()?;
    pack::pack()?;
    run(Command::new("node")
        .arg(root().join("tests/packaging/run.mjs"))
        .args(names)
        .current_dir(root())
        .env("GRELOUPIS_LOCAL", server)
        .env("GRELOUPIS_TARBALL", tarball()?))
}

/// What `pack` has left.
pub fn tarball() -> Result<PathBuf> {
    let folder = root().join("target/npm");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .context("target/npm has no tarball")
}
