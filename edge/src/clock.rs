//! Time: the system clock, and RFC 3339.

use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns the time in milliseconds since 1970; tests replace it.
pub type Clock = fn() -> u64;

/// The system's time in milliseconds since 1970; 0 if it is set to an earlier time.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC of a time in milliseconds since 1970; empty after the year 9999.
pub fn rfc3339(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_formatted_as_rfc_3339() {
        assert_eq!(rfc3339(1_000), "1970-01-01T00:00:01Z");
        assert_eq!(rfc3339(1_795_460_000_250), "2026-11-23T18:53:20.25Z");
        assert_eq!(rfc3339(u64::MAX), "");
    }
}
