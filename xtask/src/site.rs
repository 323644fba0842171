//! Puts the page together: www/ as it is, the packed uploader and the player under /vendor/.

use crate::tools::{self, Outcome};
use std::fs;
use std::path::{Path, PathBuf};

/// Builds the npm package and lays the whole page out in `target/site`.
pub fn build() -> Outcome<PathBuf> {
    tools::npm_ci()?;
    let package = crate::pack::pack()?;
    let root = tools::root();
    let site = root.join("target/site");
    // A file that is gone from www/ must not linger.
    if site.exists() {
        fs::remove_dir_all(&site).map_err(|error| format!("{} can't be emptied: {error}", site.display()))?;
    }
    copy(&root.join("www"), &site)?;
    copy(&package, &site.join("vendor/uploader"))?;
    let player = "hls.light.min.mjs";
    copy(&root.join("node_modules/hls.js/dist").join(player), &site.join("vendor/hls").join(player))?;
    Ok(site)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let failed = |error| format!("{} can't be copied: {error}", from.display());
    if !from.is_dir() {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        return fs::copy(from, to).map(drop).map_err(failed);
    }
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != "package.json" && name != "node_modules" {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}
