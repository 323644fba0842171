//! The HTTP API: what browsers and other clients call.

pub mod auth;
pub mod error;
pub mod extract;
pub mod origin_secret;
pub mod signed_cookies;
pub mod uploads;
pub mod videos;

use crate::state::AppState;
use auth::Auth;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use signed_cookies::SignedCookies;
use std::sync::Arc;

/// State of the routes: [`AppState`], and what verifies callers and opens private videos to them.
#[derive(Clone)]
pub struct ApiState {
    pub app: AppState,
    pub auth: Arc<Auth>,
    /// `None`: videos are public.
    pub cookies: Option<Arc<SignedCookies>>,
}

impl FromRef<ApiState> for AppState {
    fn from_ref(state: &ApiState) -> Self {
        state.app.clone()
    }
}

impl FromRef<ApiState> for Option<Arc<SignedCookies>> {
    fn from_ref(state: &ApiState) -> Self {
        state.cookies.clone()
    }
}

/// All routes, without a prefix.
pub fn routes() -> Router<ApiState> {
    Router::new()
        .route("/uploads", post(uploads::open))
        .route("/uploads/{upload}", get(uploads::status).delete(uploads::abort))
        .route("/uploads/{upload}/parts", post(uploads::sign))
        .route("/uploads/{upload}/complete", post(uploads::complete))
        .route("/videos", get(videos::list))
        .route("/videos/{video_id}", get(videos::get).patch(videos::change).delete(videos::delete))
}
