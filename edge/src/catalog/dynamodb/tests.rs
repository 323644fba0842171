//! The suite against moto's DynamoDB.

use super::*;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// moto, until this is dropped.
struct Aws(Child, String);

impl Aws {
    fn start(table: &str) -> Self {
        let python = std::env::var("GRELOUPIS_PYTHON").expect(
            "GRELOUPIS_PYTHON must name a Python with tests/python/requirements.txt: run `cargo xtask test`",
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/dynamodb_server.py");
        let mut child = Command::new(python)
            .args([script, table])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("aws ").expect("moto didn't start").to_owned();
        Self(child, url)
    }

    fn catalog(&self, table: &str) -> DynamoDb {
        let credentials = Credentials::new("local", "locallocal", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&self.1)
            .build();
        DynamoDb::new(&sdk, table)
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn dynamodb_passes_the_suite() {
    let aws = Aws::start("videos");
    super::super::suite::run(&aws.catalog("videos")).await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_failure_with_its_code() {
    let aws = Aws::start("videos");
    let error = aws.catalog("others").get("v").await.unwrap_err();
    assert!(format!("{error:?}").contains("ResourceNotFoundException"), "{error:?}");
}
