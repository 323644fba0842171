//! The calls about queues, presets, job templates and tags.

use super::error::ServiceError;
use super::request::{ListResources, from_json};
use super::resolve::with_presets;
use super::resources::ResourceKind;
use super::settings::{GroupKind, Settings};
use super::state::ServiceState;
use super::system_presets;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Service = State<Arc<ServiceState>>;

/// Maximum length of a resource's name.
const MAX_NAME_LENGTH: usize = 80;

pub fn routes(mut router: Router<Arc<ServiceState>>) -> Router<Arc<ServiceState>> {
    for kind in ResourceKind::ALL {
        let path = format!("/2017-08-29/{}s", kind.member());
        let create = post(move |service: Service, body: Bytes| create(kind, service, body));
        router = router.route(&path, create.get(move |service: Service, uri: Uri| list(kind, service, uri)));
        let read = get(move |service: Service, name: Path<String>| read(kind, service, name));
        let update =
            move |service: Service, name: Path<String>, body: Bytes| update(kind, service, name, body);
        let delete = move |service: Service, name: Path<String>| delete(kind, service, name);
        router = router.route(&format!("{path}/{{name}}"), read.put(update).delete(delete));
    }
    router.route("/2017-08-29/tags", post(tag)).route("/2017-08-29/tags/{arn}", get(list_tags).put(untag))
}

/// `CreateQueue`, `CreatePreset`, `CreateJobTemplate`.
async fn create(
    kind: ResourceKind,
    State(service): Service,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ServiceError> {
    let members: Map<String, Value> = from_json(&body)?;
    let name = members.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_valid = |c: char| c.is_ascii_alphanumeric() || " -_.".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_LENGTH || !name.chars().all(is_valid) {
        let sentence = "/name: 1 to 80 letters, digits, spaces and - _ . are required.";
        return Err(ServiceError::BadRequest(sentence.into()));
    }
    check(kind, &members)?;
    let tags = tags_of(&members)?;
    let created = service.resources.create(kind, &name, &members).await?;
    service.resources.tag(created["arn"].as_str().unwrap_or_default().into(), tags).await?;
    Ok((StatusCode::CREATED, Json(json!({kind.member(): created}))))
}

/// Returns the tags of a request.
pub fn tags_of(members: &Map<String, Value>) -> Result<Vec<(String, String)>, ServiceError> {
    let tags = members.get("tags").cloned().filter(|tags| !tags.is_null()).unwrap_or_else(|| json!({}));
    let tags: BTreeMap<String, String> =
        serde_json::from_value(tags).map_err(|error| ServiceError::BadRequest(format!("/tags: {error}.")))?;
    if tags.len() > 50
        || tags.iter().any(|(key, value)| key.is_empty() || key.len() > 128 || value.len() > 256)
    {
        let sentence = "/tags: at most 50, with keys of 1 to 128 and values of at most 256 characters.";
        return Err(ServiceError::BadRequest(sentence.into()));
    }
    Ok(tags.into_iter().collect())
}

/// Refuses settings that no job could have.
fn check(kind: ResourceKind, members: &Map<String, Value>) -> Result<(), ServiceError> {
    let settings = members.get("settings");
    match kind {
        ResourceKind::Queue => {
            let plan = members.get("pricingPlan").and_then(Value::as_str).unwrap_or("ON_DEMAND");
            let status = members.get("status").and_then(Value::as_str).unwrap_or("ACTIVE");
            if plan != "ON_DEMAND"
                || members.get("reservationPlanSettings").is_some_and(|plan| !plan.is_null())
            {
                return Err(ServiceError::BadRequest("/pricingPlan: only ON_DEMAND is supported.".into()));
            }
            if !["ACTIVE", "PAUSED"].contains(&status) {
                return Err(ServiceError::BadRequest("/status: ACTIVE or PAUSED is required.".into()));
            }
            Ok(())
        }
        ResourceKind::Preset => {
            let preset = settings.ok_or(ServiceError::BadRequest("/settings: they are required.".into()))?;
            check_preset(preset).map_err(ServiceError::BadRequest)
        }
        ResourceKind::JobTemplate => {
            let settings =
                settings.ok_or(ServiceError::BadRequest("/settings: they are required.".into()))?;
            if members.get("hopDestinations").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
                return Err(ServiceError::BadRequest("/hopDestinations: they aren't supported.".into()));
            }
            // Inputs and destinations may come with the job.
            let is_object = settings.is_object();
            is_object
                .then_some(())
                .ok_or(ServiceError::BadRequest("/settings: an object is required.".into()))
        }
    }
}

