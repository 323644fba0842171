//! The `ObjectCreated` event notification of S3, and the encoding of keys in it. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// Encodes a key as S3 does in events and in listings of `encoding-type=url`: form-encoded except for slashes.
pub fn form_encode(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string().replace("%20", "+")
}

/// The data of one `ObjectCreated` event.
pub struct CreatedNotification<'a> {
    /// Without the prefix `ObjectCreated:`.
    pub event_name: &'a str,
    /// RFC 3339, in UTC, with milliseconds.
    pub time: &'a str,
    pub region: &'a str,
    pub principal: &'a str,
    pub request_id: &'a str,
    pub bucket: &'a str,
    pub key: &'a str,
    /// In bytes.
    pub size: u64,
    pub etag: &'a str,
    /// Increases with each object.
    pub sequence: i64,
}

impl CreatedNotification<'_> {
    /// Returns the message that S3 sends, with one record.
    pub fn to_json(&self) -> Value {
        json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self.region,
            "eventTime": self.time,
            "eventName": format!("ObjectCreated:{}", self.event_name),
            "userIdentity": { "principalId": format!("AWS:{}", self.principal) },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": self.request_id, "x-amz-id-2": self.request_id },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "uploads",
                "bucket": {
                    "name": self.bucket,
                    "ownerIdentity": { "principalId": self.principal },
                    "arn": format!("arn:aws:s3:::{}", self.bucket),
                },
                "object": {
                    "key": form_encode(self.key),
                    "size": self.size,
                    "eTag": self.etag,
                    // Fixed length, so that text order is numeric order.
                    "sequencer": format!("{:016X}", self.sequence),
                },
            },
        }]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_in_event_is_form_encoded() {
        assert_eq!(form_encode("inputs/red flower.jpg"), "inputs/red+flower.jpg");
        assert_eq!(form_encode("a+b%2F#\"ü🎬"), "a%2Bb%252F%23%22%C3%BC%F0%9F%8E%AC");
    }
}
