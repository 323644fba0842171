//! What callers ask of the API, read and checked before anything is done. Pure.

use super::error::ApiError;
use super::job::{QUEUE, Status};
use super::settings::{S3Uri, Settings};
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `CreateJob`, as far as it matters here.
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
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        let body: CreateJobBody = json(body)?;
        let role = body.role.filter(|role| !role.is_empty()).ok_or_else(|| bad("/role: it is needed."))?;
        // The shape only: no role is assumed here.
        if !role.starts_with("arn:") || !role.contains(":role/") {
            return Err(bad("/role: an address like arn:aws:iam::123456789012:role/name is needed."));
        }
        check_queue(body.queue.as_deref())?;
        if body.job_template.is_some() {
            return Err(bad("/jobTemplate: there are no job templates here."));
        }
        if !(-50..=50).contains(&body.priority) {
            return Err(bad("/priority: it goes from -50 to 50."));
        }
        if body.client_request_token.as_ref().is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
            return Err(bad("/clientRequestToken: at most 64 ASCII characters are taken."));
        }
        check_metadata(&body.user_metadata)?;
        let settings = body.settings.ok_or_else(|| bad("/settings: they are needed."))?;
        Settings::read(&settings).map_err(ApiError::BadRequest)?;
        Ok(Self {
            role,
            settings,
            user_metadata: body.user_metadata,
            client_request_token: body.client_request_token.filter(|token| !token.is_empty()),
            priority: body.priority,
        })
    }
}

/// `ListJobs`, and `SearchJobs`, which is the same by input.
#[derive(Debug)]
pub struct ListJobs {
    /// 1 to 20.
    pub max_results: u8,
    /// The number of the job that the last page ended with.
    pub after: Option<i64>,
    pub ascending: bool,
    pub status: Option<Status>,
    /// A part of the first input's address.
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
    pub fn read(uri: &Uri) -> Result<Self, ApiError> {
        let Query(query): Query<ListJobsQuery> = Query::try_from_uri(uri).map_err(|error| {
            ApiError::BadRequest(format!("The query can't be read: {}.", error.body_text()))
        })?;
        let max_results = query.max_results.unwrap_or(20);
        if !(1..=20).contains(&max_results) {
            return Err(bad("maxResults: it goes from 1 to 20."));
        }
        check_queue(query.queue.as_deref())?;
        let after =
            query.next_token.as_deref().filter(|token| !token.is_empty()).map(token_number).transpose()?;
        Ok(Self {
            max_results,
            after,
            ascending: query.order == Some(Order::Ascending),
            status: query.status,
            input_file: query.input_file.filter(|part| !part.is_empty()),
        })
    }
}

/// The token that leads on after the job of this number.
pub fn token(number: i64) -> String {
    BASE64.encode(number.to_be_bytes())
}

fn token_number(token: &str) -> Result<i64, ApiError> {
    let bytes = BASE64.decode(token).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(i64::from_be_bytes).ok_or_else(|| bad("nextToken: it isn't one that was handed out."))
}

/// `Probe`: the one file to look into.
pub fn probed_file(body: &[u8]) -> Result<S3Uri, ApiError> {
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
    let body: Body = json(body)?;
    let [File { file_url: Some(url) }] = body.input_files.as_slice() else {
        return Err(bad("/inputFiles: exactly one file with its fileUrl is needed."));
    };
    // Other addresses would make this service fetch what its callers can't.
    S3Uri::parse(url)
        .filter(|uri| !uri.key.is_empty())
        .ok_or_else(|| bad("/inputFiles/0/fileUrl: an address like s3://bucket/key is needed."))
}

fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        ApiError::BadRequest(format!("The body can't be read at /{}: {}.", error.path(), error.inner()))
    })
}

/// The queue's name or its ARN.
fn check_queue(queue: Option<&str>) -> Result<(), ApiError> {
    let known = |queue: &str| queue == QUEUE || queue.ends_with(&format!(":queues/{QUEUE}"));
    if queue.is_none_or(known) {
        Ok(())
    } else {
        Err(ApiError::NotFound("There is no such queue; the one here is Default."))
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    if metadata.len() > 10 {
        return Err(bad("/userMetadata: at most 10 pairs are taken."));
    }
    for (key, value) in metadata {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(bad("/userMetadata: a key has 1 to 128 characters, a value at most 256."));
        }
        if !allowed(key) || !allowed(value) {
            return Err(bad("/userMetadata: only letters, digits, spaces and _ . : / = + - @ are taken."));
        }
    }
    Ok(())
}

fn bad(sentence: &str) -> ApiError {
    ApiError::BadRequest(sentence.into())
}
