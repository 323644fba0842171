//! Parses and validates the API's requests. Pure.

use super::error::ServiceError;
use super::job::{QUEUE, Status};
use super::settings::{S3Uri, Settings};
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The supported members of `CreateJob`.
#[derive(Debug)]
pub struct CreateJob {
    pub role: String,
    pub settings: Value,
    pub user_metadata: BTreeMap<String, String>,
    pub client_request_token: Option<String>,
    pub priority: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateJobBody {
    role: Option<String>,
    settings: Option<Value>,
    #[serde(default)]
    user_metadata: BTreeMap<String, String>,
    client_request_token: Option<String>,
    #[serde(default)]
    priority: i32,
    queue: Option<String>,
    job_template: Option<String>,
}

impl CreateJob {
    pub fn parse(body: &[u8]) -> Result<Self, ServiceError> {
        let body: CreateJobBody = from_json(body)?;
        let role =
            body.role.filter(|role| !role.is_empty()).ok_or_else(|| bad_request("/role: it is required."))?;
        // Only the format is checked: no role is assumed.
        if !role.starts_with("arn:") || !role.contains(":role/") {
            return Err(bad_request(
                "/role: an address like arn:aws:iam::123456789012:role/name is required.",
            ));
        }
        check_queue(body.queue.as_deref())?;
        if body.job_template.is_some() {
            return Err(bad_request("/jobTemplate: job templates aren't supported."));
        }
        if !(-50..=50).contains(&body.priority) {
            return Err(bad_request("/priority: it must be in the range -50 to 50."));
        }
        if body.client_request_token.as_ref().is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
            return Err(bad_request("/clientRequestToken: at most 64 ASCII characters are allowed."));
        }
        check_metadata(&body.user_metadata)?;
        let settings = body.settings.ok_or_else(|| bad_request("/settings: they are required."))?;
        Settings::parse(&settings).map_err(ServiceError::BadRequest)?;
        Ok(Self {
            role,
            settings,
            user_metadata: body.user_metadata,
            client_request_token: body.client_request_token.filter(|token| !token.is_empty()),
            priority: body.priority,
        })
    }
}

/// `ListJobs`, and `SearchJobs`, which also filters by input.
#[derive(Debug)]
pub struct ListJobs {
    /// 1 to 20.
    pub max_results: u8,
    /// The number of the last job of the previous page.
    pub after: Option<i64>,
    pub ascending: bool,
    pub status: Option<Status>,
    /// A substring of the first input's address.
    pub input_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListJobsQuery {
    max_results: Option<u8>,
    next_token: Option<String>,
    order: Option<Order>,
    status: Option<Status>,
    queue: Option<String>,
    input_file: Option<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Order {
    Ascending,
    Descending,
}

impl ListJobs {
    pub fn parse(uri: &Uri) -> Result<Self, ServiceError> {
        let Query(query): Query<ListJobsQuery> = Query::try_from_uri(uri).map_err(|error| {
            ServiceError::BadRequest(format!("The query can't be read: {}.", error.body_text()))
        })?;
        let max_results = query.max_results.unwrap_or(20);
        if !(1..=20).contains(&max_results) {
            return Err(bad_request("maxResults: it must be in the range 1 to 20."));
        }
        check_queue(query.queue.as_deref())?;
        let after =
            query.next_token.as_deref().filter(|token| !token.is_empty()).map(parse_token).transpose()?;
        Ok(Self {
            max_results,
            after,
            ascending: query.order == Some(Order::Ascending),
            status: query.status,
            input_file: query.input_file.filter(|part| !part.is_empty()),
        })
    }
}

/// Returns the token of the page after the job with this number.
pub fn next_token(number: i64) -> String {
    BASE64.encode(number.to_be_bytes())
}

fn parse_token(token: &str) -> Result<i64, ServiceError> {
    let bytes = BASE64.decode(token).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(i64::from_be_bytes).ok_or_else(|| bad_request("nextToken: it is invalid."))
}

/// `Probe`: returns the one file to probe.
pub fn parse_probe(body: &[u8]) -> Result<S3Uri, ServiceError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        #[serde(default)]
        input_files: Vec<File>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        file_url: Option<String>,
    }
    let body: Body = from_json(body)?;
    let [File { file_url: Some(url) }] = body.input_files.as_slice() else {
        return Err(bad_request("/inputFiles: exactly one file with its fileUrl is required."));
    };
    // With other URLs the service would fetch resources that its callers can't reach.
    S3Uri::parse(url)
        .filter(|uri| !uri.key.is_empty())
        .ok_or_else(|| bad_request("/inputFiles/0/fileUrl: an address like s3://bucket/key is required."))
}

fn from_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        ServiceError::BadRequest(format!("The body can't be read at /{}: {}.", error.path(), error.inner()))
    })
}

/// Accepts the queue's name or ARN.
fn check_queue(queue: Option<&str>) -> Result<(), ServiceError> {
    let known = |queue: &str| queue == QUEUE || queue.ends_with(&format!(":queues/{QUEUE}"));
    if queue.is_none_or(known) {
        Ok(())
    } else {
        Err(ServiceError::NotFound("There is no such queue; the only one is Default."))
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    if metadata.len() > 10 {
        return Err(bad_request("/userMetadata: at most 10 pairs are allowed."));
    }
    for (key, value) in metadata {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(bad_request("/userMetadata: a key has 1 to 128 characters, a value at most 256."));
        }
        if !allowed(key) || !allowed(value) {
            return Err(bad_request(
                "/userMetadata: only letters, digits, spaces and _ . : / = + - @ are allowed.",
            ));
        }
    }
    Ok(())
}

fn bad_request(message: &str) -> ServiceError {
    ServiceError::BadRequest(message.into())
}
