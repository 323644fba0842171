//! The time, and how it is written.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC, for times in milliseconds since 1970.
pub fn rfc3339(ms: u64) -> String {
    let time = DateTime::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    time.fmt(Format::DateTime).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(super::rfc3339(1_000), "1970-01-01T00:00:01Z");
        assert_eq!(super::rfc3339(1_795_460_000_250), "2026-11-23T18:53:20.25Z");
    }
}