/// Validates a preset as the only output of a job in a group that fits.
fn check_preset(preset: &Value) -> Result<(), String> {
    let container = preset["containerSettings"]["container"].as_str().unwrap_or_default();
    let (kind, member) = match container {
        "M3U8" => (GroupKind::Hls, "hlsGroupSettings"),
        "CMFC" => (GroupKind::Cmaf, "cmafGroupSettings"),
        "MPD" => (GroupKind::DashIso, "dashIsoGroupSettings"),
        _ => (GroupKind::File, "fileGroupSettings"),
    };
    let kind = match kind {
        GroupKind::Hls => "HLS_GROUP_SETTINGS",
        GroupKind::Cmaf => "CMAF_GROUP_SETTINGS",
        GroupKind::DashIso => "DASH_ISO_GROUP_SETTINGS",
        GroupKind::File => "FILE_GROUP_SETTINGS",
    };
    let mut group = json!({"type": kind});
    group[member] = json!({"destination": "s3://bucket/name"});
    let job = json!({
        "inputs": [{"fileInput": "s3://bucket/input"}],
        "outputGroups": [{"outputGroupSettings": group, "outputs": [preset]}],
    });
    let settings = with_presets(job, system_presets::settings)?;
    Settings::parse(&settings).map(drop)
}

/// `GetQueue`, `GetPreset`, `GetJobTemplate`.
async fn read(
    kind: ResourceKind,
    State(service): Service,
    Path(name): Path<String>,
) -> Result<Json<Value>, ServiceError> {
    let found = service.resources.get(kind, &name).await?.ok_or(NO_SUCH_RESOURCE)?;
    Ok(Json(json!({kind.member(): found})))
}

/// `UpdateQueue`, `UpdatePreset`, `UpdateJobTemplate`.
async fn update(
    kind: ResourceKind,
    State(service): Service,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ServiceError> {
    let members: Map<String, Value> = from_json(&body)?;
    if members.contains_key("settings") || kind == ResourceKind::Queue {
        check(kind, &members)?;
    }
    let updated = service.resources.update(kind, &name, members).await?.ok_or(NO_SUCH_RESOURCE)?;
    // A queue may have been activated.
    service.jobs_changed.notify_waiters();
    service.jobs_changed.notify_one();
    Ok(Json(json!({kind.member(): updated})))
}

/// `DeleteQueue`, `DeletePreset`, `DeleteJobTemplate`.
async fn delete(
    kind: ResourceKind,
    State(service): Service,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Value>), ServiceError> {
    if kind == ResourceKind::Queue {
        let queue = service.resources.get(kind, &name).await?.ok_or(NO_SUCH_RESOURCE)?;
        let jobs =
            ["submittedJobsCount", "progressingJobsCount"].map(|member| queue[member].as_i64().unwrap_or(0));
        if queue["type"] == "SYSTEM" || jobs.iter().sum::<i64>() > 0 {
            let sentence = "The default queue, and queues with jobs that haven't ended, can't be deleted.";
            return Err(ServiceError::Conflict(sentence));
        }
    }
    if !service.resources.delete(kind, &name).await? {
        return Err(NO_SUCH_RESOURCE);
    }
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

/// `ListQueues`, `ListPresets`, `ListJobTemplates`.
async fn list(kind: ResourceKind, State(service): Service, uri: Uri) -> Result<Json<Value>, ServiceError> {
    let request = ListResources::parse(&uri)?;
    let mut all = service.resources.list(kind, request.system).await?;
    all.retain(|resource| {
        request.category.as_deref().is_none_or(|category| resource["category"] == category)
    });
    if request.by_creation {
        all.sort_by_key(|resource| resource["createdAt"].as_u64());
    }
    if request.descending {
        all.reverse();
    }
    let end = request.start.saturating_add(request.max_results).min(all.len());
    let page = all.get(request.start..end).unwrap_or_default();
    let mut body = json!({format!("{}s", kind.member()): page});
    if end < all.len() {
        body["nextToken"] = super::request::next_token(i64::try_from(end).unwrap_or(i64::MAX)).into();
    }
    Ok(Json(body))
}

/// `TagResource`.
async fn tag(State(service): Service, body: Bytes) -> Result<Json<Value>, ServiceError> {
    let members: Map<String, Value> = from_json(&body)?;
    let arn = members.get("arn").and_then(Value::as_str).filter(|arn| arn.starts_with("arn:"));
    let arn = arn.ok_or(ServiceError::BadRequest("/arn: it is required.".into()))?.to_owned();
    service.resources.tag(arn, tags_of(&members)?).await?;
    Ok(Json(json!({})))
}

/// `UntagResource`.
async fn untag(
    State(service): Service,
    Path(arn): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ServiceError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        #[serde(default)]
        tag_keys: Vec<String>,
    }
    let body: Body = from_json(&body)?;
    service.resources.untag(arn, body.tag_keys).await?;
    Ok(Json(json!({})))
}

/// `ListTagsForResource`.
async fn list_tags(State(service): Service, Path(arn): Path<String>) -> Result<Json<Value>, ServiceError> {
    let tags = service.resources.tags(arn.clone()).await?;
    Ok(Json(json!({"resourceTags": {"arn": arn, "tags": tags}})))
}

const NO_SUCH_RESOURCE: ServiceError = ServiceError::NotFound("There is no such resource.");
