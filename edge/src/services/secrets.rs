//! Secrets Manager's adapter: one signed call at start for all secrets. Its SDK would add a megabyte to the Lambda and
//! minutes to its build.

use crate::config::{ConfigError, SecretArns, SecretValue};
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::SdkConfig;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

const OPERATION: &str = "secretsmanager.BatchGetSecretValue";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// Lambda ends a start after 10 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Response {
    secret_values: Vec<Secret>,
    errors: Vec<Failure>,
}

#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "ARN")]
    arn: String,
    #[serde(rename = "SecretString")]
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    secret_id: String,
    error_code: String,
}

/// The reason why an attempt failed, and whether another one may succeed.
struct Failed {
    reason: String,
    is_retryable: bool,
}

/// Fetches the secrets that the environment names; returns the variables with their values. Makes no call if it names none.
/// `endpoint` replaces AWS's.
pub async fn fetch(
    sdk: &SdkConfig,
    endpoint: Option<&str>,
    arns: &SecretArns,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let ids = arns.arns();
    let Some(first) = ids.first() else { return Ok(BTreeMap::new()) };
    let region = first.split(':').nth(3).unwrap_or_default();
    let url = match endpoint {
        Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
        None => format!("https://secretsmanager.{region}.amazonaws.com/"),
    };
    let body = json!({ "SecretIdList": ids }).to_string();
    let response = match call(sdk, region, &url, &body).await {
        Ok(response) => response,
        Err(reason) => return arns.resolve(|_| Err(reason.clone())),
    };
    arns.resolve(|arn| {
        let found = response.secret_values.iter().find(|secret| secret.arn == arn);
        if let Some(text) = found.and_then(|secret| secret.text.clone()) {
            return Ok(SecretValue::parse(text));
        }
        let failure = response.errors.iter().find(|failure| failure.secret_id == arn);
        Err(failure.map_or_else(|| "it has no text".into(), |failure| failure.error_code.clone()))
    })
}

async fn call(sdk: &SdkConfig, region: &str, url: &str, body: &str) -> Result<Response, String> {
    let client = reqwest::Client::builder()
        .timeout(ATTEMPT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| "the HTTP client can't be built")?;
    let mut delays = RETRY_DELAYS.iter();
    loop {
        let failed = match attempt(&client, sdk, region, url, body).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        match delays.next().filter(|_| failed.is_retryable) {
            Some(delay) => tokio::time::sleep(*delay).await,
            None => return Err(failed.reason),
        }
    }
}

async fn attempt(
    client: &reqwest::Client,
    sdk: &SdkConfig,
    region: &str,
    url: &str,
    body: &str,
) -> Result<Response, Failed> {
    let final_failure = |reason: &str| Failed { reason: reason.into(), is_retryable: false };
    let provider = sdk.credentials_provider().ok_or_else(|| final_failure("there are no credentials"))?;
    let credentials = provider.provide_credentials().await;
    let identity = credentials.map_err(|_| final_failure("there are no credentials"))?.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("secretsmanager")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| final_failure("the request can't be signed"))?
        .into();
    let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", OPERATION)];
    let signable =
        SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
            .map_err(|_| final_failure("the request can't be signed"))?;
    let (instructions, _) =
        sign(signable, &params).map_err(|_| final_failure("the request can't be signed"))?.into_parts();
    let mut request = client.post(url).body(body.to_owned());
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    let unreachable = |error: reqwest::Error| Failed {
        reason: format!("Secrets Manager can't be reached: {}", error.without_url()),
        is_retryable: true,
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let text = response.bytes().await.map_err(unreachable)?;
    if status != StatusCode::OK {
        let is_retryable = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        return Err(Failed { reason: error_code(&text).unwrap_or_else(|| status.to_string()), is_retryable });
    }
    serde_json::from_slice(&text).map_err(|_| final_failure("Secrets Manager's response isn't JSON"))
}

