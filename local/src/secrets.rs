//! Secrets that are made once and kept in the data folder, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The secret in `file`: 64 hex digits, made at the first call.
pub fn kept(file: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{} can't be used: {error}", file.display());
    match fs::read_to_string(file) {
        Ok(secret) if secret.len() == 64 => return Ok(secret),
        Ok(_) => return Err(format!("{} isn't a secret of ours; remove it", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness to be had: {error}"))?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written aside and renamed: a kill in between leaves no half secret.
    let aside = file.with_extension("new");
    let mut open = OpenOptions::new();
    let mut new = open.write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(failed)?;
    new.write_all(secret.as_bytes()).and_then(|()| new.sync_all()).map_err(failed)?;
    fs::rename(&aside, file).map_err(failed)?;
    Ok(secret)
}
