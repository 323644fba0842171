//! DynamoDB, by moto.

use crate::support::python;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// A DynamoDB server of a test's own; ends with this value.
pub struct DynamoDb {
    pub url: String,
    _process: Child,
}

impl DynamoDb {
    /// Starts it with one table, made as in the CloudFormation template.
    pub async fn start(table: &str) -> Self {
        let mut command = python::script("dynamodb_server.py");
        command
            .arg(table)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("moto doesn't start");
        Self { url: line.trim().strip_prefix("aws ").unwrap().to_owned(), _process: process }
    }
}
