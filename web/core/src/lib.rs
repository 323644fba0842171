//! Decides how a file is uploaded to S3 in parts. Pure: no clock, network or browser of its own.

pub mod concurrency;
pub mod container;
pub mod crc64;
pub mod error;
pub mod machine;
pub mod parts;
pub mod poll_interval;
pub mod progress;
pub mod retry;
pub mod timeout;
pub mod types;
