//! The calls to the edge's HTTP API: JSON in and out, a bearer token, errors as problem+json. Never retries.

mod errors;
mod replies;

pub use replies::VideoProgress;

use crate::clock;
use crate::host::UploadHost;
use gloo_net::http::{Headers, Method, RequestBuilder, Response};
use js_sys::{JSON, Promise};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_wasm_bindgen::Serializer;
use uploader_core::crc64;
use uploader_core::error::{UploadError, codes};
use uploader_core::types::{Event, Listing, OpenedUpload, PartChecksum, PresignedPart};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;
use wire::{CompleteUpload, OpenUpload, PartToSign, SignParts, SignedParts, UploadOpened, UploadStatus};

#[wasm_bindgen]
extern "C" {
    /// Called directly: gloo-net's `send` panics when a page's own wrapper of `fetch` rejects with something other
    /// than an `Error`.
    #[wasm_bindgen(catch)]
    fn fetch(request: &web_sys::Request) -> Result<Promise, JsValue>;
}

/// The edge, on behalf of one upload.
#[derive(Clone)]
pub struct ApiClient {
    /// Absolute, without a slash at its end.
    endpoint: String,
    host: UploadHost,
}

/// The outcome of a conditional `GET /videos/{videoId}`.
pub enum PollResult {
    NotModified,
    Video {
        progress: VideoProgress,
        /// The whole video as the edge sent it.
        video: JsValue,
        etag: Option<String>,
    },
}

/// A reply of any status.
struct Reply {
    status: u16,
    /// For people: status, media type and URL.
    summary: String,
    etag: Option<String>,
    retry_after: Option<String>,
    body: String,
}

/// Aborts a request when it is dropped; without effect after its end.
struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ApiClient {
    pub fn new(endpoint: String, host: UploadHost) -> Self {
        Self { endpoint, host }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `POST /uploads`.
    pub async fn open(&self, request: &OpenUpload) -> Result<OpenedUpload, UploadError> {
        let reply = self.send(Method::POST, "/uploads", Some(to_json(request)?), None).await?;
        reply.json::<UploadOpened>().map(replies::opened_upload)
    }

    /// `POST /uploads/{upload}/parts`.
    pub async fn sign(
        &self,
        upload: &str,
        parts: &[PartChecksum],
    ) -> Result<Vec<PresignedPart>, UploadError> {
        let part = |part: &PartChecksum| PartToSign {
            part_number: part.part,
            checksum: Some(crc64::to_base64(part.crc64)),
        };
        let body = to_json(&SignParts { parts: parts.iter().map(part).collect() })?;
        let reply = self.send(Method::POST, &format!("/uploads/{upload}/parts"), Some(body), None).await?;
        let signed = reply.json::<SignedParts>()?;
        Ok(signed.parts.into_iter().map(replies::presigned_part).collect())
    }

    /// `GET /uploads/{upload}`.
    pub async fn list(&self, upload: &str) -> Result<Listing, UploadError> {
        let reply = self.send(Method::GET, &format!("/uploads/{upload}"), None, None).await?;
        let UploadStatus { state, parts, .. } = reply.json()?;
        Ok(Listing { state, parts })
    }

    /// `POST /uploads/{upload}/complete`. The reply's video isn't read: it comes by polling.
    pub async fn complete(&self, upload: &str, crc64: u64) -> Result<Event, UploadError> {
        let request = CompleteUpload { checksum: Some(crc64::to_base64(crc64)) };
        let path = format!("/uploads/{upload}/complete");
        let reply = self.exchange(Method::POST, &path, Some(to_json(&request)?), None).await?;
        match reply.problem() {
            Some(problem) if problem.code == codes::PARTS_MISSING => {
                Ok(Event::PartsMissing(problem.part_numbers))
            }
            _ => reply.into_success()?.json().map(Event::Completed),
        }
    }

    /// `DELETE /uploads/{upload}`.
    pub async fn abort(&self, upload: &str) -> Result<(), UploadError> {
        self.send(Method::DELETE, &format!("/uploads/{upload}"), None, None).await.map(drop)
    }

    /// `GET /videos/{videoId}`, with the `ETag` of an earlier answer.
    pub async fn video(&self, video_id: &str, etag: Option<&str>) -> Result<PollResult, UploadError> {
        let reply = self.send(Method::GET, &format!("/videos/{video_id}"), None, etag).await?;
        if reply.status == 304 {
            return Ok(PollResult::NotModified);
        }
        let video = reply.value()?;
        let progress = serde_wasm_bindgen::from_value(video.clone()).map_err(|_| reply.unreadable())?;
        Ok(PollResult::Video { progress, video, etag: reply.etag })
    }

    /// Makes one call. A status other than a success or 304 is an error. Dropping the future aborts it.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        etag: Option<&str>,
    ) -> Result<Reply, UploadError> {
        self.exchange(method, path, body, etag).await?.into_success()
    }

    /// Makes one call and takes a reply of any status.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        etag: Option<&str>,
    ) -> Result<Reply, UploadError> {
        // Requested at every call, so that a token that expires during a long upload is renewed.
        let token = self.host.token().await?;
        let invalid = |_| UploadError::bad_answer();
        let headers = web_sys::Headers::new().map_err(invalid)?;
        if let Some(token) = token {
            // A token with a line break is no header's value.
            headers
                .set("authorization", &format!("Bearer {token}"))
                .map_err(|_| UploadError::token_unavailable())?;
        }
        if body.is_some() {
            headers.set("content-type", "application/json").map_err(invalid)?;
        }
        if let Some(etag) = etag {
            headers.set("if-none-match", etag).map_err(invalid)?;
        }
        let abort = AbortOnDrop(AbortController::new().map_err(invalid)?);
        let builder = RequestBuilder::new(&format!("{}{path}", self.endpoint))
            .method(method)
            .headers(Headers::from_raw(headers))
            .abort_signal(Some(&abort.0.signal()));
        let request = match body {
            Some(body) => builder.body(body),
            None => builder.build(),
        };
        let request = request.map_err(|_| UploadError::bad_answer())?;
        let network = |_| UploadError::network(&self.endpoint);
        let response = JsFuture::from(fetch(&request.into()).map_err(network)?).await.map_err(network)?;
        let response: web_sys::Response = response.dyn_into().map_err(network)?;
        let text = response.text().map_err(network)?;
        let response = Response::from(response);
        let body = JsFuture::from(text).await.map_err(network)?.as_string().unwrap_or_default();
        let header = |name| response.headers().get(name);
        Ok(Reply {
            status: response.status(),
            summary: errors::summary(response.status(), header("content-type"), &response.url()),
            etag: header("etag"),
            retry_after: header("retry-after"),
            body,
        })
    }
}

