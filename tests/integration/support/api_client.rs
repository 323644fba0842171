//! A caller of the edge's HTTP API.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

pub struct Api {
    base: String,
    client: Client,
    token: Option<String>,
}

/// A bearer token for `sub`, good for a minute.
pub fn token(secret: &str, sub: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let claims = json!({ "sub": sub, "exp": now.as_secs() + 60 });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

impl Api {
    pub fn new(page: &str) -> Self {
        Self { base: format!("{page}/api"), client: Client::new(), token: None }
    }

    pub fn with(self, token: String) -> Self {
        Self { token: Some(token), ..self }
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(self.client.get(format!("{}{path}", self.base))).await
    }

    pub async fn post(&self, path: &str, body: String) -> (StatusCode, Value) {
        self.call(self.client.post(format!("{}{path}", self.base)).body(body)).await
    }

    /// Opens an upload of `size` bytes.
    pub async fn open(&self, size: usize, with: &Value) -> Value {
        let mut body = with.clone();
        body["size"] = size.into();
        let (status, upload) = self.post("/uploads", body.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{upload}");
        upload
    }

    /// Sends the bytes of one signed part and hands back what completion wants of it.
    pub async fn put(&self, part: &Value, bytes: &[u8]) -> Value {
        let request = self.client.put(part["url"].as_str().unwrap()).body(bytes.to_vec());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["x-amz-checksum-crc64nvme"], tests::crc64(bytes));
        json!({ "partNumber": part["partNumber"], "etag": answer.headers()["etag"].to_str().unwrap() })
    }

    pub async fn complete(&self, upload: &Value, list: &Value) -> (StatusCode, Value) {
        let path = format!("/uploads/{}/complete", upload["upload"].as_str().unwrap());
        self.post(&path, list.to_string()).await
    }

    pub async fn delete(&self, upload: &Value) -> StatusCode {
        let url = format!("{}/uploads/{}", self.base, upload["upload"].as_str().unwrap());
        self.call(self.client.delete(url)).await.0
    }

    /// A small file, from opening to completion.
    pub async fn send_file(&self, name: &str, bytes: &[u8]) -> Value {
        let upload = self.open(bytes.len(), &json!({ "fileName": name })).await;
        let part = self.put(&upload["parts"][0], bytes).await;
        let (status, body) = self.complete(&upload, &json!({ "parts": [part] })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        upload
    }

    /// Waits until nothing more will happen to a video.
    pub async fn until_final(&self, video_id: &str) -> Value {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(120);
        loop {
            let (_, video) = self.get(&format!("/videos/{video_id}")).await;
            if ["ready", "failed", "canceled"].iter().any(|status| video["status"] == *status) {
                return video;
            }
            assert!(tokio::time::Instant::now() < deadline, "still not final: {video}");
            // The API has no push; a person's page asks again, too.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}
