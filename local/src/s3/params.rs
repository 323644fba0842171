//! Request parameters that several S3 operations share: page sizes, body sizes, key encoding.

use super::error::OperationError;
use super::notification::form_encode;
use http::HeaderMap;
use s3s::dto::{EncodingType, StreamingBlob};
use s3s::s3_error;
use wire::MAX_PART_SIZE;

/// Entries in one page of a listing, as in S3.
const MAX_PAGE_SIZE: u32 = 1000;

/// Returns the number of entries in a page: `requested`, or [`MAX_PAGE_SIZE`] if that is less or nothing is
/// requested. Fails with `InvalidArgument` below 0.
pub fn page_size(requested: Option<i32>, name: &str) -> Result<u32, OperationError> {
    match requested.map(u32::try_from) {
        None => Ok(MAX_PAGE_SIZE),
        Some(Ok(requested)) => Ok(requested.min(MAX_PAGE_SIZE)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "{name} must not be below 0."))?,
    }
}

/// Returns the size of an object's or a part's body, in bytes, from `Content-Length`, or from
/// `x-amz-decoded-content-length` for a body in chunks. S3 accepts at most 5 GiB in one request. Fails with
/// `MissingContentLength` or `EntityTooLarge`.
pub fn body_size(content_length: Option<i64>, headers: &HeaderMap) -> Result<u64, OperationError> {
    let decoded = || headers.get("x-amz-decoded-content-length")?.to_str().ok()?.parse().ok();
    let Some(size) = content_length.and_then(|size| u64::try_from(size).ok()).or_else(decoded) else {
        Err(s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."))?
    };
    if size > MAX_PART_SIZE {
        Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"))?;
    }
    Ok(size)
}

pub fn empty_body() -> StreamingBlob {
    s3s::Body::empty().into()
}

/// The encoding of keys in a listing: plain, or form-encoded, because XML can't represent every character.
pub struct KeyEncoding {
    form_encoded: bool,
}

impl KeyEncoding {
    /// Reads `encoding-type`. Fails with `InvalidArgument` if it is not `url`.
    pub fn new(encoding: Option<EncodingType>) -> Result<Self, OperationError> {
        match encoding.as_ref().map(EncodingType::as_str) {
            None => Ok(Self { form_encoded: false }),
            Some(EncodingType::URL) => Ok(Self { form_encoded: true }),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"))?,
        }
    }

    pub fn encode(&self, key: &str) -> String {
        if self.form_encoded { form_encode(key) } else { key.to_owned() }
    }

    /// Returns the `encoding-type` of the response.
    pub fn encoding_type(&self) -> Option<EncodingType> {
        self.form_encoded.then(|| EncodingType::from_static(EncodingType::URL))
    }
}
