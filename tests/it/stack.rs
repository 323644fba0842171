//! Whole systems for tests, each on ports and a folder of its own.

use local::stack::{Options, Stack};
use std::collections::HashMap;
use std::path::Path;
use tempfile::TempDir;

/// Starts one with these settings of the edge in place of the local ones.
pub async fn start(env: &[(&str, &str)]) -> (Stack, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(options(data.path(), 0, env)).await.unwrap();
    (stack, data)
}

/// The settings of an edge that isn't a stack's own: everybody may call it, and nobody is told of anything.
pub fn setting(name: &str, catalog: &str) -> Option<String> {
    Some(match name {
        "UPLOAD_BUCKET" => "uploads".into(),
        "DESTINATION_BUCKET" => "media".into(),
        "MEDIA_CONVERT_ROLE" => "arn:aws:iam::000000000000:role/local".into(),
        "CDN_BASE_URL" => "https://cdn.example".into(),
        "UPLOAD_TOKEN_SECRET" => "x".repeat(32),
        "AUTH_MODE" => "none".into(),
        "CATALOG" => catalog.into(),
        _ => return None,
    })
}

pub fn options(data: &Path, port: u16, env: &[(&str, &str)]) -> Options {
    let env: HashMap<String, String> =
        env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Options {
        host: [127, 0, 0, 1].into(),
        port,
        data: data.into(),
        site: None,
        edge: None,
        job: include_str!("../../job.json").into(),
        env: Box::new(move |name| env.get(name).cloned()),
    }
}