impl Reply {
    fn is_success(&self) -> bool {
        matches!(self.status, 200..300 | 304)
    }

    /// The body of an error that is the edge's own.
    fn problem(&self) -> Option<errors::ProblemBody> {
        let json = JSON::parse(&self.body).ok().filter(|_| !self.is_success())?;
        let problem: errors::ProblemBody = serde_wasm_bindgen::from_value(json).ok()?;
        (!problem.code.is_empty()).then_some(problem)
    }

    fn into_success(self) -> Result<Self, UploadError> {
        if self.is_success() {
            return Ok(self);
        }
        let retry_after_ms = errors::retry_after_ms(self.retry_after.as_deref(), clock::wall_ms());
        Err(errors::from_edge(self.status, self.problem(), &self.summary).with_retry_after(retry_after_ms))
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, UploadError> {
        serde_wasm_bindgen::from_value(self.value()?).map_err(|_| self.unreadable())
    }

    fn value(&self) -> Result<JsValue, UploadError> {
        JSON::parse(&self.body).map_err(|_| self.unreadable())
    }

    fn unreadable(&self) -> UploadError {
        UploadError::bad_answer_from(&self.summary)
    }
}

/// The storage's answer to a part as an error, see [`errors`].
pub fn storage_error(status: u16, body: &str, retry_after: Option<&str>, origin: &str) -> UploadError {
    let retry_after_ms = errors::retry_after_ms(retry_after, clock::wall_ms());
    errors::from_storage(status, body, origin).with_retry_after(retry_after_ms)
}

/// `JSON.stringify` is in every browser; serde_json would have to be downloaded.
fn to_json(body: &impl Serialize) -> Result<String, UploadError> {
    let value = body.serialize(&Serializer::json_compatible()).map_err(|_| UploadError::bad_answer())?;
    let json = JSON::stringify(&value).map_err(|_| UploadError::bad_answer())?;
    json.as_string().ok_or_else(UploadError::bad_answer)
}
