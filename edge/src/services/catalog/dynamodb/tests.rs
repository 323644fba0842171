//! The conformance suite against moto's DynamoDB.

use super::*;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A moto server and its URL; dropping it stops the server.
struct Moto(Child, String);

impl Moto {
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

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn dynamodb_catalog_conforms() {
    let moto = Moto::start("videos");
    super::super::conformance::run(&moto.catalog("videos")).await;
}

#[tokio::test]
async fn missing_table_is_reported_with_its_error_code() {
    let moto = Moto::start("videos");
    let error = moto.catalog("others").get("v").await.unwrap_err();
    assert!(format!("{error:?}").contains("ResourceNotFoundException"), "{error:?}");
}
