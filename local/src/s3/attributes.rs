//! Attributes of the object that a request creates, besides its bytes: headers, metadata, tags, storage class,
//! encryption. What can't be kept is refused. Pure.

use super::error::{OperationError, custom_error};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use s3s::dto::{Metadata, ServerSideEncryption, StorageClass, Tag};
use s3s::s3_error;
use std::collections::HashSet;

/// Names and values of user-defined metadata, in bytes, as in S3.
const MAX_METADATA_SIZE: usize = 2048;
const MAX_TAGS: usize = 10;
/// In characters.
const MAX_TAG_KEY_LENGTH: usize = 128;
const MAX_TAG_VALUE_LENGTH: usize = 256;
/// Storage classes whose objects can be read at once. They are kept and returned.
const STORAGE_CLASSES: [&str; 6] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"];

/// Takes the attributes to store out of a request that creates an object.
macro_rules! object_headers {
    ($input:expr) => {
        $crate::s3::metadata::ObjectHeaders {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::s3::attributes::stored_encoding($input.content_encoding.take()),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            metadata: $crate::s3::attributes::checked_metadata($input.metadata.take())?,
            no_checksum: false,
            checksum: None,
            storage_class: $crate::s3::attributes::storage_class($input.storage_class.take())?,
            server_side_encryption: $crate::s3::attributes::encryption($input.server_side_encryption.take())?,
            tags: $crate::s3::attributes::tags_from_header($input.tagging.as_deref().unwrap_or_default())?,
        }
    };
}
pub(super) use object_headers;

/// Removes `aws-chunked` from a `Content-Encoding`: it is an encoding of the transfer, not of the object.
pub fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let stored: Vec<_> = encoding.split(',').filter(|one| one.trim() != "aws-chunked").collect();
    Some(stored.join(",").trim().to_owned()).filter(|stored| !stored.is_empty())
}

/// Fails with `MetadataTooLarge` above [`MAX_METADATA_SIZE`].
pub fn checked_metadata(metadata: Option<Metadata>) -> Result<Option<Metadata>, OperationError> {
    let size: usize = metadata.iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA_SIZE {
        Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size ({size} of {MAX_METADATA_SIZE} bytes)"
        ))?;
    }
    Ok(metadata)
}

/// Returns the storage class; `None` for `STANDARD`. Fails with `NotImplemented` for those that must be restored
/// before they are read, and with `InvalidStorageClass` for unknown ones.
pub fn storage_class(class: Option<StorageClass>) -> Result<Option<String>, OperationError> {
    let Some(class) = class else { return Ok(None) };
    let class = class.as_str();
    if STORAGE_CLASSES.contains(&class) {
        return Ok(Some(class.to_owned()).filter(|class| class != StorageClass::STANDARD));
    }
    if [StorageClass::GLACIER, StorageClass::DEEP_ARCHIVE].contains(&class) {
        Err(s3_error!(NotImplemented, "The storage class {class} isn't supported."))?;
    }
    Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid"))?
}

/// Returns the encryption to answer with. Only `AES256` is accepted, which every object has on AWS and which no
/// client can tell from none.
pub fn encryption(encryption: Option<ServerSideEncryption>) -> Result<Option<String>, OperationError> {
    match encryption.as_ref().map(ServerSideEncryption::as_str) {
        None => Ok(None),
        Some(ServerSideEncryption::AES256) => Ok(Some(ServerSideEncryption::AES256.to_owned())),
        Some(other) => Err(s3_error!(NotImplemented, "Encryption with {other} isn't supported."))?,
    }
}

/// Parses `x-amz-tagging`, which is form-encoded. Fails as [`checked_tags`].
pub fn tags_from_header(header: &str) -> Result<Vec<(String, String)>, OperationError> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().map(String::from).map_err(|_| {
            s3_error!(InvalidArgument, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
        })
    };
    let pairs = header.split('&').filter(|pair| !pair.is_empty());
    let tags = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok::<_, OperationError>((decode(key)?, decode(value)?))
    });
    checked_tags(tags.collect::<Result<_, _>>()?)
}

/// Takes the tags out of `PutObjectTagging`. Fails as [`checked_tags`], or with `MalformedXML`.
pub fn tags_from_dto(tags: Vec<Tag>) -> Result<Vec<(String, String)>, OperationError> {
    let pairs: Option<Vec<_>> = tags.into_iter().map(|tag| Some((tag.key?, tag.value?))).collect();
    checked_tags(pairs.ok_or_else(|| s3_error!(MalformedXML, "A tag lacks its Key or its Value."))?)
}

pub fn tags_to_dto(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

/// Fails with `BadRequest` above [`MAX_TAGS`], and with `InvalidTag` for a key or value that S3 doesn't allow.
fn checked_tags(tags: Vec<(String, String)>) -> Result<Vec<(String, String)>, OperationError> {
    if tags.len() > MAX_TAGS {
        Err(custom_error("BadRequest", StatusCode::BAD_REQUEST, "Object tags cannot be greater than 10"))?;
    }
    let mut keys = HashSet::new();
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > MAX_TAG_KEY_LENGTH {
            Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"))?;
        }
        if value.chars().count() > MAX_TAG_VALUE_LENGTH {
            Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"))?;
        }
        if !keys.insert(key) {
            Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"))?;
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, OperationError>) -> String {
        match result.unwrap_err() {
            OperationError::Refused(error) => error.code().as_str().to_owned(),
            internal => internal.to_string(),
        }
    }

    #[test]
    fn tags_are_form_encoded_and_limited() {
        let tags = tags_from_header("a=1&b+c=%C3%BC&empty=").unwrap();
        let expected = [("a", "1"), ("b c", "ü"), ("empty", "")];
        assert_eq!(tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(code(tags_from_header("a=1&a=2")), "InvalidTag");
        assert_eq!(code(tags_from_header("=1")), "InvalidTag");
        assert_eq!(code(tags_from_header("a=%FF")), "InvalidArgument");
        let eleven: Vec<_> = (0..11).map(|number| format!("{number}=x")).collect();
        assert_eq!(code(tags_from_header(&eleven.join("&"))), "BadRequest");
    }

    #[test]
    fn attribute_that_cannot_be_kept_is_refused() {
        let class = |name: &'static str| storage_class(Some(StorageClass::from_static(name)));
        assert_eq!(class("STANDARD").unwrap(), None);
        assert_eq!(class("STANDARD_IA").unwrap().as_deref(), Some("STANDARD_IA"));
        assert_eq!(code(class("DEEP_ARCHIVE")), "NotImplemented");
        assert_eq!(code(class("WARM")), "InvalidStorageClass");
        let sse = |name: &'static str| encryption(Some(ServerSideEncryption::from_static(name)));
        assert_eq!(sse("AES256").unwrap().as_deref(), Some("AES256"));
        assert_eq!(code(sse("aws:kms")), "NotImplemented");
        let metadata = |size: usize| checked_metadata(Some([("a".to_owned(), "x".repeat(size))].into()));
        assert!(metadata(MAX_METADATA_SIZE - 1).is_ok());
        assert_eq!(code(metadata(MAX_METADATA_SIZE)), "MetadataTooLarge");
    }
}
