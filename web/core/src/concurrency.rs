//! How much at once: parts in flight, how far ahead to sign, how large a part to ask for, how long a silence
//! is normal. Pure: measured bytes and times in, numbers out.

use wire::{MAX_PART_SIZE, MAX_PARTS_PER_CALL, MIB};

/// What a browser opens to one host over HTTP/1.1, the only one S3 speaks.
pub const CONNECTIONS: usize = 6;
/// The same where one connection carries many requests.
const STREAMS: usize = 16;
/// To begin with on a short way, where a few fill it; a long one wants all from the start.
const FEW: usize = 3;
/// A way is long if opening took longer than this, in milliseconds.
const LONG_WAY_MS: u64 = 60;

/// Goodput is measured over at least this long, in milliseconds …
const SPAN_MS: u64 = 600;
/// … and, where it is slow, until so much has moved: less is mere chance.
const SPAN_BYTES: u64 = 2 * MIB;
const LONGEST_SPAN_MS: u64 = 10_000;
/// A first guess of the speed takes this long, in milliseconds.
const FIRST_SPAN_MS: u64 = 100;
/// After a change, what moves in so many milliseconds still belongs to what was before.
const SETTLE_MS: u64 = 250;
/// One more must bring this much to stay …
const GAIN: f64 = 1.05;
/// … and one less may cost this much.
const COST: f64 = 0.98;
/// Spans between two trials: few at first, ever more while nothing comes of them.
const FIRST_REST: u32 = 2;
const LONGEST_REST: u32 = 64;
/// Losses within this many milliseconds are one.
const ONE_LOSS_MS: u64 = 2_000;

/// What the network and the kernel may hold of one request without telling, in bytes.
const BUFFERED: u64 = 4 * MIB;
/// A silence is normal for this long, in milliseconds, besides the time that the buffers need.
const SILENCE_MS: u64 = 15_000;
/// As long as no speed is known …
const FIRST_SILENCE_MS: u64 = 60_000;
/// … and however slow it is.
const LONGEST_SILENCE_MS: u64 = 300_000;

/// Files are cut into about this many parts, two for each connection, as far as the bounds below allow …
const PARTS_WANTED: u64 = 2 * CONNECTIONS as u64;
/// … or, on a line known to be fast, into one for each connection: every further one waits for its answers.
const FAST_PARTS_WANTED: u64 = CONNECTIONS as u64;
/// Bytes a millisecond from which on a line is fast: a lost part of the largest size is made up for in seconds.
const FAST: f64 = 12_500.0;
/// Smaller parts spend more on requests, each with its preflight, than they save when one is sent again.
const SMALLEST_WISH: u64 = 8 * MIB;
/// Larger parts gain nothing, and each one lost costs that much.
const LARGEST_WISH: u64 = 32 * MIB;
const LARGEST_FAST_WISH: u64 = 64 * MIB;

/// The number of parts in flight, in search of the best one.
#[derive(Debug)]
pub struct Pace {
    /// A number that was asked for isn't changed.
    fixed: bool,
    most: usize,
    at_once: usize,
    span: Span,
    trial: Trial,
    rest: u32,
    lost_at: Option<u64>,
    /// Bytes a millisecond over the last span; 0 before there was one.
    speed: f64,
    /// Of late, a part had so many bytes and so many milliseconds in which nothing of it moved.
    part: f64,
    idle: f64,
}

#[derive(Debug, Default)]
struct Span {
    since: Option<u64>,
    bytes: u64,
    /// Those of which it is known how many milliseconds they took, added up over all parts.
    timed: u64,
    ms: u64,
    /// All the while as many were in flight as may be: else the number isn't what limits.
    full: bool,
}

#[derive(Clone, Copy, Debug)]
enum Trial {
    /// Another number is tried; what was before it.
    On { before: usize, speed: f64 },
    /// So many spans until the next one, upwards or down.
    Resting { left: u32, up: bool },
}

