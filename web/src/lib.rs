//! The uploader: sends a file in parts straight to S3, from a browser. Here are only the exports, no logic.
//!
//! The files without a browser in them (`crc`, `backoff`, `pace`, `parts`, `machine`, `progress`, `watch`,
//! `error`) are pure and run anywhere; `driver` obeys them with the help of the rest.

pub mod backoff;
pub mod crc;
pub mod error;
pub mod machine;
pub mod pace;
pub mod parts;
pub mod progress;
pub mod watch;

#[cfg(target_arch = "wasm32")]
mod client;
#[cfg(target_arch = "wasm32")]
mod driver;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod file;
#[cfg(target_arch = "wasm32")]
mod json;
#[cfg(target_arch = "wasm32")]
mod page;
#[cfg(target_arch = "wasm32")]
mod xhr;

#[cfg(target_arch = "wasm32")]
pub use exports::*;
