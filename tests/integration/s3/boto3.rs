//! boto3 and the AWS CLI as clients.

use super::fixture::Fixture;
use crate::support::python;

#[tokio::test]
async fn boto3_and_aws_cli_work_against_the_endpoint() {
    let fixture = Fixture::new().await;
    python::assert_passes("s3_boto3.py", &[&fixture.url]).await;
}
