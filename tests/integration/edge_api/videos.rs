//! `/videos`: one file per call.

mod get;
mod list;
