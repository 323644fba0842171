//! The calls to the edge, as contract: JSON in and out, a bearer token, errors as problem+json. Decides
//! nothing about trying again.

use crate::error::{Failure, Problem, codes};
use crate::json;
use crate::machine::{Session, Stored};
use crate::page::Page;
use crate::parts::Ticket;
use crate::xhr::{self, Answer, Body, Request};
use js_sys::{Date, JSON};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wire::{
    ChecksumKind, CompleteUpload, OpenUpload, Part, SignParts, SignedParts, StoredPart, UploadOpened,
    VideoError, VideoStatus,
};

/// The edge, on behalf of one upload.
pub struct Client {
    /// Absolute, without a slash at its end.
    endpoint: String,
    page: Page,
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

/// What is needed here of a `Video`; the page gets the whole of it untouched.
#[derive(Deserialize)]
pub struct Glance {
    pub status: VideoStatus,
    pub progress: u8,
    pub error: Option<VideoError>,
}

/// What is needed here of [`wire::UploadCompleted`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Completed {
    video_id: String,
    key: String,
    size: u64,
    checksum: Option<String>,
}

/// What is needed here of [`wire::UploadStatus`].
#[derive(Deserialize)]
struct Status {
    parts: Vec<StoredPart>,
}

impl Client {
    pub fn new(endpoint: String, page: Page) -> Self {
        Self { endpoint, page }
    }

    pub async fn open(&self, body: &OpenUpload) -> Result<Session, Failure> {
        let opened: UploadOpened = read(&self.call("POST", "/uploads", Some(&text(body)?)).await?)?;
        Ok(Session {
            upload: opened.upload,
            part_size: opened.part_size,
            part_count: opened.part_count,
            checksum: opened.checksum == ChecksumKind::Crc64Nvme,
            tickets: opened.parts.into_iter().map(ticket).collect(),
        })
    }

    pub async fn sign(&self, upload: &str, part_numbers: Vec<u32>) -> Result<Vec<Ticket>, Failure> {
        let path = ["/uploads/", upload, "/parts"].concat();
        let answer = self.call("POST", &path, Some(&text(&SignParts { part_numbers })?)).await?;
        Ok(read::<SignedParts>(&answer)?.parts.into_iter().map(ticket).collect())
    }

    pub async fn list(&self, upload: &str) -> Result<Vec<StoredPart>, Failure> {
        let answer = self.call("GET", &["/uploads/", upload].concat(), None).await?;
        Ok(read::<Status>(&answer)?.parts)
    }

    pub async fn complete(&self, upload: &str, body: &CompleteUpload) -> Result<Stored, Failure> {
        let path = ["/uploads/", upload, "/complete"].concat();
        let done: Completed = read(&self.call("POST", &path, Some(&text(body)?)).await?)?;
        Ok(Stored { video_id: done.video_id, key: done.key, size: done.size, checksum: done.checksum })
    }

    pub async fn abort(&self, upload: &str) -> Result<(), Failure> {
        self.call("DELETE", &["/uploads/", upload].concat(), None).await.map(drop)
    }

    /// Looks at a video; `seen` is the tag of the last look.
    pub async fn video(&self, video_id: &str, seen: Option<String>) -> Result<Look, Failure> {
        let unless = seen.map(|tag| ("if-none-match".to_string(), tag));
        let answer = self.ask("GET", &["/videos/", video_id].concat(), None, unless).await?;
        if answer.status == 304 {
            return Ok(Look::Same);
        }
        let answer = accept(answer)?;
        let whole = JSON::parse(&answer.text).map_err(|_| Failure::bad_answer())?;
        let glance = json::read(&whole).ok_or_else(Failure::bad_answer)?;
        Ok(Look::Video { glance, whole, etag: answer.header("etag") })
    }

    async fn call(&self, method: &'static str, path: &str, body: Option<&str>) -> Result<Answer, Failure> {
        accept(self.ask(method, path, body, None).await?)
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&str>,
        header: Option<(String, String)>,
    ) -> Result<Answer, Failure> {
        let mut headers: Vec<_> = header.into_iter().collect();
        // Asked for at every call, so that a token which runs out within a long upload is renewed.
        let token = self.page.token().await.map_err(|_| {
            Failure::last(codes::TOKEN_UNAVAILABLE, "The page's `token` function failed to give a token.")
        })?;
        if let Some(token) = token {
            headers.push(("authorization".into(), ["Bearer ", &token].concat()));
        }
        let body = match body {
            Some(json) => {
                headers.push(("content-type".into(), "application/json".into()));
                Body::Text(json)
            }
            None => Body::None,
        };
        let url = [&self.endpoint, path].concat();
        xhr::send(Request { method, url: &url, headers: &headers, body }, None).await
    }
}

fn accept(answer: Answer) -> Result<Answer, Failure> {
    if answer.is_ok() {
        return Ok(answer);
    }
    Err(Failure::from_edge(answer.status, read::<Problem>(&answer).ok()).after(answer.wish_ms()))
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    let value = JSON::parse(&answer.text).ok();
    value.and_then(|value| json::read(&value)).ok_or_else(Failure::bad_answer)
}

/// Can't fail: the requests of `wire` hold nothing that JSON can't.
fn text(body: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|_| Failure::bad_answer())
}

fn ticket(part: Part) -> Ticket {
    let end = Date::parse(&part.expires_at);
    Ticket {
        part: part.part_number,
        url: part.url,
        headers: part.headers.into_iter().collect(),
        expires_at: (end > 0.0).then_some(end as u64),
    }
}
