//! The control port, where a test sets faults and reads the log.

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

/// Settings of the link; an absent field means no limit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LinkSettings {
    /// In bytes per second, of all request bodies together.
    bandwidth: Option<u64>,
    #[serde(default)]
    latency_ms: u64,
    #[serde(default)]
    stalled: bool,
    #[serde(default)]
    down: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    url: String,
}

pub fn router(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/rules", post(rules))
        .route("/link", post(link))
        .route("/upstream", post(upstream))
        .route("/log", get(log))
        .route("/reset", post(reset))
        .with_state(proxy)
}

/// Replaces all rules.
async fn rules(State(proxy): State<Arc<Proxy>>, Json(rules): Json<Vec<Rule>>) -> StatusCode {
    proxy.set_rules(Rules::new(rules));
    StatusCode::NO_CONTENT
}

async fn link(State(proxy): State<Arc<Proxy>>, Json(settings): Json<LinkSettings>) -> StatusCode {
    proxy.link.set(settings.bandwidth, Duration::from_millis(settings.latency_ms), settings.stalled);
    if settings.down {
        proxy.link.go_down()
    } else {
        proxy.link.go_up()
    }
    StatusCode::NO_CONTENT
}

async fn upstream(State(proxy): State<Arc<Proxy>>, Json(upstream): Json<Upstream>) -> StatusCode {
    proxy.set_upstream(&upstream.url);
    StatusCode::NO_CONTENT
}

async fn log(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    Json(proxy.log.to_json())
}

/// Restores the state after start, the upstream excepted: no rules, no log, every connection ended.
async fn reset(State(proxy): State<Arc<Proxy>>) -> StatusCode {
    proxy.set_rules(Rules::default());
    proxy.link.set(None, Duration::ZERO, false);
    proxy.link.go_down();
    proxy.link.go_up();
    proxy.log.clear();
    StatusCode::NO_CONTENT
}
