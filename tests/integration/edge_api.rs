//! The edge's HTTP API, one file per route. Behind it are the local S3, the local MediaConvert and SQLite.

mod auth;
mod unknown_routes;
mod uploads;
mod videos;
