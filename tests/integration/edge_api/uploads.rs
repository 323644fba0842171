//! `/uploads`: one file per call.

mod abort;
mod complete;
mod complete_errors;
mod open;
mod sign_parts;
mod status;

const MIB: usize = 1024 * 1024;

/// A file of `len` bytes whose parts differ.
fn file(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}
