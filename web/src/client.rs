//! The calls to the edge, as contract: JSON in and out, a bearer token, errors as problem+json. Decides
//! nothing about trying again.

use crate::answers::{self, Glance};
use crate::host::{Answering, Host};
use crate::status;
use crate::values::{number, object};
use js_sys::Array;
use uploader_core::error::UploadError;
use wasm_bindgen::JsValue;
use wire::{CompleteUpload, CompletedPart, OpenUpload};

/// The edge, on behalf of one upload.
#[derive(Clone)]
pub struct Client {
    /// Absolute, without a slash at its end.
    pub endpoint: String,
    pub host: Host,
}

/// A look at a video.
pub enum Look {
    /// The same as at the last look.
    Same,
    Video {
        glance: Glance,
        whole: JsValue,
        etag: Option<String>,
    },
}

impl Client {
    /// Looks at a video; `seen` is the tag of the last look.
    pub async fn video(&self, video_id: &str, seen: Option<&str>) -> Result<Look, UploadError> {
        let answer = self.call("GET", &["/videos/", video_id], JsValue::UNDEFINED, seen).await?;
        if answer.status == 304 {
            return Ok(Look::Same);
        }
        let whole = answer.json();
        let glance = answers::glance(&whole).ok_or_else(UploadError::bad_answer)?;
        Ok(Look::Video { glance, whole, etag: answer.header("etag") })
    }

    /// Makes a call; answers what isn't an error. `seen`: only if it has another tag.
    pub fn call(&self, method: &'static str, path: &[&str], body: JsValue, seen: Option<&str>) -> Answering {
        let url = JsValue::from(path.iter().fold(self.endpoint.clone(), |url, piece| url + piece));
        let seen = JsValue::from(seen);
        let host = self.host.clone();
        Box::pin(async move {
            // Asked for at every call, so that a token which runs out within a long upload is renewed.
            let token = host.ask("token", JsValue::UNDEFINED).await;
            let bearer = match token {
                Some(none) if none.is_null_or_undefined() => None,
                some => Some(
                    "Bearer ".to_owned()
                        + &*some
                            .and_then(|token| token.as_string())
                            .ok_or_else(UploadError::token_unavailable)?,
                ),
            };
            let json = if body.is_undefined() { None } else { Some("application/json") };
            let headers = object(&[
                ("authorization", bearer.into()),
                ("content-type", json.into()),
                ("if-none-match", seen),
            ]);
            let request =
                object(&[("method", method.into()), ("url", url), ("headers", headers), ("json", body)]);
            let answer = host.send(request).await?;
            if answer.is_ok() || answer.status == 304 {
                return Ok(answer);
            }
            Err(status::from_edge(answer.status, answers::problem(&answer.json()))
                .with_retry_after(answer.wish_ms()))
        })
    }
}

/// The body of [`wire::OpenUpload`].
pub fn open_upload(body: &OpenUpload) -> JsValue {
    object(&[
        ("fileName", body.file_name.as_str().into()),
        ("size", number(body.size)),
        ("contentType", body.content_type.as_str().into()),
        ("lastModified", body.last_modified.map(number).into()),
        ("videoId", body.video_id.as_deref().into()),
        ("partSize", body.part_size.map(number).into()),
    ])
}

/// The body of [`wire::SignParts`].
pub fn sign_parts(part_numbers: &[u32]) -> JsValue {
    let numbers = Array::new();
    for number in part_numbers {
        numbers.push(&(*number).into());
    }
    object(&[("partNumbers", numbers.into())])
}

/// The body of [`wire::CompleteUpload`].
pub fn complete_upload(body: &CompleteUpload) -> JsValue {
    let parts = Array::new();
    for CompletedPart { part_number, etag, checksum } in &body.parts {
        parts.push(&object(&[
            ("partNumber", (*part_number).into()),
            ("etag", etag.as_str().into()),
            ("checksum", checksum.as_deref().into()),
        ]));
    }
    object(&[("parts", parts.into()), ("checksum", body.checksum.as_deref().into())])
}
