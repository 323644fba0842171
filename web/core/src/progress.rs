//! What has been sent, how fast, how much longer. Pure: times are handed in.

/// Speed is told over this much of the past, in milliseconds.
const SPAN_MS: u64 = 5_000;
/// Reports come no oftener than this, in milliseconds: nobody reads faster.
const EVERY_MS: u64 = 100;

/// Counts the bytes of one upload; what it reports as sent never goes back.
#[derive(Debug, Default)]
pub struct Progress {
    total: u64,
    /// Bytes handed to the network, by part number.
    parts: Vec<u64>,
    /// Their sum, which goes back where a part is lost; `sent` doesn't.
    moved: u64,
    sent: u64,
    /// Time and bytes of past reports, the oldest first.
    past: Vec<(u64, u64)>,
}

/// One look at an upload's progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Bytes, at most `total`.
    pub sent: u64,
    pub total: u64,
    pub bytes_per_second: f64,
    /// Seconds; absent while nothing moves.
    pub eta_seconds: Option<f64>,
}

impl Progress {
    /// Of a file of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// Part `part` has handed `bytes` bytes to the network so far.
    pub fn moved(&mut self, part: u32, bytes: u64) {
        let place = part as usize;
        if self.parts.len() <= place {
            self.parts.resize(place + 1, 0);
        }
        if let Some(known) = self.parts.get_mut(place) {
            self.moved = self.moved - *known + bytes;
            *known = bytes;
        }
    }

    /// Part `part` has to be sent again.
    pub fn lost(&mut self, part: u32) {
        self.moved(part, 0);
    }

    /// All is where it should be.
    pub fn moved_all(&mut self) {
        self.moved = self.total;
    }

    /// Everything has to be sent again.
    pub fn start_over(&mut self) {
        self.parts.clear();
        self.moved = 0;
    }

    /// A report, if one is due at `now`, in milliseconds. The last one, of everything sent, always is.
    pub fn report(&mut self, now: u64) -> Option<Report> {
        let last = self.past.last().copied();
        let ended = self.moved >= self.total && last.is_some_and(|(_, sent)| sent < self.total);
        if last.is_some_and(|(then, _)| now < then + EVERY_MS) && !ended {
            return None;
        }
        self.sent = self.sent.max(self.moved).min(self.total);
        self.past.push((now, self.sent));
        while self.past.len() > 2 && self.past.first().is_some_and(|(then, _)| then + SPAN_MS < now) {
            self.past.remove(0);
        }
        let (since, before) = self.past.first().copied().unwrap_or((now, self.sent));
        let seconds = now.saturating_sub(since) as f64 / 1_000.0;
        let speed = if seconds > 0.0 { (self.sent - before) as f64 / seconds } else { 0.0 };
        let left = (self.total - self.sent) as f64;
        Some(Report {
            sent: self.sent,
            total: self.total,
            bytes_per_second: speed,
            eta_seconds: (speed > 0.0 || left == 0.0).then(|| if left == 0.0 { 0.0 } else { left / speed }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tells_speed_and_time_left() {
        let mut progress = Progress::new(1_000);
        assert_eq!(progress.report(0).unwrap().eta_seconds, None);
        progress.moved(1, 100);
        assert_eq!(progress.report(99), None);
        let report = progress.report(1_000).unwrap();
        assert_eq!(
            report,
            Report { sent: 100, total: 1_000, bytes_per_second: 100.0, eta_seconds: Some(9.0) }
        );
    }

    #[test]
    fn the_last_report_is_never_held_back() {
        let mut progress = Progress::new(10);
        progress.report(0);
        progress.moved(1, 10);
        assert_eq!(progress.report(1).unwrap().sent, 10);
        assert_eq!(progress.report(2), None);
    }

    #[test]
    fn forgets_a_slow_start() {
        let mut progress = Progress::new(1 << 40);
        for second in 0..=20 {
            progress.moved(1, second * if second < 10 { 0 } else { 1_000 });
            progress.report(second * 1_000);
        }
        progress.moved(1, 21_000);
        let report = progress.report(21_000).unwrap();
        assert_eq!(report.bytes_per_second, 1_000.0);
    }

    proptest! {
        #[test]
        fn never_goes_back_nor_past_the_end(steps in proptest::collection::vec((0..4u8, 1..5u32, 0..40u64), 0..60)) {
            let mut progress = Progress::new(100);
            let mut before = 0;
            for (time, (what, part, bytes)) in steps.into_iter().enumerate() {
                match what {
                    0 => progress.lost(part),
                    _ => progress.moved(part, bytes),
                }
                if let Some(report) = progress.report(time as u64 * 60) {
                    prop_assert!(report.sent >= before && report.sent <= 100);
                    before = report.sent;
                }
            }
        }
    }
}
