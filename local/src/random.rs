//! Random identifiers and secrets, from the operating system's generator.

use std::io;

/// Returns `bytes` random bytes in lower-case hexadecimal.
pub fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(hex::encode(random))
}
