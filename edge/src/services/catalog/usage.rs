//! Bytes, minutes and videos of an owner per day (UTC), and their limits. Pure.

use crate::config::DailyLimits;
use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Counted bytes, videos and minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Declared sizes of uploads.
    pub bytes: u64,
    pub videos: u64,
    /// Durations of sources.
    pub duration_ms: u64,
}

impl Usage {
    /// The difference to an earlier usage.
    pub fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            videos: self.videos.saturating_sub(before.videos),
            duration_ms: self.duration_ms.saturating_sub(before.duration_ms),
        }
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            videos: self.videos.saturating_add(other.videos),
            duration_ms: self.duration_ms.saturating_add(other.duration_ms),
        }
    }
}

impl DailyLimits {
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `more` may be added to what was used on this day. What isn't added isn't compared.
    pub fn allow(&self, used: Usage, more: Usage) -> bool {
        let sum = used.plus(more);
        let within =
            |more: u64, sum: u64, limit: Option<u64>| more == 0 || limit.is_none_or(|limit| sum <= limit);
        within(more.bytes, sum.bytes, self.bytes)
            && within(more.videos, sum.videos, self.videos)
            && within(more.duration_ms, sum.duration_ms, self.duration_ms)
    }
}

/// Days since 1970.
pub fn day(now_ms: u64) -> u64 {
    now_ms / DAY_MS
}

/// The end of the day after a day, in seconds since 1970: its usage is no longer needed.
#[cfg(feature = "dynamodb")]
pub fn expires(day: u64) -> u64 {
    (day + 2) * DAY_MS / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_not_set_allow_any_usage() {
        let (used, more) =
            (Usage { videos: 1, bytes: 4, duration_ms: 9 }, Usage { bytes: 6, videos: 1, duration_ms: 0 });
        assert!(DailyLimits::default().is_off() && DailyLimits::default().allow(used, more));
        for (limits, allowed) in [
            (DailyLimits { bytes: Some(10), ..DailyLimits::default() }, true),
            (DailyLimits { bytes: Some(9), ..DailyLimits::default() }, false),
            (DailyLimits { videos: Some(1), ..DailyLimits::default() }, false),
            (DailyLimits { duration_ms: Some(4), ..DailyLimits::default() }, true),
        ] {
            assert_eq!(limits.allow(used, more), allowed, "{limits:?}");
        }
    }
}
