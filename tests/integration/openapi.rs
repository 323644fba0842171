//! `docs/openapi.json`: generated from the types of `wire` and the calls below, and compared with the router.
//!
//! `UPDATE_OPENAPI=1 cargo test -p tests --test integration openapi` rewrites the file.

use crate::support::python::assert_passes;
use crate::support::stack::{Services, UNREACHABLE, app, now_ms};
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::path::Path;
use tower::ServiceExt;
use wire::{
    ChangeVideo, CompleteUpload, OpenUpload, Problem, SignParts, SignedParts, UploadCompleted, UploadOpened,
    UploadStatus, Video, VideoList,
};

/// Where schemas are in an OpenAPI document.
const SCHEMAS: &str = "/components/schemas";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Collects the schemas of the types that calls refer to.
struct Schemas {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
        Self {
            requests: settings.clone().for_deserialize().into_generator(),
            responses: settings.for_serialize().into_generator(),
        }
    }

    fn request<T: JsonSchema>(&mut self) -> Value {
        let schema = self.requests.subschema_for::<T>();
        json!({ "required": true, "content": { "application/json": { "schema": schema } } })
    }

    fn optional_request<T: JsonSchema>(&mut self) -> Value {
        let mut request = self.request::<T>();
        request["required"] = false.into();
        request
    }

    fn response<T: JsonSchema>(&mut self, description: &str) -> Value {
        let schema = self.responses.subschema_for::<T>();
        json!({ "description": description, "content": { "application/json": { "schema": schema } } })
    }

    fn problem(&mut self) -> Value {
        let schema = self.responses.subschema_for::<Problem>();
        json!({
            "description": "The request failed; `code` says why.",
            "content": { "application/problem+json": { "schema": schema } },
        })
    }

    fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.requests.take_definitions(true);
        for (name, schema) in self.responses.take_definitions(true) {
            let other = all.insert(name.clone(), schema);
            assert!(other.is_none(), "{name} is a type of requests and of responses");
        }
        all.values_mut().for_each(mark_times);
        all
    }
}

/// Times are RFC 3339; in `wire` they are text.
fn mark_times(schema: &mut Value) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if name.ends_with("At") {
            property["format"] = "date-time".into();
        }
    }
}

fn parameter(name: &str, place: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "description": description, "schema": schema })
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let upload =
        parameter("upload", "path", "The token of `UploadOpened.upload`.", json!({ "type": "string" }));
    let video_id = parameter("videoId", "path", "The video's id.", json!({ "type": "string" }));
    let none = |description: &str| json!({ "description": description });
    let etag = json!({ "ETag": { "description": "The video's version.", "schema": { "type": "string" } } });

    let mut video = schemas.response::<Video>("The video. Sets signed cookies if it is ready and private.");
    video["headers"] = etag.clone();
    let mut paths = json!({
        "/uploads": {
            "post": {
                "operationId": "openUpload",
                "summary": "Opens a multipart upload and signs the parts whose checksums it brings.",
                "requestBody": schemas.request::<OpenUpload>(),
                "responses": { "201": schemas.response::<UploadOpened>("The upload is open.") },
            },
        },
        "/uploads/{upload}": {
            "parameters": [upload],
            "get": {
                "operationId": "getUpload",
                "summary": "Returns the parts that S3 has stored.",
                "responses": { "200": schemas.response::<UploadStatus>("State and stored parts.") },
            },
            "delete": {
                "operationId": "abortUpload",
                "summary": "Aborts the upload and removes its parts. Idempotent.",
                "responses": { "204": none("There is no open upload any more.") },
            },
        },
        "/uploads/{upload}/parts": {
            "parameters": [upload],
            "post": {
                "operationId": "signParts",
                "summary": "Signs parts, for the first time or again.",
                "requestBody": schemas.request::<SignParts>(),
                "responses": { "200": schemas.response::<SignedParts>("The signed parts.") },
            },
        },
        "/uploads/{upload}/complete": {
            "parameters": [upload],
            "post": {
                "operationId": "completeUpload",
                "summary": "Creates the object from the stored parts. Idempotent.",
                "requestBody": schemas.optional_request::<CompleteUpload>(),
                "responses": { "200": schemas.response::<UploadCompleted>("The object is stored.") },
            },
        },
        "/videos": {
            "get": {
                "operationId": "listVideos",
                "summary": "Lists the caller's videos, newest first.",
                "parameters": [
                    parameter("limit", "query", "Videos per page.",
                        json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 })),
                    parameter("cursor", "query", "The previous page's `cursor`.", json!({ "type": "string" })),
                ],
                "responses": { "200": schemas.response::<VideoList>("One page of videos.") },
            },
        },
        "/videos/{videoId}": {
            "parameters": [video_id],
            "get": {
                "operationId": "getVideo",
                "summary": "Returns one video of the caller.",
                "parameters": [
                    parameter("If-None-Match", "header", "Versions that the caller has.", json!({ "type": "string" })),
                ],
                "responses": {
                    "200": video,
                    "304": { "description": "The caller has this version.", "headers": etag },
                },
            },
            "patch": {
                "operationId": "changeVideo",
                "summary": "Changes the title.",
                "requestBody": schemas.request::<ChangeVideo>(),
                "responses": { "200": schemas.response::<Video>("The changed video.") },
            },
            "delete": {
                "operationId": "deleteVideo",
                "summary": "Deletes the video, its object and its outputs; cancels its job. Idempotent.",
                "responses": { "204": none("The video is hidden; its files follow within moments.") },
            },
        },
    });
    let problem = schemas.problem();
    for path in paths.as_object_mut().unwrap().values_mut() {
        for method in METHODS {
            if let Some(call) = path.get_mut(method) {
                call["responses"]["default"] = problem.clone();
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Greloupis Uploads",
            "summary": "Opens, signs and completes uploads to S3, and returns the converted videos.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/api" }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
            "schemas": schemas.definitions(),
        },
    })
}

#[test]
fn openapi_file_matches_the_types_of_wire() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let generated = document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, format!("{generated:#}\n")).unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        committed == generated,
        "docs/openapi.json is out of date: run UPDATE_OPENAPI=1 cargo test -p tests --test integration openapi"
    );
}

/// The `code` of the answer to a request without a body.
async fn code(router: &axum::Router, method: &str, path: &str) -> String {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn router_serves_each_documented_call_and_no_other() {
    let nothing = Services { s3: UNREACHABLE, mediaconvert: UNREACHABLE, dynamodb: UNREACHABLE };
    let router = app(&nothing, "sqlite::memory:", now_ms).router();
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    for (path, calls) in paths {
        let example = path.replace("{upload}", "x").replace("{videoId}", "x");
        for method in METHODS {
            let answer = code(&router, &method.to_uppercase(), &example).await;
            let is_served = !["not_found", "method_not_allowed"].contains(&&*answer);
            assert_eq!(is_served, calls.get(method).is_some(), "{method} {path}: {answer}");
        }
    }
    let source = include_str!("../../edge/src/api/mod.rs");
    let routes = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let routes: Vec<String> = routes.map(|route| route.replace("{video_id}", "{videoId}")).collect();
    assert!(routes.len() > 5);
    for route in routes.iter().filter(|route| *route != "/events") {
        assert!(paths.contains_key(route), "docs/openapi.json lacks {route}");
    }
}

#[tokio::test]
async fn openapi_file_is_valid_openapi_3_1() {
    assert_passes("openapi.py", &[]).await;
}
