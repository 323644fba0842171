//! MediaConvert's HTTP API: each call reads its request, asks [`Jobs`] or [`probe`], and answers as AWS does.

use super::error::ApiError;
use super::job::Job;
use super::jobs::{Broken, Cancellation};
use super::probe::probe;
use super::request::{CreateJob, ListJobs, probed_file, token};
use super::{Shared, sigv4};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::SystemTime;

/// In bytes; settings of the largest job that AWS takes stay below it.
const MOST_BODY: usize = 1 << 20;

type Service = State<Arc<Shared>>;

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/2017-08-29/jobs", post(create_job).get(list_jobs))
        .route("/2017-08-29/jobs/{id}", get(get_job).delete(cancel_job))
        .route("/2017-08-29/search", get(list_jobs))
        .route("/2017-08-29/endpoints", post(describe_endpoints))
        .route("/2017-08-29/probe", post(probe_file))
        .fallback(unknown_call)
        .method_not_allowed_fallback(unknown_call)
        .layer(from_fn_with_state(shared.keys.clone(), signed_only))
        .with_state(shared)
}

/// Lets a request through only if it was signed with our key, whatever it asks for.
async fn signed_only(
    State(keys): State<sigv4::Keys>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MOST_BODY).await.map_err(|_| ApiError::TooLarge)?;
    keys.check(&parts, &body, SystemTime::now())?;
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

async fn unknown_call() -> ApiError {
    ApiError::NotFound("There is no such call.")
}

/// `CreateJob`: a token that came before gets the job that it made then.
async fn create_job(State(shared): Service, body: Bytes) -> Result<(StatusCode, Json<Value>), ApiError> {
    let request = CreateJob::read(&body)?;
    let job = shared.jobs.create(request).await?;
    shared.news.notify_one();
    Ok((StatusCode::CREATED, Json(json!({"job": job}))))
}

/// `GetJob`.
async fn get_job(State(shared): Service, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let job = shared.jobs.get(id).await?.ok_or(NO_JOB)?;
    Ok(Json(json!({"job": job})))
}

/// `ListJobs` and `SearchJobs`: newest first unless asked otherwise.
async fn list_jobs(State(shared): Service, uri: Uri) -> Result<Json<Value>, ApiError> {
    let (jobs, next): (Vec<Job>, _) = shared.jobs.list(ListJobs::read(&uri)?).await?;
    let mut answer = json!({"jobs": jobs});
    if let Some(number) = next {
        answer["nextToken"] = token(number).into();
    }
    Ok(Json(answer))
}

/// `CancelJob`: ends a job that waits or runs; again is fine.
async fn cancel_job(
    State(shared): Service,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    match shared.jobs.cancel(id.clone()).await? {
        Cancellation::Done => {
            shared.running.stop(&id);
            Ok((StatusCode::ACCEPTED, Json(json!({}))))
        }
        Cancellation::NoSuchJob => Err(NO_JOB),
        Cancellation::TooLate(_) => Err(ApiError::Conflict("The job has ended and can't be canceled.")),
    }
}

/// `DescribeEndpoints`: this service is its own.
async fn describe_endpoints(State(shared): Service) -> Json<Value> {
    Json(json!({"endpoints": [{"url": shared.endpoint}]}))
}

/// `Probe`.
async fn probe_file(State(shared): Service, body: Bytes) -> Result<Json<Value>, ApiError> {
    let uri = probed_file(&body)?;
    Ok(Json(json!({"probeResults": [probe(&shared, &uri).await?]})))
}

const NO_JOB: ApiError = ApiError::NotFound("There is no such job.");

impl From<Broken> for ApiError {
    fn from(error: Broken) -> Self {
        tracing::error!(%error, "the table of jobs can't be used");
        Self::Internal
    }
}
