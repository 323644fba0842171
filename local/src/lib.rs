//! The system on one machine: S3, MediaConvert by ffmpeg, CDN, the page, and the edge, which uses them over HTTP
//! on loopback with the AWS SDK's clients. `stack` connects them.

pub mod cdn;
pub mod db;
pub mod mediaconvert;
pub mod origin;
pub mod outbox;
mod random;
mod remote_edge;
pub mod s3;
mod secrets;
mod server;
pub mod stack;
pub mod standalone;
mod start_error;
