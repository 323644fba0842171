//! The second port: where a test says what is to go wrong, and asks what came.

use crate::Proxy;
use crate::rules::{Rule, Rules};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The line's settings; what isn't said is as good as it gets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Setting {
    /// In bytes a second, of all request bodies together.
    bandwidth: Option<u64>,
    #[serde(default)]
    latency_ms: u64,
    #[serde(default)]
    still: bool,
    #[serde(default)]
    dead: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    url: String,
}

pub fn router(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/rules", post(rules))
        .route("/line", post(line))
        .route("/upstream", post(upstream))
        .route("/log", get(log))
        .route("/reset", post(reset))
        .with_state(proxy)
}

/// Takes the place of all rules before.
async fn rules(State(proxy): State<Arc<Proxy>>, Json(rules): Json<Vec<Rule>>) -> StatusCode {
    proxy.set_rules(Rules::new(rules));
    StatusCode::NO_CONTENT
}

async fn line(State(proxy): State<Arc<Proxy>>, Json(setting): Json<Setting>) -> StatusCode {
    proxy.line.set(setting.bandwidth, Duration::from_millis(setting.latency_ms), setting.still);
    if setting.dead {
        proxy.line.die()
    } else {
        proxy.line.revive()
    }
    StatusCode::NO_CONTENT
}

async fn upstream(State(proxy): State<Arc<Proxy>>, Json(upstream): Json<Upstream>) -> StatusCode {
    proxy.set_upstream(&upstream.url);
    StatusCode::NO_CONTENT
}

async fn log(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    Json(proxy.log.tell())
}

/// As at the start, but for the address of the server: no rules, no log, every connection ended.
async fn reset(State(proxy): State<Arc<Proxy>>) -> StatusCode {
    proxy.set_rules(Rules::default());
    proxy.line.set(None, Duration::ZERO, false);
    proxy.line.die();
    proxy.line.revive();
    proxy.log.clear();
    StatusCode::NO_CONTENT
}