impl Pace {
    /// `at_once` parts in flight, or as many as turn out best.
    pub fn new(at_once: Option<u32>) -> Self {
        let fixed = at_once.map(|n| (n as usize).clamp(1, MAX_PARTS_PER_CALL));
        Self {
            fixed: fixed.is_some(),
            most: fixed.unwrap_or(CONNECTIONS),
            at_once: fixed.unwrap_or(FEW),
            span: Span::default(),
            trial: Trial::Resting { left: 0, up: true },
            rest: FIRST_REST,
            lost_at: None,
            speed: 0.0,
            part: 0.0,
            idle: 0.0,
        }
    }

    /// The most parts in flight now.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// The most there can be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many parts to hold signed URLs for, so that signing never delays sending: more for a quick
    /// line would only let the last ones expire in the queue.
    pub fn signed_ahead(&self) -> usize {
        (self.at_once * 4).min(MAX_PARTS_PER_CALL)
    }

    /// Below this many unused signed URLs it is time for more.
    pub fn sign_below(&self) -> usize {
        self.at_once * 2
    }

    /// Bytes a millisecond; 0 before anything is known.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// How long a part in flight may be silent, in milliseconds.
    pub fn silence_ms(&self) -> u64 {
        if self.speed <= 0.0 {
            return FIRST_SILENCE_MS;
        }
        let drained = BUFFERED as f64 * self.at_once as f64 / self.speed;
        (SILENCE_MS + drained as u64).min(LONGEST_SILENCE_MS)
    }

    /// How long the first call took, in milliseconds.
    pub fn opened_in(&mut self, ms: u64) {
        if ms >= LONG_WAY_MS && !self.fixed {
            self.at_once = self.most;
        }
    }

    /// The way to the storage carries many requests on one connection.
    pub fn multiplexed(&mut self) {
        if !self.fixed {
            self.most = STREAMS;
        }
    }

    /// `bytes` more of a part were handed to the network, with `busy` parts in flight; they took so many
    /// milliseconds, or 0 if that isn't known.
    pub fn moved(&mut self, bytes: u64, took_ms: u64, busy: usize, now: u64) {
        let span = &mut self.span;
        let since = *span.since.get_or_insert(now);
        if now < since {
            return; // Settling.
        }
        if span.bytes == 0 {
            span.full = true;
        }
        span.full &= busy >= self.at_once;
        span.bytes += bytes;
        if took_ms > 0 {
            (span.timed, span.ms) = (span.timed + bytes, span.ms + took_ms);
        }
        let ms = now - since;
        if ms >= 2 * LONGEST_SPAN_MS && self.speed > 0.0 {
            // Nothing moved for most of it: that tells of a break, not of the line.
            *span = Span { since: Some(now), ..Span::default() };
            return;
        }
        if self.speed <= 0.0 && ms >= FIRST_SPAN_MS && span.bytes >= SPAN_BYTES {
            // A first guess, so that a silence doesn't last as long as on a line of which nothing is known.
            self.speed = span.bytes as f64 / ms as f64;
        }
        if (ms >= SPAN_MS && span.bytes >= SPAN_BYTES) || ms >= LONGEST_SPAN_MS {
            let span = std::mem::replace(span, Span { since: Some(now), ..Span::default() });
            self.speed = span.bytes as f64 / ms as f64;
            if span.full && !self.fixed {
                self.weigh(self.goodput(&span), now);
            }
        }
    }

    /// What this number at once brings in the long run. Parts that began together end together, so the bytes of
    /// a short span tell more of when that was than of the line.
    fn goodput(&self, span: &Span) -> f64 {
        if span.timed == 0 || self.part <= 0.0 {
            return self.speed;
        }
        let moving = self.part * span.ms as f64 / span.timed as f64;
        self.at_once as f64 * self.part / (moving + self.idle)
    }

    /// A part of so many bytes has landed; for so many milliseconds nothing of it moved.
    pub fn landed(&mut self, bytes: u64, idle_ms: u64) {
        let (bytes, idle) = (bytes as f64, idle_ms as f64);
        if self.part > 0.0 {
            self.part += (bytes - self.part) / 8.0;
            self.idle += (idle - self.idle) / 8.0;
        } else {
            (self.part, self.idle) = (bytes, idle);
        }
    }

