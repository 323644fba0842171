//! `/videos`: one file per call.

mod change;
mod delete;
mod get;
mod list;
