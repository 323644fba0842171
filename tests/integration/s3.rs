//! The S3 endpoint, judged by AWS's own clients and, where they are too polite, by hand-made requests.

mod boto3;
mod cors;
mod crash;
mod fixture;
mod multipart;
mod objects;

mod signatures;