    fn weigh(&mut self, speed: f64, now: u64) {
        let up = match self.trial {
            Trial::Resting { left: 0, up } => up,
            Trial::Resting { left, up } => {
                self.trial = Trial::Resting { left: left - 1, up };
                return;
            }
            Trial::On { before, speed: was } => {
                let up = self.at_once > before;
                if speed < was * if up { GAIN } else { COST } {
                    self.turn_to(before, now);
                    self.trial = Trial::Resting { left: self.rest, up: !up };
                    self.rest = (self.rest * 2).min(LONGEST_REST);
                    return;
                }
                self.rest = FIRST_REST;
                up
            }
        };
        let next = if up { self.at_once + self.at_once.div_ceil(3) } else { self.at_once * 2 / 3 };
        let next = next.clamp(1, self.most);
        if next == self.at_once {
            // At the end of the scale: the other way next time, which most likely costs.
            self.rest = (self.rest * 2).min(LONGEST_REST);
            self.trial = Trial::Resting { left: self.rest, up: !up };
        } else {
            self.trial = Trial::On { before: self.at_once, speed };
            self.turn_to(next, now);
        }
    }

    fn turn_to(&mut self, at_once: usize, now: u64) {
        self.at_once = at_once;
        self.span = Span { since: Some(now + SETTLE_MS), ..Span::default() };
    }

    /// A request was lost, or refused as one too many.
    pub fn lost(&mut self, now: u64) {
        if self.fixed || self.lost_at.is_some_and(|then| now < then + ONE_LOSS_MS) {
            return;
        }
        self.lost_at = Some(now);
        self.rest = FIRST_REST;
        self.trial = Trial::Resting { left: self.rest, up: true };
        self.turn_to((self.at_once / 2).max(1), now);
    }
}

