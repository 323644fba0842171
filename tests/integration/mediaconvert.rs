//! The local MediaConvert, checked by boto3, the AWS CLI, the Rust SDK and ffprobe.

mod dimensions;
mod errors;
pub mod fixture;
mod formats;
mod job_control;
mod job_json;
mod outputs;
mod probe;
mod resources;
mod segments;
