//! Reads and writes small objects.

use super::{LIST_OBJECTS, ListedObject, Store, StoreError, classify, etag_or_empty};
use aws_sdk_s3::error::ProvideErrorMetadata;

/// The content of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectContent {
    pub bytes: Vec<u8>,
    /// Without its quotes.
    pub etag: String,
    /// Whether the object is larger than was to be read.
    pub is_truncated: bool,
}

impl Store {
    /// At most the first `max_size` bytes of an object. `None`: there is no such object.
    pub async fn read_object(
        &self,
        bucket: &str,
        key: &str,
        max_size: usize,
    ) -> Result<Option<ObjectContent>, StoreError> {
        const OPERATION: &str = "GetObject";
        let range = format!("bytes=0-{}", max_size.saturating_sub(1));
        let object = match self.client.get_object().bucket(bucket).key(key).range(range).send().await {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            // An empty object has no range.
            Err(error) if error.code() == Some("InvalidRange") => {
                return Ok(Some(ObjectContent {
                    bytes: Vec::new(),
                    etag: String::new(),
                    is_truncated: false,
                }));
            }
            Err(error) => return Err(classify(OPERATION)(error)),
        };
        // `bytes 0-99/1234`
        let total = object.content_range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let etag = etag_or_empty(object.e_tag);
        let body = object.body.collect().await;
        let bytes = body.map_err(|error| super::unavailable(OPERATION, &error.to_string()))?.to_vec();
        let is_truncated = total.is_some_and(|total: usize| total > bytes.len());
        Ok(Some(ObjectContent { bytes, etag, is_truncated }))
    }

    /// Stores an object. With `if_match` only in place of the one with this ETag; [`StoreError::Conflict`] if that was
    /// replaced or deleted.
    pub async fn write_object(
        &self,
        bucket: &str,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        if_match: Option<&str>,
    ) -> Result<(), StoreError> {
        let request = self.client.put_object().bucket(bucket).key(key).content_type(content_type);
        let request = request.set_if_match(if_match.map(|etag| format!("\"{etag}\"")));
        match request.body(bytes.into()).send().await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some("PreconditionFailed" | "NoSuchKey")) => {
                Err(StoreError::Conflict)
            }
            Err(error) => Err(classify("PutObject")(error)),
        }
    }

    /// All objects in `bucket` with this prefix.
    pub async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<ListedObject>, StoreError> {
        let mut pages = self.client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(classify(LIST_OBJECTS))?.contents.unwrap_or_default();
            objects.extend(page.into_iter().filter_map(ListedObject::new));
        }
        Ok(objects)
    }
}
