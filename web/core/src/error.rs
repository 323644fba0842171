//! What can go wrong, told apart once: a kind that retrying looks at, a stable code for programs and a
//! sentence for people. Pure. A URL, a token or a header never enters a sentence.

use std::borrow::Cow;

/// What retrying looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No answer: offline, reset, or an answer that CORS hides.
    Network,
    /// Silent for too long.
    Stalled,
    /// Asked to slow down.
    Throttled,
    /// A failure on the other side that may pass.
    Server,
    /// A signature or token has run out; a fresh one may do.
    Expired,
    /// The signer's clock and the storage's differ; a fresh signature may do.
    Clock,
    /// Other bytes arrived than were sent.
    Damaged,
    /// The other side has no room left; that may change.
    NoSpace,
    /// The file isn't the one it was.
    Changed,
    /// The upload no longer exists on the other side.
    Gone,
    /// Trying again would change nothing.
    Final,
}

/// One thing that went wrong. Boxed, as it is handed on by everything that can fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<Details>);

impl std::ops::Deref for Failure {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

/// What there is to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    pub kind: Kind,
    /// An [`ErrorCode`](wire::ErrorCode)'s word, or one of [`codes`].
    pub code: Cow<'static, str>,
    pub sentence: Cow<'static, str>,
    /// How long the other side asks to be left alone, in milliseconds.
    pub wish_ms: u32,
}

/// Codes that only this side knows; the edge's are in [`wire::ErrorCode`].
pub mod codes {
    pub const CANCELED: &str = "canceled";
    pub const NETWORK: &str = "network";
    pub const STALLED: &str = "stalled";
    pub const FILE_UNREADABLE: &str = "file_unreadable";
    pub const FILE_CHANGED: &str = "file_changed";
    pub const NOT_A_VIDEO: &str = "not_a_video";
    pub const CLOCKS_DIFFER: &str = "clocks_differ";
    pub const NO_SPACE: &str = "no_space";
    pub const STORAGE_REFUSED: &str = "storage_refused";
    pub const BAD_ANSWER: &str = "bad_answer";
    pub const TOKEN_UNAVAILABLE: &str = "token_unavailable";
    pub const CONVERSION_FAILED: &str = "conversion_failed";
    pub const CONVERSION_CANCELED: &str = "conversion_canceled";
    pub const CHECKSUM_MISMATCH: &str = "checksum_mismatch";
    pub const SIZE_MISMATCH: &str = "size_mismatch";
    pub const STORAGE_UNAVAILABLE: &str = "storage_unavailable";
    pub const THROTTLED: &str = "throttled";
    pub const UNAVAILABLE: &str = "unavailable";
    pub const UPLOAD_GONE: &str = "upload_gone";
    pub const PARTS_MISMATCH: &str = "parts_mismatch";
    pub const REFUSED: &str = "refused";
    pub const INTERNAL: &str = "internal";
}

impl Failure {
    /// One that no further try would mend.
    pub fn last(code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Final, code, sentence)
    }

    pub fn canceled() -> Self {
        Self::last(codes::CANCELED, "The upload was canceled.")
    }

    /// There was no answer that a script may see.
    pub fn network() -> Self {
        Self::new(Kind::Network, codes::NETWORK, "The connection failed, or the server's CORS rules hide it.")
    }

    /// Nothing has moved for too long; the connection may be dead without knowing it.
    pub fn stalled() -> Self {
        Self::new(Kind::Stalled, codes::STALLED, "The connection has stalled.")
    }

    /// The upload is no more, neither open nor completed.
    pub fn gone() -> Self {
        Self::new(Kind::Gone, codes::UPLOAD_GONE, "The upload no longer exists.")
    }

    /// The file was written to while it was sent.
    pub fn changed() -> Self {
        Self::new(Kind::Changed, codes::FILE_CHANGED, "The file has changed while it was being sent.")
    }

    /// The look into the container found none that is known.
    pub fn not_a_video() -> Self {
        Self::last(codes::NOT_A_VIDEO, "The file isn't a video of a known kind.")
    }

    /// The page gave no token. It may next time: its own sign-in can have a bad moment.
    pub fn no_token() -> Self {
        let sentence = "The page's `token` function failed to give a token.";
        Self::new(Kind::Expired, codes::TOKEN_UNAVAILABLE, sentence)
    }

    /// An answer that makes no sense; the next may.
    pub fn bad_answer() -> Self {
        Self::new(Kind::Server, codes::BAD_ANSWER, "The server's answer can't be read.")
    }

    /// The stored bytes have another checksum than the file's.
    pub fn damaged() -> Self {
        Self::new(Kind::Damaged, codes::CHECKSUM_MISMATCH, "The stored bytes aren't those of the file.")
    }

    /// Nothing is under way and nothing has ended: a fault of this program.
    pub fn stuck() -> Self {
        Self::last(codes::INTERNAL, "The uploader has stopped by a fault of its own.")
    }

    pub fn unreadable() -> Self {
        Self::last(
            codes::FILE_UNREADABLE,
            "The file can't be read; it may have been changed, moved or removed.",
        )
    }

    /// The storage can't be reached or fails in passing.
    pub fn storage_unavailable() -> Self {
        Self::new(Kind::Server, codes::STORAGE_UNAVAILABLE, "The storage has a passing failure.")
    }

    /// The same, with a wait that the other side asked for, in milliseconds.
    pub fn after(mut self, wish_ms: u32) -> Self {
        self.0.wish_ms = wish_ms;
        self
    }

    /// Any one of that kind.
    #[cfg(test)]
    pub(crate) fn of_kind(kind: Kind) -> Self {
        Self::new(kind, codes::STORAGE_UNAVAILABLE, "")
    }

    /// With the other side's code and sentence, or ones of ours.
    pub fn new(
        kind: Kind,
        code: impl Into<Cow<'static, str>>,
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Details { kind, code: code.into(), sentence: sentence.into(), wish_ms: 0 }))
    }
}
