//! Secrets that are generated once and stored in the data folder, readable only by its owner.

use crate::random::random_hex;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The error of loading or generating a secret.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("{} can't be used: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} isn't a secret of this program; remove it", .0.display())]
    Malformed(PathBuf),
    #[error("no random numbers are available: {0}")]
    Random(#[source] std::io::Error),
}

/// Returns the secret in `file`, 64 hexadecimal digits; the first call generates it.
pub fn load_or_create(file: &Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::Io { path: file.to_owned(), source };
    match fs::read_to_string(file) {
        Ok(secret) if secret.len() == 64 => return Ok(secret),
        Ok(_) => return Err(SecretError::Malformed(file.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let secret = random_hex(32).map_err(SecretError::Random)?;
    // Written to another file and renamed, so that a kill can't leave a partial secret.
    let new_file = file.with_extension("new");
    let mut open = OpenOptions::new();
    let mut new = open.write(true).create(true).truncate(true).mode(0o600).open(&new_file).map_err(failed)?;
    new.write_all(secret.as_bytes()).and_then(|()| new.sync_all()).map_err(failed)?;
    fs::rename(&new_file, file).map_err(failed)?;
    Ok(secret)
}
