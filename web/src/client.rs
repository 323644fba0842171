//! The calls to the edge, as contract: JSON in and out, a bearer token, errors as problem+json. Decides
//! nothing about trying again.

use crate::answers::{self, Glance, Json};
use crate::error::Failure;
use crate::host::Host;
use crate::xhr::{self, Answer, Body, Request, Sending};
use js_sys::{Array, Date, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wire::{CompleteUpload, CompletedPart, OpenUpload};

/// The edge, on behalf of one upload.
#[derive(Clone)]
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

    /// Looks at a video; `seen` is the tag of the last look.
    pub async fn video(&self, video_id: &str, seen: Option<String>) -> Result<Look, Failure> {
        let unless = seen.map(|tag| ("if-none-match".to_string(), tag));
        let answer = self.call("GET", &["/videos/", video_id], JsValue::UNDEFINED, unless).await?;
        if answer.status == 304 {
            return Ok(Look::Same);
        }
        let whole = parse(&answer)?;
        let glance = answers::glance(&whole).ok_or_else(Failure::bad_answer)?;
        Ok(Look::Video { glance, whole, etag: answer.header("etag") })
    }

    /// Makes a call; answers what isn't an error.
    pub fn call(
        &self,
        method: &'static str,
        path: &[&str],
        body: JsValue,
        header: Option<(String, String)>,
    ) -> Sending {
        let url = [&*self.endpoint, &*path.concat()].concat();
        let host = self.host.clone();
        Box::pin(async move {
            let mut headers: Vec<_> = header.into_iter().collect();
            // Asked for at every call, so that a token which runs out within a long upload is renewed.
            if let Some(token) = host.bearer().await? {
                headers.push(("authorization".into(), ["Bearer ", &token].concat()));
            }
            // Undefined, for no body, is no text.
            let body = JSON::stringify(&body).ok().and_then(|json| json.as_string());
            let body = match &body {
                Some(json) => {
                    headers.push(("content-type".into(), "application/json".into()));
                    Body::Text(json)
                }
                None => Body::None,
            };
            let answer = xhr::send(Request { method, url: &url, headers: &headers, body }, None).await?;
            if answer.is_ok() || answer.status == 304 {
                return Ok(answer);
            }
            let problem = parse(&answer).map(|body| answers::problem(&body)).unwrap_or_default();
            Err(Failure::from_edge(answer.status, problem).after(answer.wish_ms()))
        })
    }
}

/// An answer's JSON; undefined where there is no body.
pub fn parse(answer: &Answer) -> Result<JsValue, Failure> {
    if answer.text.is_empty() {
        return Ok(JsValue::UNDEFINED);
    }
    JSON::parse(&answer.text).map_err(|_| Failure::bad_answer())
}

/// A plain object of those fields that have a value.
pub fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_undefined()) {
        // Can't fail: the object is new.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object.into()
}

/// The body of [`wire::OpenUpload`].
pub fn open_upload(body: &OpenUpload) -> JsValue {
    object(&[
        ("fileName", body.file_name.as_str().into()),
        ("size", (body.size as f64).into()),
        ("contentType", body.content_type.as_str().into()),
        ("lastModified", body.last_modified.map(|ms| ms as f64).into()),
        ("videoId", body.video_id.as_deref().into()),
        ("partSize", body.part_size.map(|bytes| bytes as f64).into()),
    ])
}

/// The body of [`wire::SignParts`].
pub fn sign_parts(part_numbers: &[u32]) -> JsValue {
    let numbers: Array = part_numbers.iter().map(|number| JsValue::from(*number)).collect();
    object(&[("partNumbers", numbers.into())])
}

/// The body of [`wire::CompleteUpload`].
pub fn complete_upload(body: &CompleteUpload) -> JsValue {
    let part = |part: &CompletedPart| {
        object(&[
            ("partNumber", part.part_number.into()),
            ("etag", part.etag.as_str().into()),
            ("checksum", part.checksum.as_deref().into()),
        ])
    };
    let parts: Array = body.parts.iter().map(part).collect();
    object(&[("parts", parts.into()), ("checksum", body.checksum.as_deref().into())])
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
