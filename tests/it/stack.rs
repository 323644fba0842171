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
