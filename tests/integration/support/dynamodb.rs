//! DynamoDB, played by moto.

use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub struct Aws {
    pub url: String,
    _child: Child,
}

impl Aws {
    /// Starts it with one table.
    pub async fn start(table: &str) -> Self {
        let python = std::env::var("GRELOUPIS_PYTHON").expect(
            "GRELOUPIS_PYTHON must name a Python with tests/python/requirements.txt: run `cargo xtask test`",
        );
        let mut command = Command::new(python);
        command.args([concat!(env!("CARGO_MANIFEST_DIR"), "/python/dynamodb_server.py"), table]);
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("moto doesn't start");
        Self { url: line.trim().strip_prefix("aws ").unwrap().to_owned(), _child: child }
    }
}
