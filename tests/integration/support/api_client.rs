//! A client of the edge's HTTP API, and of the URLs it signs.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

pub struct ApiClient {
    base: String,
    client: Client,
    token: Option<String>,
}

/// A bearer token for `sub`, valid for a minute.
pub fn token(secret: &str, sub: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let claims = json!({ "sub": sub, "exp": now.as_secs() + 60 });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

impl ApiClient {
    /// `page_url` without `/api`.
    pub fn new(page_url: &str) -> Self {
        Self { base: format!("{page_url}/api"), client: Client::new(), token: None }
    }

    pub fn with_token(self, token: String) -> Self {
        Self { token: Some(token), ..self }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    pub async fn post(&self, path: &str, body: String) -> (StatusCode, Value) {
        self.send(self.client.post(format!("{}{path}", self.base)).body(body)).await
    }

    /// Opens an upload of `size` bytes; `fields` are the rest of the request.
    pub async fn open_upload(&self, size: usize, fields: &Value) -> Value {
        let mut body = fields.clone();
        body["size"] = size.into();
        let (status, upload) = self.post("/uploads", body.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{upload}");
        upload
    }

    /// Sends the bytes of one signed part; returns its entry for the completion.
    pub async fn put_part(&self, part: &Value, bytes: &[u8]) -> Value {
        let request = self.client.put(part["url"].as_str().unwrap()).body(bytes.to_vec());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-amz-checksum-crc64nvme"], tests::crc64(bytes));
        json!({ "partNumber": part["partNumber"], "etag": response.headers()["etag"].to_str().unwrap() })
    }

    /// Path of an upload, as `/uploads/…`.
    pub fn path_of(upload: &Value) -> String {
        format!("/uploads/{}", upload["upload"].as_str().unwrap())
    }

    pub async fn complete(&self, upload: &Value, request: &Value) -> (StatusCode, Value) {
        let path = format!("{}/complete", Self::path_of(upload));
        self.post(&path, request.to_string()).await
    }

    pub async fn abort(&self, upload: &Value) -> StatusCode {
        let url = format!("{}{}", self.base, Self::path_of(upload));
        self.send(self.client.delete(url)).await.0
    }

    /// Uploads a file of one part, from opening to completion.
    pub async fn upload_file(&self, name: &str, bytes: &[u8]) -> Value {
        let upload = self.open_upload(bytes.len(), &json!({ "fileName": name })).await;
        let part = self.put_part(&upload["parts"][0], bytes).await;
        let (status, body) = self.complete(&upload, &json!({ "parts": [part] })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        upload
    }

    /// Polls a video until its status is final.
    pub async fn wait_for_final_status(&self, video_id: &str) -> Value {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(120);
        loop {
            let (_, video) = self.get(&format!("/videos/{video_id}")).await;
            if ["ready", "failed", "canceled"].iter().any(|status| video["status"] == *status) {
                return video;
            }
            assert!(tokio::time::Instant::now() < deadline, "not final: {video}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

/// Checks an error response: its code, and the form of a problem document.
pub fn assert_problem((status, body): (StatusCode, Value), code: &str) {
    assert_eq!(body["code"], code, "{status} {body}");
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["type"], format!("urn:greloupis:{code}"));
    assert!(body["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{body}");
}
