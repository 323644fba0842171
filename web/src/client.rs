//! The calls to the edge, as contract: JSON in and out, a bearer token, errors as problem+json. Decides
//! nothing about trying again.

use crate::answers::{self, Glance, Json};
use crate::error::Failure;
use crate::host::Host;
use crate::machine::{Listing, Session, Stored};
use crate::parts::Ticket;
use crate::xhr::{self, Answer, Body, Request};
use js_sys::{Array, Date, JSON, Object, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use wire::{CompleteUpload, OpenUpload, SignParts};

/// The edge, on behalf of one upload.
pub struct Client {
    /// Absolute, without a slash at its end.
    endpoint: String,
    host: Host,
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
    pub fn new(endpoint: String, host: Host) -> Self {
        Self { endpoint, host }
    }

    pub async fn open(&self, body: &OpenUpload) -> Result<Session, Failure> {
        let answer = self.call("POST", "/uploads", Some(&text(body)?)).await?;
        answers::opened(&parse(&answer)?).ok_or_else(Failure::bad_answer)
    }

    pub async fn sign(&self, upload: &str, part_numbers: Vec<u32>) -> Result<Vec<Ticket>, Failure> {
        let path = ["/uploads/", upload, "/parts"].concat();
        let answer = self.call("POST", &path, Some(&text(&SignParts { part_numbers })?)).await?;
        answers::signed(&parse(&answer)?).ok_or_else(Failure::bad_answer)
    }

    pub async fn list(&self, upload: &str) -> Result<Listing, Failure> {
        let answer = self.call("GET", &["/uploads/", upload].concat(), None).await?;
        answers::listed(&parse(&answer)?).ok_or_else(Failure::bad_answer)
    }

    pub async fn complete(&self, upload: &str, body: &CompleteUpload) -> Result<Stored, Failure> {
        let path = ["/uploads/", upload, "/complete"].concat();
        let answer = self.call("POST", &path, Some(&text(body)?)).await?;
        answers::completed(&parse(&answer)?).ok_or_else(Failure::bad_answer)
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
        let whole = parse(&answer)?;
        let glance = answers::glance(&whole).ok_or_else(Failure::bad_answer)?;
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
        if let Some(token) = self.host.bearer().await? {
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
    let problem = parse(&answer).map(|body| answers::problem(&body)).unwrap_or_default();
    Err(Failure::from_edge(answer.status, problem).after(answer.wish_ms()))
}

fn parse(answer: &Answer) -> Result<JsValue, Failure> {
    JSON::parse(&answer.text).map_err(|_| Failure::bad_answer())
}

/// Can't fail: the requests of `wire` hold nothing that JSON can't.
fn text(body: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(body).map_err(|_| Failure::bad_answer())
}

impl Json for JsValue {
    fn get(&self, name: &str) -> Option<Self> {
        // Fails for what is no object.
        let field = Reflect::get(self, &name.into()).ok()?;
        (!field.is_null_or_undefined()).then_some(field)
    }

    fn text(&self) -> Option<String> {
        self.as_string()
    }

    fn count(&self) -> Option<u64> {
        let number = self.as_f64()?;
        let count = number as u64;
        (count as f64 == number && count < 1 << 53).then_some(count)
    }

    fn truth(&self) -> Option<bool> {
        self.as_bool()
    }

    fn items(&self) -> Option<Vec<Self>> {
        self.dyn_ref::<Array>().map(Array::to_vec)
    }

    fn pairs(&self) -> Vec<(String, Self)> {
        let Some(object) = self.dyn_ref::<Object>() else { return Vec::new() };
        let pair = |name: JsValue| Some((name.as_string()?, Reflect::get(object, &name).ok()?));
        Object::keys(object).to_vec().into_iter().filter_map(pair).collect()
    }

    fn parse_time(text: &str) -> Option<u64> {
        let time = Date::parse(text);
        (time > 0.0).then_some(time as u64)
    }
}
