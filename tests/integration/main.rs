//! The system judged from outside, over HTTP, by clients that no one here wrote.
// Helpers of tests may fail as tests do; clippy's leave is for the test functions only.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod aws_call_counts;
mod cdn;
mod deployment;
mod docs;
mod edge_api;
mod events;
mod lambda;
mod mediaconvert;
mod openapi;
mod s3;
mod startup;
mod support;
