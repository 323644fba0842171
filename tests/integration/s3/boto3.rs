//! boto3 and the AWS CLI as judges.

use super::fixture::House;
use tokio::process::Command;

#[tokio::test]
async fn boto3_and_the_cli_are_content() {
    let house = House::new().await;
    let python = std::env::var("GRELOUPIS_PYTHON").expect(
        "GRELOUPIS_PYTHON must name a Python with tests/python/requirements.txt: run `cargo xtask test`",
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/s3_boto3.py");
    let mut judge = Command::new(python);
    judge
        .args([script, &house.url])
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "locallocal");
    judge
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = judge.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim().lines().last(), Some("passed"), "{said}");
}
