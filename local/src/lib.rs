//! The whole system on one machine: S3, MediaConvert by ffmpeg, delivery, the page, and the edge between
//! them, joined over HTTP on loopback by the AWS SDK's own clients. `stack` wires it.

pub mod cdn;
pub mod db;
pub mod mediaconvert;
pub mod outbox;
mod remote_edge;
pub mod s3;
mod secrets;
pub mod stack;
