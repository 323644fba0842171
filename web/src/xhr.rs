//! The `PUT` of one part, by `XMLHttpRequest`: `fetch` reports no upload progress.

use crate::clock;
use futures_channel::oneshot;
use gloo_events::EventListener;
use std::collections::BTreeMap;
use uploader_core::error::UploadError;
use uploader_core::types::PresignedPart;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

/// The storage's answer, whatever its status.
pub struct PutResponse {
    /// HTTP status, never 0.
    pub status: u16,
    pub body: String,
    /// The connection carries many requests at once (HTTP/2 or 3).
    pub multiplexed: bool,
    headers: String,
}

impl PutResponse {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header by its lowercase name; `None` also where CORS hides it.
    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.lines().filter_map(|line| line.split_once(':'));
        pairs.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A request in flight; dropping it aborts it.
struct UploadRequest {
    xhr: XmlHttpRequest,
    listeners: Vec<EventListener>,
}

impl Drop for UploadRequest {
    fn drop(&mut self) {
        // First, as `abort` fires `loadend` at once.
        self.listeners.clear();
        let _ = self.xhr.abort();
    }
}

/// Sends `body`, which the browser reads by itself, piece by piece. `on_progress` receives the bytes handed to the
/// network so far. Dropping the future aborts the request.
///
/// # Errors
/// `network` without an answer that a script may see; `bad_answer` for a URL or a header that isn't valid.
pub async fn put(
    presigned: &PresignedPart,
    body: &Blob,
    on_progress: impl Fn(u64) + 'static,
) -> Result<PutResponse, UploadError> {
    let PresignedPart { url, headers, .. } = presigned;
    // The guard lives until the answer is read.
    let (request, ended) = start(url, headers, body, on_progress).map_err(|_| UploadError::bad_answer())?;
    let _ = ended.await;
    let xhr = &request.xhr;
    match xhr.status() {
        Ok(0) | Err(_) => Err(UploadError::network(presigned.origin())),
        Ok(status) => Ok(PutResponse {
            status,
            body: xhr.response_text().ok().flatten().unwrap_or_default(),
            multiplexed: clock::is_multiplexed(url),
            // All of them, as asking for one that CORS hides is an error on the console.
            headers: xhr.get_all_response_headers().unwrap_or_default(),
        }),
    }
}

fn start(
    url: &str,
    headers: &BTreeMap<String, String>,
    body: &Blob,
    on_progress: impl Fn(u64) + 'static,
) -> Result<(UploadRequest, oneshot::Receiver<()>), JsValue> {
    let xhr = XmlHttpRequest::new()?;
    xhr.open("PUT", url)?;
    for (name, value) in headers {
        xhr.set_request_header(name, value)?;
    }
    let (sender, ended) = oneshot::channel();
    let progress = EventListener::new(&xhr.upload()?.into(), "progress", move |event| {
        if let Some(event) = event.dyn_ref::<ProgressEvent>() {
            on_progress(event.loaded() as u64);
        }
    });
    // Fires after success, error, timeout and abort alike.
    let loadend = EventListener::once(&xhr, "loadend", move |_| {
        let _ = sender.send(());
    });
    let request = UploadRequest { xhr, listeners: vec![progress, loadend] };
    request.xhr.send_with_opt_blob(Some(body))?;
    Ok((request, ended))
}
