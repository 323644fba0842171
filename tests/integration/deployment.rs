//! The CloudFormation template, its IAM policies, `deploy` and `doctor`, checked by cfn-lint and moto. What only an AWS
//! account can prove is listed in docs/deployment.md.

use crate::support::api_client::token;
use crate::support::http::serve;
use crate::support::python::{all_output, assert_passes, script};
use crate::support::stack::{self, Services, UNREACHABLE, app, now_ms};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

#[tokio::test]
async fn template_passes_cfn_lint() {
    assert_passes("template.py", &["lint"]).await;
}

#[tokio::test]
async fn stack_is_created_in_moto() {
    assert_passes("template.py", &["created", "created_with_all_options", "unsupported_types_are_known"])
        .await;
}

#[tokio::test]
async fn edge_function_gets_its_settings() {
    assert_passes("template.py", &["environment"]).await;
}

#[tokio::test]
async fn invalid_parameters_are_rejected() {
    assert_passes("template.py", &["parameters"]).await;
}

#[tokio::test]
async fn event_rules_match_the_right_events() {
    assert_passes("template.py", &["events"]).await;
}

#[tokio::test]
async fn alarms_logs_and_dashboard_are_declared() {
    assert_passes("template.py", &["observability"]).await;
}

#[tokio::test]
async fn release_gets_a_part_of_the_requests_first() {
    assert_passes("template.py", &["releases"]).await;
}

#[tokio::test]
async fn commands_of_the_operations_document_work() {
    assert_passes("operations_moto.py", &[]).await;
}

#[tokio::test]
async fn secret_is_rotated_without_an_outage() {
    assert_passes("rotate_moto.py", &[]).await;
}

#[tokio::test]
async fn cdn_caches_by_the_right_policies() {
    assert_passes("template.py", &["delivery"]).await;
}

#[tokio::test]
async fn roles_have_exactly_the_needed_permissions() {
    assert_passes("iam.py", &[]).await;
}

#[tokio::test]
async fn deploy_creates_and_updates_the_stack() {
    assert_passes("deploy_moto.py", &[]).await;
}

#[tokio::test]
async fn doctor_finds_broken_settings() {
    assert_passes("doctor_moto.py", &[]).await;
}

/// The doctor's round trip against a local stack.
#[tokio::test]
async fn doctor_uploads_and_aborts_or_names_the_wrong_secret() {
    let secret = "a secret of at least thirty-two bytes";
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", secret)]).await;
    let endpoint = format!("{}/api", stack.page);
    assert_passes("round_trip.py", &[&endpoint, &token(secret, "doctor")]).await;
    let mut command = script("round_trip.py");
    command.args([&endpoint, &token("another secret of thirty-two bytes", "doctor")]);
    let output = all_output(command).await;
    assert!(output.contains("POST /uploads answers 401") && output.contains("AuthJwtSecret"), "{output}");
}

/// A store that doesn't know CRC64NVME.
#[derive(Clone, Copy)]
enum OtherStore {
    /// Refuses to create an upload that declares it.
    Refuses,
    /// Ignores it, and stores every part.
    Ignores,
}

async fn other_store(store: OtherStore, request: Request) -> Response {
    const OPENED: &str =
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    const LISTED: &str = "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>17</Size></Part></ListPartsResult>";
    match (store, request.method()) {
        (OtherStore::Refuses, &Method::POST) => {
            (StatusCode::BAD_REQUEST, "<Error><Code>InvalidRequest</Code></Error>").into_response()
        }
        (OtherStore::Ignores, &Method::POST) => OPENED.into_response(),
        (_, &Method::GET) => LISTED.into_response(),
        (_, &Method::DELETE) => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

#[tokio::test]
async fn doctor_names_the_setting_for_a_store_without_crc64nvme() {
    for (store, problem) in [
        (OtherStore::Refuses, "storage_unavailable"),
        (OtherStore::Ignores, "doesn't keep the CRC64NVME of a part"),
    ] {
        let s3 = serve(Router::new().fallback(move |request: Request| other_store(store, request))).await;
        let services = Services { s3: &s3, mediaconvert: UNREACHABLE, dynamodb: UNREACHABLE };
        let edge = serve(app(&services, "sqlite::memory:", now_ms).router()).await;
        let mut command = script("round_trip.py");
        command.args([&format!("{edge}/api"), "no token"]);
        let output = all_output(command).await;
        assert!(output.contains(problem) && output.contains("set UPLOAD_CHECKSUM=none"), "{output}");
    }
}

#[tokio::test]
async fn doctor_accepts_a_store_without_crc64nvme_where_that_is_set() {
    let (stack, _data) = stack::start(&[("UPLOAD_CHECKSUM", "none")]).await;
    assert_passes("round_trip.py", &[&format!("{}/api", stack.page), "no token"]).await;
    stack.stop().await;
}