/// The error's code, such as `AccessDeniedException`. Its message isn't shown: it names the role and the account.
fn error_code(text: &[u8]) -> Option<String> {
    let error: serde_json::Value = serde_json::from_slice(text).ok()?;
    let code = error.get("__type")?.as_str()?;
    Some(code.rsplit('#').next().unwrap_or(code).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use axum::Router;
    use axum::http::HeaderMap;
    use serde_json::Value;
    use std::sync::{Arc, Mutex};
    use tokio::net::TcpListener;

    const ORIGIN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:origin-AbCdEf";
    const TOKEN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-AbCdEf";

    /// Fetches the origin's and the token's secret from a server with these responses, one after the other. Returns the
    /// outcome and the number of requests.
    async fn fetch_from(
        responses: Vec<(u16, Value)>,
    ) -> (Result<BTreeMap<String, String>, ConfigError>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(0));
        let shared = requests.clone();
        let respond = move |headers: HeaderMap, body: String| async move {
            let authorization = headers["authorization"].to_str().unwrap();
            assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
            assert!(authorization.contains("/eu-west-1/secretsmanager/aws4_request"), "{authorization}");
            assert_eq!(
                (&headers["x-amz-target"], &headers["x-amz-security-token"]),
                (&OPERATION.parse().unwrap(), &"session".parse().unwrap())
            );
            assert_eq!(
                serde_json::from_str::<Value>(&body).unwrap(),
                json!({ "SecretIdList": [ORIGIN, TOKEN] })
            );
            let mut count = shared.lock().unwrap();
            let (status, body) = responses[*count].clone();
            *count += 1;
            (StatusCode::from_u16(status).unwrap(), axum::Json(body))
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
        let credentials = Credentials::new("AKID", "secret", Some("session".into()), None, "test");
        let sdk =
            SdkConfig::builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        let arns = SecretArns::read(|name| match name {
            "ORIGIN_SECRET" => Some(ORIGIN.into()),
            "UPLOAD_TOKEN_SECRET" => Some(TOKEN.into()),
            _ => None,
        });
        let outcome = fetch(&sdk, Some(&url), &arns).await;
        let count = *requests.lock().unwrap();
        (outcome, count)
    }

    fn both() -> Value {
        json!({ "SecretValues": [
            { "ARN": TOKEN, "SecretString": "plain" },
            { "ARN": ORIGIN, "SecretString": r#"{"current":"new","previous":"old"}"# },
        ], "Errors": [] })
    }

    #[tokio::test]
    async fn all_secrets_are_fetched_by_one_signed_call() {
        let (fetched, requests) = fetch_from(vec![(200, both())]).await;
        let fetched = fetched.unwrap();
        assert_eq!(requests, 1);
        assert_eq!(fetched["ORIGIN_SECRET"], "new");
        assert_eq!(fetched["ORIGIN_SECRET_PREVIOUS"], "old");
        assert_eq!(fetched["UPLOAD_TOKEN_SECRET"], "plain");
    }

    #[tokio::test]
    async fn failing_service_is_asked_again() {
        let unavailable = (503, json!({ "__type": "InternalServiceError" }));
        let (fetched, requests) =
            fetch_from(vec![unavailable.clone(), unavailable.clone(), (200, both())]).await;
        assert!(fetched.is_ok());
        assert_eq!(requests, 3);
        let (fetched, requests) = fetch_from(vec![unavailable; 3]).await;
        assert!(fetched.unwrap_err().0.ends_with("can't be read: InternalServiceError"));
        assert_eq!(requests, 3);
    }

    #[tokio::test]
    async fn refusal_is_reported_with_its_code() {
        let denied = json!({ "__type": "com.amazonaws#AccessDeniedException", "Message": "User: arn:…" });
        let (fetched, requests) = fetch_from(vec![(400, denied)]).await;
        let error = fetched.unwrap_err().0;
        assert!(
            error.ends_with("can't be read: AccessDeniedException") && !error.contains("User"),
            "{error}"
        );
        assert_eq!(requests, 1);
        let partly = json!({ "SecretValues": [{ "ARN": TOKEN, "SecretString": "plain" }],
            "Errors": [{ "SecretId": ORIGIN, "ErrorCode": "ResourceNotFoundException", "Message": "" }] });
        let error = fetch_from(vec![(200, partly)]).await.0.unwrap_err().0;
        assert_eq!(
            error,
            "ORIGIN_SECRET is wrong: the secret that it names can't be read: ResourceNotFoundException"
        );
    }

    #[tokio::test]
    async fn environment_without_arns_causes_no_call() {
        let sdk = SdkConfig::builder().build();
        assert!(fetch(&sdk, None, &SecretArns::default()).await.unwrap().is_empty());
    }
}
