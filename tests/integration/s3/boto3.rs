//! boto3 and the AWS CLI as clients, raw requests as other clients send them, and the examples of docs/s3.md.

use super::fixture::Fixture;
use crate::support::python;

#[tokio::test]
async fn boto3_and_aws_cli_work_against_the_endpoint() {
    let fixture = Fixture::new().await;
    python::assert_passes("s3_boto3.py", &[&fixture.url]).await;
}

#[tokio::test]
async fn requests_of_other_clients_are_answered_as_by_s3() {
    let fixture = Fixture::new().await;
    python::assert_passes("s3_protocol.py", &[&fixture.url]).await;
}

#[tokio::test]
async fn examples_of_the_document_run() {
    let fixture = Fixture::new().await;
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/s3.md");
    python::assert_passes("docs_examples.py", &[document, "http://127.0.0.1:8081", &fixture.url]).await;
}
