//! The protocol between uploader and edge: requests, responses, error codes, limits, the part plan.
//! Pure: no I/O, no clock, no types of browsers or AWS.

#![warn(missing_docs)]

mod api;
mod plan;
mod problem;

pub use api::*;
pub use plan::*;
pub use problem::*;
