//! The local S3 endpoint, by AWS's own clients and, where those validate too much themselves, by raw requests.

mod boto3;
mod cors;
mod fixture;
mod interrupted_writes;
mod multipart;
mod objects;

mod signatures;
