//! A MediaConvert that creates jobs without converting: validates requests as AWS does, remembers a request token for
//! one minute only, throttles, and sometimes creates a job but responds with an error.

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use edge::Clock;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

const TOKEN_LIFETIME_MS: u64 = 60_000;

#[derive(Clone, Debug)]
pub struct Job {
    pub number: usize,
    pub id: String,
    pub video_id: String,
    pub input: String,
    token: String,
    created_ms: u64,
}

#[derive(Clone)]
struct Service {
    jobs: Arc<Mutex<Vec<Job>>>,
    calls: Arc<Mutex<usize>>,
    clock: Clock,
}

pub struct MediaConvert {
    pub url: String,
    service: Service,
}

impl MediaConvert {
    pub async fn start(clock: Clock) -> Self {
        let service = Service { jobs: Arc::default(), calls: Arc::default(), clock };
        let router = Router::new()
            .route("/2017-08-29/probe", post(probe))
            .route("/2017-08-29/jobs", post(create_job))
            .route("/2017-08-29/search", get(search))
            .with_state(service.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, service }
    }

    pub fn jobs(&self) -> Vec<Job> {
        self.service.jobs.lock().unwrap().clone()
    }
}

fn error(status: u16, kind: &'static str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("x-amzn-errortype", kind)], Json(json!({ "message": "Injected." }))).into_response()
}

async fn probe() -> Json<Value> {
    let video = json!({ "trackType": "video", "videoProperties": { "width": 1280, "height": 720 } });
    Json(json!({ "probeResults": [{ "container": { "duration": 9.5, "tracks": [video] } }] }))
}

async fn create_job(State(service): State<Service>, request: Request) -> Response {
    let signed = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|value| value.contains("/us-east-1/mediaconvert/aws4_request")) {
        return error(403, "ForbiddenException");
    }
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (token, input) = (text("/clientRequestToken"), text("/settings/inputs/0/fileInput"));
    let is_allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let metadata = body["userMetadata"].as_object().cloned().unwrap_or_default();
    let is_valid = |(key, value): (&String, &Value)| {
        let value = value.as_str().unwrap_or_default();
        key.len() <= 128 && value.len() <= 256 && key.chars().all(is_allowed) && value.chars().all(is_allowed)
    };
    if !text("/role").starts_with("arn:")
        || !(1..=64).contains(&token.len())
        || !input.starts_with("s3://uploads/inputs/")
        || metadata.len() > 10
        || !metadata.iter().all(is_valid)
    {
        return error(400, "BadRequestException");
    }
    let call = {
        let mut calls = service.calls.lock().unwrap();
        *calls += 1;
        *calls
    };
    // The SDK makes three attempts by itself; runs of three errors sometimes reach the edge.
    if call % 7 < 3 {
        return error(429, "TooManyRequestsException");
    }
    let now = (service.clock)();
    let mut jobs = service.jobs.lock().unwrap();
    let existing = jobs.iter().find(|job| job.token == token && now < job.created_ms + TOKEN_LIFETIME_MS);
    let job = match existing {
        Some(job) => job.clone(),
        None => {
            let number = jobs.len();
            let video_id = text("/userMetadata/videoId");
            let job = Job { number, id: format!("job-{number}"), video_id, input, token, created_ms: now };
            jobs.push(job.clone());
            job
        }
    };
    if call % 11 == 0 {
        return error(500, "InternalServerErrorException");
    }
    (StatusCode::CREATED, Json(json!({ "job": { "id": job.id } }))).into_response()
}

async fn search(State(service): State<Service>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let input = query.get("inputFile").cloned().unwrap_or_default();
    let jobs = service.jobs.lock().unwrap();
    let found = jobs.iter().filter(|job| job.input.contains(&input));
    let found: Vec<Value> =
        found.map(|job| json!({ "id": job.id, "clientRequestToken": job.token })).collect();
    Json(json!({ "jobs": found }))
}
