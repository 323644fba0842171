//! The HTTP API of MediaConvert: routes, signature check, and one handler for each call.

use super::error::ServiceError;
use super::job::{Job, QUEUE};
use super::jobs::Cancellation;
use super::probe::probe;
use super::request::{CreateJob, ListJobs, next_token, parse_probe};
use super::resolve::{preset_name, preset_names, with_presets};
use super::resource_api;
use super::resources::ResourceKind;
use super::settings::Settings;
use super::sigv4::SigningKey;
use super::state::ServiceState;
use super::system_presets;
use crate::db::DbError;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// Maximum request body, in bytes. The largest job that AWS accepts is smaller.
const MAX_BODY_SIZE: usize = 1 << 20;

type Service = State<Arc<ServiceState>>;

pub fn router(service: Arc<ServiceState>) -> Router {
    resource_api::routes(Router::new())
        .route("/2017-08-29/jobs", post(create_job).get(list_jobs))
        .route("/2017-08-29/jobs/{id}", get(get_job).delete(cancel_job))
        .route("/2017-08-29/search", get(list_jobs))
        .route("/2017-08-29/endpoints", post(describe_endpoints))
        .route("/2017-08-29/probe", post(probe_file))
        .fallback(unknown_call)
        .method_not_allowed_fallback(unknown_call)
        .layer(from_fn_with_state(service.key.clone(), require_signature))
        .with_state(service)
}

/// Refuses every request that isn't signed with the service's key.
async fn require_signature(
    State(key): State<SigningKey>,
    request: Request,
    next: Next,
) -> Result<Response, ServiceError> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_SIZE).await.map_err(|_| ServiceError::TooLarge)?;
    key.verify(&parts, &body, SystemTime::now())?;
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

async fn unknown_call() -> ServiceError {
    ServiceError::NotFound("There is no such call.")
}

/// `CreateJob`: a repeated `clientRequestToken` returns the existing job.
async fn create_job(State(service): Service, body: Bytes) -> Result<(StatusCode, Json<Value>), ServiceError> {
    let mut request = CreateJob::parse(&body)?;
    if let Some(name) = &request.job_template {
        let template = service.resources.get(ResourceKind::JobTemplate, preset_name(name)).await?;
        request.apply_template(template.ok_or(ServiceError::NotFound("There is no such job template."))?);
    }
    let mut presets = BTreeMap::new();
    for name in preset_names(&request.settings) {
        if let Some(preset) = service.resources.get(ResourceKind::Preset, &name).await? {
            presets.insert(name, preset["settings"].clone());
        }
    }
    let find = |name: &str| presets.get(name).cloned().or_else(|| system_presets::settings(name));
    request.settings = with_presets(request.settings, find).map_err(ServiceError::BadRequest)?;
    let (_, warnings) = Settings::parse(&request.settings).map_err(ServiceError::BadRequest)?;
    let queue = service.resources.queue_arn(request.queue.as_deref().unwrap_or(QUEUE)).await?;
    let tags = std::mem::take(&mut request.tags);
    let job = service.jobs.create(request, queue, warnings).await?;
    service.resources.tag(job.arn.clone(), tags).await?;
    service.jobs_changed.notify_one();
    Ok((StatusCode::CREATED, Json(json!({"job": job}))))
}

/// `GetJob`.
async fn get_job(State(service): Service, Path(id): Path<String>) -> Result<Json<Value>, ServiceError> {
    let job = service.jobs.get(id).await?.ok_or(NO_SUCH_JOB)?;
    Ok(Json(json!({"job": job})))
}

/// `ListJobs` and `SearchJobs`: newest first by default.
async fn list_jobs(State(service): Service, uri: Uri) -> Result<Json<Value>, ServiceError> {
    let mut request = ListJobs::parse(&uri)?;
    if let Some(queue) = &request.queue {
        request.queue = Some(service.resources.queue_arn(queue).await?);
    }
    let (jobs, next): (Vec<Job>, _) = service.jobs.list(request).await?;
    let mut body = json!({"jobs": jobs});
    if let Some(number) = next {
        body["nextToken"] = next_token(number).into();
    }
    Ok(Json(body))
}

/// `CancelJob`: cancels a submitted or running job; idempotent.
async fn cancel_job(
    State(service): Service,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ServiceError> {
    match service.jobs.cancel(id.clone()).await? {
        Cancellation::Canceled => {
            service.running.cancel(&id);
            service.jobs_changed.notify_one();
            Ok((StatusCode::ACCEPTED, Json(json!({}))))
        }
        Cancellation::NoSuchJob => Err(NO_SUCH_JOB),
        Cancellation::AlreadyFinal(_) => {
            Err(ServiceError::Conflict("The job has ended and can't be canceled."))
        }
    }
}

/// `DescribeEndpoints`: returns this service's URL.
async fn describe_endpoints(State(service): Service) -> Json<Value> {
    Json(json!({"endpoints": [{"url": service.endpoint}]}))
}

/// `Probe`.
async fn probe_file(State(service): Service, body: Bytes) -> Result<Json<Value>, ServiceError> {
    let uri = parse_probe(&body)?;
    Ok(Json(json!({"probeResults": [probe(&service, &uri).await?]})))
}

const NO_SUCH_JOB: ServiceError = ServiceError::NotFound("There is no such job.");

impl From<DbError> for ServiceError {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "job table unavailable");
        Self::Internal
    }
}
