//! Error bodies: RFC 9457 `application/problem+json` with a stable code.

use serde::{Deserialize, Serialize};

/// The media type of an error body.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error body. `detail` is for people, `code` for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// A URI that names the kind of error: `urn:greloupis:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title, see [`ErrorCode::title`].
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// One sentence about this occurrence.
    pub detail: String,
    /// The stable code.
    pub code: ErrorCode,
    /// Whether the same request can succeed later.
    pub retryable: bool,
    /// With `parts_missing`: the parts to send again.
    #[serde(default, rename = "partNumbers", skip_serializing_if = "Vec::is_empty")]
    pub part_numbers: Vec<u32>,
}

impl Problem {
    /// The body for an error of this code, with the HTTP `status` of its response.
    pub fn new(code: ErrorCode, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:greloupis:{}", code.as_str()),
            title: code.title().into(),
            status,
            detail: detail.into(),
            code,
            retryable: code.retryable(),
            part_numbers: Vec::new(),
        }
    }
}

/// Each code with its serialized form, its title, and whether retrying can help.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $title:literal, $retryable:literal;)*) => {
        /// A stable code for each kind of error. Codes are never renamed or reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum ErrorCode { $($(#[$doc])* #[serde(rename = $code)] $name,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The serialized form.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            /// A title for people, the same for each error of this code.
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }
            /// Whether the same request can succeed later.
            pub fn retryable(self) -> bool { match self { $(Self::$name => $retryable,)* } }
        }
    };
}

codes! {
    /// The body isn't the JSON that the call takes.
    BadJson, "bad_json", "The request's body can't be read", false;
    /// A value is outside its range.
    BadRequest, "bad_request", "The request can't be carried out", false;
    /// The body is larger than the call's limit.
    BodyTooLarge, "body_too_large", "The request's body is too large", false;
    /// The file has no bytes.
    FileEmpty, "file_empty", "The file is empty", false;
    /// The file is larger than `MAX_UPLOAD_BYTES` or S3's object limit.
    FileTooLarge, "file_too_large", "The file is too large", false;
    /// The video id isn't 1–64 of `A-Z a-z 0-9 _ -`, or clients may not choose ids.
    BadVideoId, "bad_video_id", "The video id isn't valid", false;
    /// An object or an upload with that id exists.
    VideoExists, "video_exists", "There is a video of that id already", false;
    /// The owner has `MAX_OPEN_UPLOADS` uploads open.
    TooManyUploads, "too_many_uploads", "Too many uploads are open", false;
    /// The owner has used as much as a day allows (`MAX_BYTES_PER_DAY`, `MAX_VIDEOS_PER_DAY`).
    DailyLimitReached, "daily_limit_reached", "Nothing more today", false;
    /// The bearer token is missing or can't be verified.
    Unauthorized, "unauthorized", "Sign in first", false;
    /// The keys that verify bearer tokens can't be fetched.
    AuthUnavailable, "auth_unavailable", "Sign-ins can't be verified now", true;
    /// The upload belongs to another user, or the request didn't come through the CDN.
    Forbidden, "forbidden", "This isn't for you", false;
    /// The upload token is invalid.
    BadUpload, "bad_upload", "The upload token isn't valid", false;
    /// The upload token has expired.
    UploadExpired, "upload_expired", "The upload has expired", false;
    /// The upload was aborted, or S3 has removed it.
    UploadGone, "upload_gone", "The upload no longer exists", false;
    /// Part numbers are outside the plan, repeated, or too many.
    BadPartNumbers, "bad_part_numbers", "The part numbers aren't valid", false;
    /// A part's checksum is missing, or isn't base64 of eight bytes.
    BadChecksum, "bad_checksum", "A checksum isn't valid", false;
    /// Parts aren't stored, or not with the planned size; `partNumbers` has their numbers.
    PartsMissing, "parts_missing", "Parts of the file are missing", false;
    /// The stored size differs from the declared one.
    SizeMismatch, "size_mismatch", "The size isn't the declared one", false;
    /// The stored checksum differs from the declared one.
    ChecksumMismatch, "checksum_mismatch", "The checksum doesn't match", false;
    /// There is no such video, or it belongs to another user.
    VideoNotFound, "video_not_found", "There is no such video", false;
    /// There is no such path.
    NotFound, "not_found", "There is nothing here", false;
    /// The path doesn't support this method.
    MethodNotAllowed, "method_not_allowed", "The method isn't allowed here", false;
    /// S3, MediaConvert or the database throttles, or a concurrent call does the same.
    Throttled, "throttled", "Too many requests", true;
    /// S3 can't be reached or responds with an unexpected error.
    StorageUnavailable, "storage_unavailable", "The storage can't be reached", true;
    /// MediaConvert can't be reached or responds with an unexpected error.
    TranscoderUnavailable, "transcoder_unavailable", "The transcoder can't be reached", true;
    /// MediaConvert refuses the job.
    TranscoderRefused, "transcoder_refused", "The transcoder refuses the job", false;
    /// The database can't be reached.
    CatalogUnavailable, "catalog_unavailable", "The database can't be reached", true;
    /// The site didn't accept a video's announcement.
    CallbackFailed, "callback_failed", "The callback wasn't taken", true;
    /// An unexpected failure.
    Internal, "internal", "Something went wrong here", true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_serialized_as_documented() {
        let mut codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
    }
}
