//! The S3 endpoint, judged by AWS's own clients and, where they are too polite, by hand-made requests.

mod cors;
mod crash;
mod house;
mod multipart;
mod objects;
mod python;
mod signatures;
