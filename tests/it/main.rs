//! The system judged from outside, over HTTP, by clients that no one here wrote.
// Helpers of tests may fail as tests do; clippy's leave is for the test functions only.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod api;
mod callback;
mod calls;
mod deploy;
mod docs;
mod edge;
mod events;
mod hop;
mod lambda;
mod mediaconvert;
mod reconcile;
mod s3;
mod stack;
mod storm;
mod up;
