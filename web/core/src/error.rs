//! Upload errors: a kind for the retry logic, a stable code for programs and a sentence for people. A URL, a
//! token or a header must never enter a message.

use std::borrow::Cow;

/// The class of an error; the retry logic depends on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No response: offline, connection reset, or a response that CORS hides.
    Network,
    /// No progress for longer than the timeout.
    Stalled,
    /// The server asks for fewer requests.
    Throttled,
    /// A server error that may pass.
    Server,
    /// A signature or token has expired; a new one may help.
    Expired,
    /// The signer's clock and the storage's differ; a new signature may help.
    ClockSkew,
    /// The storage has other bytes than the file.
    ChecksumMismatch,
    /// The storage is full; that may pass.
    StorageFull,
    /// The file has changed since it was picked.
    FileChanged,
    /// The file can't be read; later it may be.
    FileUnreadable,
    /// Something between the page and the server refuses the request.
    Blocked,
    /// The response isn't the server's: HTML, for instance, or other JSON.
    Unreadable,
    /// The upload no longer exists on the server.
    UploadGone,
    /// A retry would change nothing.
    Permanent,
}

/// An upload error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct UploadError {
    /// The class; the retry logic depends on nothing else.
    pub kind: ErrorKind,
    /// An [`ErrorCode`](wire::ErrorCode) as text, or one of [`codes`].
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: Cow<'static, str>,
    /// The server's `Retry-After`, in milliseconds; 0 if it sent none.
    pub retry_after_ms: u32,
}

/// Codes of errors that arise in the browser; the edge's are in [`wire::ErrorCode`].
#[allow(missing_docs, reason = "the sentences beside their uses describe them")]
pub mod codes {
    pub const CANCELED: &str = "canceled";
    pub const NETWORK: &str = "network";
    pub const STALLED: &str = "stalled";
    pub const FILE_UNREADABLE: &str = "file_unreadable";
    pub const FILE_CHANGED: &str = "file_changed";
    pub const NOT_A_VIDEO: &str = "not_a_video";
    pub const NOT_CAPTIONS: &str = "not_captions";
    pub const CLOCKS_DIFFER: &str = "clocks_differ";
    pub const NO_SPACE: &str = "no_space";
    pub const STORAGE_REFUSED: &str = "storage_refused";
    pub const BLOCKED: &str = "blocked";
    pub const BAD_ANSWER: &str = "bad_answer";
    pub const TOKEN_UNAVAILABLE: &str = "token_unavailable";
    pub const CONVERSION_FAILED: &str = "conversion_failed";
    pub const CONVERSION_CANCELED: &str = "conversion_canceled";
    pub const CHECKSUM_MISMATCH: &str = "checksum_mismatch";
    pub const SIZE_MISMATCH: &str = "size_mismatch";
    pub const STORAGE_UNAVAILABLE: &str = "storage_unavailable";
    pub const STORAGE_UNREACHABLE: &str = "storage_unreachable";
    pub const THROTTLED: &str = "throttled";
    pub const UNAVAILABLE: &str = "unavailable";
    pub const UPLOAD_GONE: &str = "upload_gone";
    pub const PARTS_MISSING: &str = "parts_missing";
}

