//! Tests of the running system over HTTP, by independent clients: AWS SDKs, boto3, the AWS CLI, ffmpeg.
// Clippy allows panics in test functions only, and their helpers need them as well.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod allowed_origins;
mod aws_call_counts;
mod captions;
mod cdn;
mod conversion;
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
