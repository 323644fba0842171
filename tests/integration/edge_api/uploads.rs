//! `/uploads`: one file per call.

mod abort;
mod complete;
mod complete_errors;
mod open;
mod sign_parts;
mod status;

use crate::support::api_client::ApiClient;
use crate::support::http::serve;
use crate::support::stack::{self, Services, TOKEN_SECRET, UNREACHABLE, app, now_ms};
use axum::Router;
use local::stack::Stack;
use tempfile::TempDir;

const MIB: usize = 1024 * 1024;

/// A stack, a client of its edge, and a client of an edge before the same services eight days later.
async fn stack_and_later_edge() -> (Stack, TempDir, ApiClient, ApiClient) {
    let (stack, data) = stack::start(&[("UPLOAD_TOKEN_SECRET", TOKEN_SECRET)]).await;
    let catalog = format!("sqlite:{}", data.path().join("later.db").display());
    let services = Services { s3: &stack.s3, mediaconvert: &stack.mediaconvert, dynamodb: UNREACHABLE };
    let later = app(&services, &catalog, || now_ms() + 8 * 24 * 3600 * 1000);
    let later = ApiClient::new(&serve(Router::new().nest("/api", later.router())).await);
    let api = ApiClient::new(&stack.page);
    (stack, data, api, later)
}

/// A file of `len` bytes whose parts differ.
fn file(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}
