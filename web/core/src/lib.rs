//! Decides how a file is uploaded to S3 in parts. Pure: no clock, network or browser of its own.
//!
//! [`machine::Machine`] takes events and returns commands; a driver executes them. [`container::Probe`] finds out what
//! kind of video a file is, [`captions`] whether it is captions, and [`poll_interval`] how often to ask for its conversion.

#![warn(missing_docs)]

pub mod captions;
pub mod concurrency;
pub mod container;
pub mod error;
pub mod machine;
mod parts;
pub mod poll_interval;
pub mod progress;
pub mod retry;
mod timeout;
pub mod types;

/// CRC64NVME: a crate of its own, as it alone must be compiled for speed.
pub use crc64nvme as crc64;
