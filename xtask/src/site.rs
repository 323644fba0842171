//! Assembles the page in `target/site`: `www/`, with the npm package and the player under `vendor/`.

use crate::process::{copy, create_dir, remove_dir, root, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Assembles the page from the folder of the npm package; returns its folder.
pub fn assemble(package: &Path) -> Result<PathBuf> {
    let (root, site) = (root(), root().join("target/site"));
    // Files that were removed from www/ must not stay.
    remove_dir(&site)?;
    copy_folder(&root.join("www"), &site)?;
    copy_folder(package, &site.join("vendor/uploader"))?;
    // The player is some forty modules of three packages; the watch page alone loads it, each package on its own.
    run(Command::new(root.join("node_modules/.bin/esbuild"))
        .args(["--bundle", "--minify", "--splitting", "--format=esm", "--target=es2022", "--log-level=error"])
        .arg(format!("--outdir={}", site.join("vendor/player").display()))
        .arg(root.join("www/js/player.js")))?;
    fs::remove_file(site.join("js/player.js")).context("js/player.js can't be removed from the site")?;
    Ok(site)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    create_dir(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} can't be read", from.display()))? {
        let name = entry?.file_name();
        let (from, to) = (from.join(&name), to.join(&name));
        if name == "package.json" || name == "node_modules" {
            continue;
        }
        if from.is_dir() { copy_folder(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}