/// The part size to ask for, in bytes, for a file of `size` bytes; `speed` is that of an earlier upload, in
/// bytes a millisecond, 0 if nothing is known.
pub fn part_size(size: u64, speed: f64) -> u64 {
    let (wanted, largest) =
        if speed >= FAST { (FAST_PARTS_WANTED, LARGEST_FAST_WISH) } else { (PARTS_WANTED, LARGEST_WISH) };
    let even = (size / wanted).clamp(SMALLEST_WISH, largest);
    even.next_multiple_of(MIB).min(MAX_PART_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::PartPlan;

    /// A line whose goodput depends on how many share it, in bytes a millisecond; where it ends after a
    /// minute, and where it has been.
    fn settles(mut pace: Pace, goodput: impl Fn(usize) -> f64) -> (usize, Vec<usize>) {
        let mut been = vec![pace.at_once()];
        for now in (0..60_000).step_by(20) {
            pace.moved(
                (goodput(pace.at_once()) * 20.0) as u64,
                20 * pace.at_once() as u64,
                pace.at_once(),
                now,
            );
            if been.last() != Some(&pace.at_once()) {
                been.push(pace.at_once());
            }
        }
        (pace.at_once(), been)
    }

    #[test]
    fn grows_while_goodput_grows() {
        let each_brings_more = |n: usize| n as f64 * 1_000.0;
        let (end, been) = settles(Pace::new(None), each_brings_more);
        assert_eq!((end, &been[..3]), (6, &[3, 4, 6][..]));
        assert!(been.len() <= 9, "fewer are tried ever more seldom: {been:?}");
        let mut wide = Pace::new(None);
        wide.multiplexed();
        assert_eq!(settles(wide, each_brings_more).1[..6], [3, 4, 6, 8, 11, 15]);
    }

    #[test]
    fn stays_with_few_where_more_bring_nothing() {
        let (end, been) = settles(Pace::new(None), |_| 5_000.0);
        assert!(end <= 2, "one fills the line: {been:?}");
        let (end, been) = settles(Pace::new(None), |n| n.min(4) as f64 * 500.0);
        assert!((3..=4).contains(&end), "{been:?}");
    }

    #[test]
    fn a_long_way_starts_with_all() {
        let mut pace = Pace::new(None);
        pace.opened_in(100);
        assert_eq!(pace.at_once(), 6);
    }

    #[test]
    fn halves_on_loss_once_for_a_burst() {
        let mut pace = Pace::new(None);
        pace.opened_in(100);
        for now in [0, 10, 1_999] {
            pace.lost(now);
        }
        assert_eq!(pace.at_once(), 3);
        pace.lost(2_000);
        pace.lost(9_000);
        assert_eq!(pace.at_once(), 1);
    }

    #[test]
    fn a_loss_is_made_good_within_seconds() {
        let mut pace = Pace::new(None);
        pace.opened_in(100);
        for now in (0..600_000).step_by(20) {
            pace.moved(pace.at_once() as u64 * 20_000, 0, pace.at_once(), now);
        }
        for now in [600_000, 603_000] {
            pace.lost(now);
        }
        for now in (603_000..612_000).step_by(20) {
            pace.moved(pace.at_once() as u64 * 20_000, 0, pace.at_once(), now);
        }
        assert!(pace.at_once() >= 3, "{}", pace.at_once());
    }

    #[test]
    fn a_break_is_no_slow_line() {
        let mut pace = Pace::new(Some(4));
        for now in (0..20_000).step_by(20) {
            pace.moved(200_000, 0, 4, now);
        }
        let before = pace.silence_ms();
        for now in (9_000_000..9_010_000).step_by(20) {
            pace.moved(200_000, 0, 4, now);
            assert_eq!(pace.silence_ms(), before);
        }
    }

    #[test]
    fn a_number_asked_for_is_kept() {
        let mut pace = Pace::new(Some(2));
        pace.opened_in(1_000);
        pace.multiplexed();
        pace.lost(0);
        assert_eq!(settles(pace, |n| n as f64 * 1_000.0), (2, vec![2]));
        assert_eq!(Pace::new(Some(0)).at_once(), 1);
    }

    #[test]
    fn what_is_not_full_tells_nothing() {
        let mut pace = Pace::new(None);
        for now in (0..60_000).step_by(20) {
            pace.moved(1 << 20, 0, 2, now);
        }
        assert_eq!(pace.at_once(), 3);
    }

    #[test]
    fn silence_is_judged_by_the_speed() {
        let silence = |bytes_per_ms: f64| {
            let mut pace = Pace::new(Some(4));
            for now in (0..20_000).step_by(20) {
                pace.moved((bytes_per_ms * 20.0) as u64, 0, 4, now);
            }
            pace.silence_ms()
        };
        assert_eq!(Pace::new(None).silence_ms(), 60_000);
        assert!(silence(100_000.0) < 15_300);
        let slow = silence(100.0);
        assert!((150_000..200_000).contains(&slow), "buffers of 16 MiB take that long at 100 kB/s: {slow}");
        assert_eq!(silence(2.0), 300_000);
    }

    #[test]
    fn part_sizes_follow_the_file() {
        let sizes = [1, 128 * MIB, 256 * MIB, 300 * MIB, 1 << 40].map(|size| part_size(size, 0.0));
        assert_eq!(sizes, [8 * MIB, 11 * MIB, 22 * MIB, 25 * MIB, 32 * MIB]);
        let fast = [1, 128 * MIB, 256 * MIB, 1 << 40].map(|size| part_size(size, FAST));
        assert_eq!(fast, [8 * MIB, 22 * MIB, 43 * MIB, 64 * MIB]);
        for size in sizes {
            assert!(PartPlan::new(1, Some(size)).is_ok());
        }
    }

    #[test]
    fn a_window_outlasts_the_flights() {
        for at_once in [None, Some(0), Some(1), Some(6), Some(64)] {
            let pace = Pace::new(at_once);
            assert!(pace.at_once() >= 1);
            assert!(pace.sign_below() > pace.at_once());
            assert!(pace.signed_ahead() > pace.sign_below());
        }
    }
}
