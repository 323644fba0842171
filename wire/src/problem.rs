//! Errors as both ends know them: RFC 9457 `application/problem+json` with a stable code.

use serde::{Deserialize, Serialize};

/// The media type of an error's body.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error's body. `detail` is one sentence for a person; `code` is for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// A URI that names the kind of error: `urn:greloupis:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    pub detail: String,
    pub code: ErrorCode,
    /// Whether the same request can succeed later.
    pub retryable: bool,
}

impl Problem {
    pub fn new(code: ErrorCode, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:greloupis:{}", code.as_str()),
            title: code.title().into(),
            status,
            detail: detail.into(),
            code,
            retryable: code.retryable(),
        }
    }
}

/// Each code with its word on the wire, its title, and whether trying again can help.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident, $word:literal, $title:literal, $retryable:literal;)*) => {
        /// A stable word for each thing that can go wrong. Words are never renamed or reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum ErrorCode { $($(#[$doc])* #[serde(rename = $word)] $name,)* }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The word on the wire.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $word,)* } }
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
    /// A value is out of its range.
    BadRequest, "bad_request", "The request can't be carried out", false;
    /// The body is over the call's limit.
    BodyTooLarge, "body_too_large", "The request's body is too large", false;
    /// A file of no bytes.
    FileEmpty, "file_empty", "The file is empty", false;
    /// Over `MAX_UPLOAD_BYTES` or over S3's object limit.
    FileTooLarge, "file_too_large", "The file is too large", false;
    /// Outside 1–64 of `A-Z a-z 0-9 _ -`.
    BadVideoId, "bad_video_id", "The video id isn't valid", false;
    /// There is an object or an upload of that id already.
    VideoExists, "video_exists", "There is a video of that id already", false;
    /// The owner has `MAX_OPEN_UPLOADS` open already.
    TooManyUploads, "too_many_uploads", "Too many uploads are open", false;
    /// No bearer token, or one that doesn't verify.
    Unauthorized, "unauthorized", "Sign in first", false;
    /// The keys that tokens are verified by can't be had.
    AuthUnavailable, "auth_unavailable", "Sign-ins can't be verified now", true;
    /// The token, upload or video is somebody else's, or the request went around the CDN.
    Forbidden, "forbidden", "This isn't for you", false;
    /// The upload token doesn't verify.
    BadUpload, "bad_upload", "The upload token isn't valid", false;
    /// The upload token's time is over.
    UploadExpired, "upload_expired", "The upload has expired", false;
    /// The upload was aborted, or S3 has removed it.
    UploadGone, "upload_gone", "The upload no longer exists", false;
    /// A part number outside the plan, twice, or too many of them.
    BadPartNumbers, "bad_part_numbers", "The part numbers aren't valid", false;
    /// Parts are missing, or not those that S3 has.
    PartsMismatch, "parts_mismatch", "The parts aren't those that are stored", false;
    /// The stored bytes aren't as many as declared.
    SizeMismatch, "size_mismatch", "The size isn't the declared one", false;
    /// The stored bytes aren't those that were sent.
    ChecksumMismatch, "checksum_mismatch", "The checksum doesn't match", false;
    /// No such video, or not the caller's.
    VideoNotFound, "video_not_found", "There is no such video", false;
    /// No such path.
    NotFound, "not_found", "There is nothing here", false;
    /// The path exists, not for this method.
    MethodNotAllowed, "method_not_allowed", "The method isn't allowed here", false;
    /// S3 or the database asks for less.
    Throttled, "throttled", "Too many requests", true;
    /// S3 can't be reached or answers with an error of its own.
    StorageUnavailable, "storage_unavailable", "The storage can't be reached", true;
    /// MediaConvert can't be reached or answers with an error of its own.
    TranscoderUnavailable, "transcoder_unavailable", "The transcoder can't be reached", true;
    /// MediaConvert refuses the job as it is.
    TranscoderRefused, "transcoder_refused", "The transcoder refuses the job", false;
    /// The database can't be reached.
    CatalogUnavailable, "catalog_unavailable", "The database can't be reached", true;
    /// The site didn't take the news of a video.
    CallbackFailed, "callback_failed", "The callback wasn't taken", true;
    /// Anything that shouldn't be.
    Internal, "internal", "Something went wrong here", true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_are_what_serde_writes() {
        let mut words: Vec<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ErrorCode::ALL.len());
    }
}
