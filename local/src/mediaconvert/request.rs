//! Parses and validates the API's requests. Pure.

use super::error::ServiceError;
use super::job::Status;
use super::resolve::merge;
use super::settings::S3Uri;
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// MediaConvert's intervals between two `STATUS_UPDATE` events, in seconds.
const INTERVALS_S: [u64; 15] = [10, 12, 15, 20, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600];

/// The supported members of `CreateJob`.
#[derive(Debug)]
pub struct CreateJob {
    pub role: String,
    pub settings: Value,
    pub user_metadata: BTreeMap<String, String>,
    pub client_request_token: Option<String>,
    /// By default that of the template, or 0.
    pub priority: Option<i32>,
    /// Name or ARN; by default that of the template, or the default queue.
    pub queue: Option<String>,
    /// Name or ARN.
    pub job_template: Option<String>,
    /// Such as `SECONDS_60`.
    pub status_update_interval: Option<String>,
    pub tags: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateJobBody {
    role: Option<String>,
    settings: Option<Value>,
    #[serde(default)]
    user_metadata: BTreeMap<String, String>,
    client_request_token: Option<String>,
    priority: Option<i32>,
    queue: Option<String>,
    job_template: Option<String>,
    status_update_interval: Option<String>,
    #[serde(default)]
    hop_destinations: Vec<Value>,
    acceleration_settings: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl CreateJob {
    pub fn parse(body: &[u8]) -> Result<Self, ServiceError> {
        let body: CreateJobBody = from_json(body)?;
        check_scheduling(&body)?;
        let role =
            body.role.filter(|role| !role.is_empty()).ok_or_else(|| bad_request("/role: it is required."))?;
        // Only the format is checked: no role is assumed.
        if !role.starts_with("arn:") || !role.contains(":role/") {
            return Err(bad_request(
                "/role: an address like arn:aws:iam::123456789012:role/name is required.",
            ));
        }
        if body.priority.is_some_and(|priority| !(-50..=50).contains(&priority)) {
            return Err(bad_request("/priority: it must be in the range -50 to 50."));
        }
        if body.client_request_token.as_ref().is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
            return Err(bad_request("/clientRequestToken: at most 64 ASCII characters are allowed."));
        }
        check_metadata(&body.user_metadata)?;
        let settings = body.settings.unwrap_or_else(|| serde_json::json!({}));
        let interval = body.status_update_interval;
        Ok(Self {
            role,
            settings,
            user_metadata: body.user_metadata,
            client_request_token: body.client_request_token.filter(|token| !token.is_empty()),
            priority: body.priority,
            queue: body.queue,
            job_template: body.job_template,
            status_update_interval: interval,
            tags: super::resource_api::tags_of(&body.rest)?,
        })
    }
}

impl CreateJob {
    /// Adds what the request doesn't have itself from a job template.
    pub fn apply_template(&mut self, template: Value) {
        let text = |member: &str| template[member].as_str().map(str::to_owned);
        let priority = template["priority"].as_i64().and_then(|priority| priority.try_into().ok());
        self.priority = self.priority.or(priority);
        self.queue = self.queue.take().or_else(|| text("queue"));
        self.status_update_interval =
            self.status_update_interval.take().or_else(|| text("statusUpdateInterval"));
        self.settings = merge(template["settings"].clone(), self.settings.take());
    }
}

/// Refuses what would change when a job runs.
fn check_scheduling(body: &CreateJobBody) -> Result<(), ServiceError> {
    if !body.hop_destinations.is_empty() {
        return Err(bad_request("/hopDestinations: jobs stay in their queue; hops aren't supported."));
    }
    let mode = body.acceleration_settings.as_ref().and_then(|settings| settings["mode"].as_str());
    if mode == Some("REQUIRED") {
        return Err(bad_request("/accelerationSettings/mode: REQUIRED isn't supported; use PREFERRED."));
    }
    if body.status_update_interval.as_deref().is_some_and(|interval| interval_s(interval).is_none()) {
        let values = INTERVALS_S.map(|seconds| format!("SECONDS_{seconds}")).join(", ");
        return Err(ServiceError::BadRequest(format!("/statusUpdateInterval: one of {values} is required.")));
    }
    Ok(())
}

/// Returns the seconds of a `StatusUpdateInterval`; `None` if MediaConvert doesn't have it.
pub fn interval_s(interval: &str) -> Option<u64> {
    let seconds = interval.strip_prefix("SECONDS_")?.parse().ok()?;
    INTERVALS_S.contains(&seconds).then_some(seconds)
}

/// The query of `ListQueues`, `ListPresets` and `ListJobTemplates`.
pub struct ListResources {
    pub max_results: usize,
    /// Number of resources on earlier pages.
    pub start: usize,
    pub descending: bool,
    pub by_creation: bool,
    /// Amazon's own.
    pub system: bool,
    pub category: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListResourcesQuery {
    max_results: Option<usize>,
    next_token: Option<String>,
    order: Option<Order>,
    list_by: Option<ListBy>,
    category: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ListBy {
    Name,
    CreationDate,
    System,
}

impl ListResources {
    pub fn parse(uri: &Uri) -> Result<Self, ServiceError> {
        let Query(query): Query<ListResourcesQuery> = Query::try_from_uri(uri).map_err(|error| {
            ServiceError::BadRequest(format!("The query can't be read: {}.", error.body_text()))
        })?;
        let max_results = query.max_results.unwrap_or(20);
        if !(1..=20).contains(&max_results) {
            return Err(bad_request("maxResults: it must be in the range 1 to 20."));
        }
        let start =
            query.next_token.as_deref().filter(|token| !token.is_empty()).map(parse_token).transpose()?;
        Ok(Self {
            max_results,
            start: start.and_then(|start| start.try_into().ok()).unwrap_or(0),
            descending: query.order == Some(Order::Descending),
            by_creation: query.list_by == Some(ListBy::CreationDate),
            system: query.list_by == Some(ListBy::System),
            category: query.category,
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
    /// Name or ARN.
    pub queue: Option<String>,
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
        let after =
            query.next_token.as_deref().filter(|token| !token.is_empty()).map(parse_token).transpose()?;
        Ok(Self {
            max_results,
            after,
            ascending: query.order == Some(Order::Ascending),
            status: query.status,
            queue: query.queue.filter(|queue| !queue.is_empty()),
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

pub fn from_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        ServiceError::BadRequest(format!("The body can't be read at /{}: {}.", error.path(), error.inner()))
    })
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
