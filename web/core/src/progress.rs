//! The progress of an upload: bytes sent, speed, time left.

use std::collections::VecDeque;

/// The speed is averaged over this much of the past, in milliseconds.
const SPEED_WINDOW_MS: u64 = 5_000;
/// Minimum interval between two reports, in milliseconds: people can't read faster.
const REPORT_INTERVAL_MS: u64 = 100;

/// Counts the bytes of one upload. What it reports as sent never decreases.
#[derive(Debug, Default)]
pub struct Progress {
    total: u64,
    /// Bytes handed to the network, by part number.
    parts: Vec<u64>,
    /// Their sum; unlike `sent`, it decreases when a part has to be uploaded again.
    current: u64,
    sent: u64,
    /// Time in milliseconds and bytes of earlier reports, the oldest first.
    reports: VecDeque<(u64, u64)>,
}

/// An upload's progress at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProgressReport {
    /// Bytes handed to the network, at most `total`.
    pub sent: u64,
    /// The file's size in bytes.
    pub total: u64,
    /// Average over the last five seconds.
    pub bytes_per_second: f64,
    /// Estimated time left in seconds; `None` while there is no progress.
    pub eta_seconds: Option<f64>,
}

impl Progress {
    /// The progress of a file of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// Sets how many bytes of a part were handed to the network.
    pub fn set_part(&mut self, part: u32, bytes: u64) {
        let index = part as usize;
        if self.parts.len() <= index {
            self.parts.resize(index + 1, 0);
        }
        if let Some(before) = self.parts.get_mut(index) {
            self.current = self.current - *before + bytes;
            *before = bytes;
        }
    }

    /// A part has to be uploaded again.
    pub fn reset_part(&mut self, part: u32) {
        self.set_part(part, 0);
    }

    /// Every byte is stored.
    pub fn complete(&mut self) {
        self.current = self.total;
    }

    /// Everything has to be uploaded again.
    pub fn reset(&mut self) {
        self.parts.clear();
        self.current = 0;
    }

    /// A report, if one is due at `now_ms`: every 100 ms, and when everything is sent.
    pub fn report(&mut self, now_ms: u64) -> Option<ProgressReport> {
        let last = self.reports.back().copied();
        let is_final = self.current >= self.total && last.is_some_and(|(_, sent)| sent < self.total);
        if last.is_some_and(|(last_ms, _)| now_ms < last_ms + REPORT_INTERVAL_MS) && !is_final {
            return None;
        }
        self.sent = self.sent.max(self.current).min(self.total);
        self.reports.push_back((now_ms, self.sent));
        while self.reports.len() > 2
            && self.reports.front().is_some_and(|(first_ms, _)| first_ms + SPEED_WINDOW_MS < now_ms)
        {
            self.reports.pop_front();
        }
        let (since_ms, before) = self.reports.front().copied().unwrap_or((now_ms, self.sent));
        let seconds = now_ms.saturating_sub(since_ms) as f64 / 1_000.0;
        let speed = if seconds > 0.0 { (self.sent - before) as f64 / seconds } else { 0.0 };
        let left = (self.total - self.sent) as f64;
        let eta_seconds = match left {
            0.0 => Some(0.0),
            left => (speed > 0.0).then(|| left / speed),
        };
        Some(ProgressReport { sent: self.sent, total: self.total, bytes_per_second: speed, eta_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn report_has_speed_and_time_left() {
        let mut progress = Progress::new(1_000);
        assert_eq!(progress.report(0).unwrap().eta_seconds, None);
        progress.set_part(1, 100);
        assert_eq!(progress.report(99), None);
        assert_eq!(
            progress.report(1_000).unwrap(),
            ProgressReport { sent: 100, total: 1_000, bytes_per_second: 100.0, eta_seconds: Some(9.0) }
        );
    }

    #[test]
    fn final_report_is_never_held_back() {
        let mut progress = Progress::new(10);
        progress.report(0);
        progress.set_part(1, 10);
        assert_eq!(progress.report(1).unwrap().sent, 10);
        assert_eq!(progress.report(2), None);
    }

    #[test]
    fn slow_start_leaves_the_average_after_five_seconds() {
        let mut progress = Progress::new(1 << 40);
        for second in 0..=20 {
            progress.set_part(1, second * if second < 10 { 0 } else { 1_000 });
            progress.report(second * 1_000);
        }
        progress.set_part(1, 21_000);
        let report = progress.report(21_000).unwrap();
        assert_eq!(report.bytes_per_second, 1_000.0);
    }

    proptest! {
        #[test]
        fn sent_bytes_never_decrease_nor_exceed_the_total(
            steps in proptest::collection::vec((0..4u8, 1..5u32, 0..40u64), 0..60),
        ) {
            let mut progress = Progress::new(100);
            let mut before = 0;
            for (time, (action, part, bytes)) in steps.into_iter().enumerate() {
                match action {
                    0 => progress.reset_part(part),
                    _ => progress.set_part(part, bytes),
                }
                if let Some(report) = progress.report(time as u64 * 60) {
                    prop_assert!(report.sent >= before && report.sent <= 100);
                    before = report.sent;
                }
            }
        }
    }
}
