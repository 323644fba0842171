//! The notification that S3 sends of an object, and the way it writes keys in it. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// A key as S3 writes it in events and in listings of `encoding-type=url`: form-encoded, slashes left.
pub fn form_encoded(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string().replace("%20", "+")
}

/// What there is to tell of an object that was created.
pub struct Created<'a> {
    /// Without the prefix `ObjectCreated:`.
    pub how: &'a str,
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
    /// Grows with each object.
    pub sequence: i64,
}

impl Created<'_> {
    /// The notification, with its one record.
    pub fn notification(&self) -> Value {
        json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self.region,
            "eventTime": self.time,
            "eventName": format!("ObjectCreated:{}", self.how),
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
                    "key": form_encoded(self.key),
                    "size": self.size,
                    "eTag": self.etag,
                    // Of one length, so that comparing as text is comparing as numbers.
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
    fn keys_are_form_encoded() {
        assert_eq!(form_encoded("inputs/red flower.jpg"), "inputs/red+flower.jpg");
        assert_eq!(form_encoded("a+b%2F#\"ü🎬"), "a%2Bb%252F%23%22%C3%BC%F0%9F%8E%AC");
    }
}
