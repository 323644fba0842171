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

    pub async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(self.client.patch(format!("{}{path}", self.base)).body(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.send(self.client.delete(format!("{}{path}", self.base))).await
    }

    /// Opens an upload of `size` bytes; `fields` are the rest of the request.
    pub async fn open_upload(&self, size: usize, fields: &Value) -> Value {
        let mut body = fields.clone();
        body["size"] = size.into();
        let (status, upload) = self.post("/uploads", body.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{upload}");
        upload
    }

    /// Opens an upload of a file with the checksums of its first 100 parts; `fields` are the rest of the request.
    pub async fn open_file(&self, bytes: &[u8], fields: &Value) -> Value {
        let mut body = fields.clone();
        let part_size = fields["partSize"].as_u64().unwrap_or(wire::DEFAULT_PART_SIZE);
        let parts = bytes.chunks(usize::try_from(part_size).unwrap());
        body["checksums"] = parts.take(wire::MAX_PARTS_PER_CALL).map(tests::crc64).collect();
        self.open_upload(bytes.len(), &body).await
    }

    /// Presigns one part for these bytes.
    pub async fn sign_part(&self, upload: &Value, part_number: u32, bytes: &[u8]) -> Value {
        let part = json!({ "partNumber": part_number, "checksum": tests::crc64(bytes) });
        let path = format!("{}/parts", Self::path_of(upload));
        let (status, signed) = self.post(&path, json!({ "parts": [part] }).to_string()).await;
        assert_eq!(status, StatusCode::OK, "{signed}");
        signed["parts"][0].clone()
    }

    /// Sends bytes to a presigned part with its headers; returns the storage's response.
    pub async fn send_part(&self, part: &Value, bytes: &[u8]) -> reqwest::Response {
        let mut request = self.client.put(part["url"].as_str().unwrap()).body(bytes.to_vec());
        for (name, value) in part["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.send().await.unwrap()
    }

    /// Stores a presigned part; returns its ETag.
    pub async fn put_part(&self, part: &Value, bytes: &[u8]) -> String {
        let response = self.send_part(part, bytes).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()["etag"].to_str().unwrap().to_owned()
    }

    /// Opens an upload and stores all parts of a file of at most 100 parts.
    pub async fn store_parts(&self, bytes: &[u8], fields: &Value) -> Value {
        let upload = self.open_file(bytes, fields).await;
        let part_size = usize::try_from(upload["partSize"].as_u64().unwrap()).unwrap();
        let signed = upload["parts"].as_array().unwrap();
        assert_eq!(signed.len() as u64, upload["partCount"].as_u64().unwrap());
        for (part, bytes) in signed.iter().zip(bytes.chunks(part_size)) {
            self.put_part(part, bytes).await;
        }
        upload
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

    /// Uploads a file, from opening to completion.
    pub async fn upload_file(&self, name: &str, bytes: &[u8]) -> Value {
        let upload = self.store_parts(bytes, &json!({ "fileName": name })).await;
        let (status, body) = self.complete(&upload, &json!({ "checksum": tests::crc64(bytes) })).await;
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