impl UploadError {
    /// An error of any kind, with the server's code and sentence or with ours.
    pub fn new(
        kind: ErrorKind,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, code: code.into(), message: message.into(), retry_after_ms: 0 }
    }

    /// An error that a retry can't change.
    pub fn permanent(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Permanent, code, message)
    }

    /// The page canceled the upload.
    pub fn canceled() -> Self {
        Self::permanent(codes::CANCELED, "The upload was canceled.")
    }

    /// `server`, a URL or an origin, has given no response that a script may read.
    pub fn network(server: &str) -> Self {
        Self::new(ErrorKind::Network, codes::NETWORK, no_answer(server))
    }

    /// No part has ever got an answer from the storage, although the edge answers.
    pub fn storage_unreachable(origin: &str) -> Self {
        Self::new(ErrorKind::Network, codes::STORAGE_UNREACHABLE, no_answer(origin))
    }

    /// No progress for longer than the timeout; the connection may be dead without an error.
    pub fn stalled() -> Self {
        Self::new(ErrorKind::Stalled, codes::STALLED, "The connection has stalled.")
    }

    /// The upload is neither open nor completed.
    pub fn upload_gone() -> Self {
        Self::new(ErrorKind::UploadGone, codes::UPLOAD_GONE, "The upload no longer exists.")
    }

    /// The file was written to during the upload.
    pub fn file_changed() -> Self {
        let message = "The file has changed while it was being sent.";
        Self::new(ErrorKind::FileChanged, codes::FILE_CHANGED, message)
    }

    /// The file can't be read.
    pub fn file_unreadable() -> Self {
        let message = "The file can't be read; it may have been changed, moved or removed.";
        Self::new(ErrorKind::FileUnreadable, codes::FILE_UNREADABLE, message)
    }

    /// The container probe found no known kind of video.
    pub fn not_a_video() -> Self {
        Self::permanent(codes::NOT_A_VIDEO, "The file isn't a video of a known kind.")
    }

    /// A file named as captions has neither WebVTT's signature nor a cue of SubRip.
    pub fn not_captions() -> Self {
        Self::permanent(codes::NOT_CAPTIONS, "The file isn't captions in WebVTT or SubRip.")
    }

    /// The page's `token` function failed. It may succeed next time.
    pub fn token_unavailable() -> Self {
        let message = "The page's `token` function failed to give a token.";
        Self::new(ErrorKind::Expired, codes::TOKEN_UNAVAILABLE, message)
    }

    /// The response can't be read. The next one may.
    pub fn bad_answer() -> Self {
        Self::new(ErrorKind::Unreadable, codes::BAD_ANSWER, "The server's answer can't be read.")
    }

    /// The same, with `response` to tell which it is: status, media type and URL.
    pub fn bad_answer_from(response: &str) -> Self {
        let message = format!("The answer isn't that of the upload's server: {response}.");
        Self { message: message.into(), ..Self::bad_answer() }
    }

    /// The stored bytes have another checksum than the file's.
    pub fn checksum_mismatch() -> Self {
        let message = "The stored bytes aren't those of the file.";
        Self::new(ErrorKind::ChecksumMismatch, codes::CHECKSUM_MISMATCH, message)
    }

    /// A proxy, a firewall or a captive portal has answered in place of the server, or another server: `response` is
    /// its status, with media type and URL where they are known.
    pub fn blocked(response: &str) -> Self {
        let message = format!(
            "The request is refused by something other than the upload's server, perhaps a firewall: {response}."
        );
        Self::new(ErrorKind::Blocked, codes::BLOCKED, message)
    }

    /// The storage lacks parts that it has accepted.
    pub fn parts_missing() -> Self {
        let message = "The storage has lost parts of the file.";
        Self::new(ErrorKind::ChecksumMismatch, codes::PARTS_MISSING, message)
    }

    /// The storage fails, or can't be reached, for now.
    pub fn storage_unavailable() -> Self {
        Self::new(ErrorKind::Server, codes::STORAGE_UNAVAILABLE, "The storage has a passing failure.")
    }

    /// The same error with the server's `Retry-After`, in milliseconds.
    pub fn with_retry_after(mut self, retry_after_ms: u32) -> Self {
        self.retry_after_ms = retry_after_ms;
        self
    }

    /// Any error of that kind.
    #[cfg(test)]
    pub(crate) fn of_kind(kind: ErrorKind) -> Self {
        Self::new(kind, codes::STORAGE_UNAVAILABLE, "")
    }
}

fn no_answer(server: &str) -> String {
    format!(
        "There is no answer from {server}: the connection fails, or the server's CORS rules don't allow this page's \
         origin."
    )
}
