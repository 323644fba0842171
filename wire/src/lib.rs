//! What both ends say to each other: requests, replies, error codes, limits, the part plan.
//! Serde only, pure: no I/O, no clock, nothing of a browser or of AWS.

mod api;
mod plan;
mod problem;

pub use api::*;
pub use plan::*;
pub use problem::*;
