//! Adaptive concurrency: how many parts are uploaded at once, how many are presigned ahead, which part size to
//! request, and after how long without progress a part counts as stalled. Measured bytes and times go in.

use crate::timeout::MAX_STALL_TIMEOUT_MS;
use wire::{MAX_PART_SIZE, MAX_PARTS_PER_CALL, MIB};

/// Connections that a browser opens to one host over HTTP/1.1, the only version that S3 speaks.
pub const BROWSER_CONNECTIONS: usize = 6;
/// Highest limit where one connection carries many requests.
const MAX_STREAMS: usize = 16;
/// First limit on a short round trip, where few parts fill the network; on a long one it is the maximum.
const INITIAL_LIMIT: usize = 3;
/// A round trip is long if opening the upload took at least this, in milliseconds.
const LONG_ROUND_TRIP_MS: u64 = 60;

/// A sample of the throughput lasts at least this, in milliseconds …
const MIN_SAMPLE_MS: u64 = 600;
/// … and, on a slow network, until this many bytes have moved: fewer are noise …
const MIN_SAMPLE_BYTES: u64 = 2 * MIB;
/// … but no longer than this, in milliseconds.
const MAX_SAMPLE_MS: u64 = 10_000;
/// The first estimate of the speed takes at least this, in milliseconds.
const MIN_FIRST_SAMPLE_MS: u64 = 100;
/// Progress within this after a change of the limit still belongs to the old limit, in milliseconds.
const SETTLE_DELAY_MS: u64 = 250;
/// A higher limit stays if the throughput is at least this many times the one before …
const MIN_GAIN: f64 = 1.05;
/// … and a lower one if it is at least this many times the one before.
const MAX_COST: f64 = 0.98;
/// Samples between two trials: from few …
const MIN_REST_SAMPLES: u32 = 2;
/// … to many, while trials fail.
const MAX_REST_SAMPLES: u32 = 64;
/// Losses within this count as one, in milliseconds.
const LOSS_INTERVAL_MS: u64 = 2_000;

/// Bytes of one request that network and kernel may buffer after the browser has reported them as sent.
const BUFFERED_BYTES: u64 = 4 * MIB;
/// Stall timeout besides the time that the buffers take to drain, in milliseconds.
const MIN_STALL_TIMEOUT_MS: u64 = 15_000;
/// Stall timeout while the speed is unknown, in milliseconds.
const INITIAL_STALL_TIMEOUT_MS: u64 = 60_000;

/// Files are cut into about this many parts, two for each connection, as far as the limits below allow …
const PARTS: u64 = 2 * BROWSER_CONNECTIONS as u64;
/// … or, on a fast network, into one for each connection: every further part waits for its responses.
const FAST_PARTS: u64 = BROWSER_CONNECTIONS as u64;
/// A network is fast from this many bytes a millisecond on: it makes up for a lost part of the largest size within
/// seconds.
const FAST_BYTES_PER_MS: f64 = 12_500.0;
/// Smaller parts spend more on requests, each with its preflight, than they save when one is repeated.
const MIN_REQUESTED_PART_SIZE: u64 = 8 * MIB;
/// Larger parts gain nothing, and each lost one costs that much.
const MAX_REQUESTED_PART_SIZE: u64 = 32 * MIB;
/// The same on a fast network.
const MAX_FAST_PART_SIZE: u64 = 64 * MIB;

/// How many parts are uploaded at once; searches for the limit with the highest throughput.
#[derive(Debug)]
pub struct Concurrency {
    /// The caller gave a number: it never changes.
    fixed: bool,
    max: usize,
    limit: usize,
    sample: Sample,
    trial: Trial,
    rest_samples: u32,
    lost_ms: Option<u64>,
    /// Bytes a millisecond over the last sample; 0 before there was one.
    bytes_per_ms: f64,
    /// Moving average (weight 1/8) of a part's size, in bytes.
    part_bytes: f64,
    /// Moving average (weight 1/8) of the time in which a part showed no progress, in milliseconds.
    part_idle_ms: f64,
}

#[derive(Debug, Default)]
struct Sample {
    since_ms: Option<u64>,
    bytes: u64,
    /// The bytes whose transfer time is known.
    timed_bytes: u64,
    /// That time, added up over all parts, in milliseconds.
    timed_ms: u64,
    /// As many parts as allowed were active all the time; otherwise the limit isn't what limits.
    full: bool,
}

#[derive(Clone, Copy, Debug)]
enum Trial {
    /// Another limit is being tried; these were the ones before.
    Running { limit: usize, bytes_per_ms: f64 },
    /// No trial for `samples` more samples; then one upwards or downwards.
    Resting { samples: u32, up: bool },
}

impl Concurrency {
    /// A fixed number of parts, clamped to 1–100, or with `None` an adaptive one.
    pub fn new(fixed: Option<u32>) -> Self {
        let fixed = fixed.map(|n| (n as usize).clamp(1, MAX_PARTS_PER_CALL));
        Self {
            fixed: fixed.is_some(),
            max: fixed.unwrap_or(BROWSER_CONNECTIONS),
            limit: fixed.unwrap_or(INITIAL_LIMIT),
            sample: Sample::default(),
            trial: Trial::Resting { samples: 0, up: true },
            rest_samples: MIN_REST_SAMPLES,
            lost_ms: None,
            bytes_per_ms: 0.0,
            part_bytes: 0.0,
            part_idle_ms: 0.0,
        }
    }

    /// How many parts may be active now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The highest value that [`Concurrency::limit`] can take.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Speed over the last sample, in bytes a millisecond; 0 while unknown.
    pub fn bytes_per_ms(&self) -> f64 {
        self.bytes_per_ms
    }

    /// How long a part in flight may show no progress, in milliseconds: 15 s and the time that buffers take to
    /// drain.
    pub fn stall_timeout_ms(&self) -> u64 {
        if self.bytes_per_ms <= 0.0 {
            return INITIAL_STALL_TIMEOUT_MS;
        }
        let drain_ms = BUFFERED_BYTES as f64 * self.limit as f64 / self.bytes_per_ms;
        (MIN_STALL_TIMEOUT_MS + drain_ms as u64).min(MAX_STALL_TIMEOUT_MS)
    }

    /// Records how long the first request took, in milliseconds.
    pub fn record_round_trip(&mut self, ms: u64) {
        if ms >= LONG_ROUND_TRIP_MS && !self.fixed {
            self.limit = self.max;
        }
    }

    /// Records that one connection to the storage carries many requests (HTTP/2 or HTTP/3).
    pub fn set_multiplexed(&mut self) {
        if !self.fixed {
            self.max = MAX_STREAMS;
        }
    }

    /// Records that a part has handed `bytes` more to the network, with `active` parts at once. They took
    /// `took_ms` milliseconds; 0 if that is unknown.
    pub fn record_progress(&mut self, bytes: u64, took_ms: u64, active: usize, now_ms: u64) {
        let sample = &mut self.sample;
        let since_ms = *sample.since_ms.get_or_insert(now_ms);
        if now_ms < since_ms {
            return; // Within the settle delay.
        }
        if sample.bytes == 0 {
            sample.full = true;
        }
        sample.full &= active >= self.limit;
        sample.bytes += bytes;
        if took_ms > 0 {
            sample.timed_bytes += bytes;
            sample.timed_ms += took_ms;
        }
        let ms = now_ms - since_ms;
        if ms >= 2 * MAX_SAMPLE_MS && self.bytes_per_ms > 0.0 {
            // Most of it was an outage, not a slow network.
            *sample = Sample { since_ms: Some(now_ms), ..Sample::default() };
            return;
        }
        if self.bytes_per_ms <= 0.0 && ms >= MIN_FIRST_SAMPLE_MS && sample.bytes >= MIN_SAMPLE_BYTES {
            // An early estimate, so that the stall timeout for an unknown speed ends soon.
            self.bytes_per_ms = sample.bytes as f64 / ms as f64;
        }
        if (ms >= MIN_SAMPLE_MS && sample.bytes >= MIN_SAMPLE_BYTES) || ms >= MAX_SAMPLE_MS {
            let next = Sample { since_ms: Some(now_ms), ..Sample::default() };
            let sample = std::mem::replace(sample, next);
            self.bytes_per_ms = sample.bytes as f64 / ms as f64;
            if sample.full && !self.fixed {
                self.adjust(self.throughput(&sample), now_ms);
            }
        }
    }

    /// The throughput that this limit brings in the long run. Parts that start together end together, so the
    /// bytes of a short sample depend more on when that was than on the network.
    fn throughput(&self, sample: &Sample) -> f64 {
        if sample.timed_bytes == 0 || self.part_bytes <= 0.0 {
            return self.bytes_per_ms;
        }
        let transfer_ms = self.part_bytes * sample.timed_ms as f64 / sample.timed_bytes as f64;
        self.limit as f64 * self.part_bytes / (transfer_ms + self.part_idle_ms)
    }

    /// Records that a part of `bytes` was uploaded, which showed no progress for `idle_ms` in all.
    pub fn record_uploaded(&mut self, bytes: u64, idle_ms: u64) {
        let (bytes, idle_ms) = (bytes as f64, idle_ms as f64);
        if self.part_bytes > 0.0 {
            self.part_bytes += (bytes - self.part_bytes) / 8.0;
            self.part_idle_ms += (idle_ms - self.part_idle_ms) / 8.0;
        } else {
            (self.part_bytes, self.part_idle_ms) = (bytes, idle_ms);
        }
    }

    fn adjust(&mut self, bytes_per_ms: f64, now_ms: u64) {
        let up = match self.trial {
            Trial::Resting { samples: 0, up } => up,
            Trial::Resting { samples, up } => {
                self.trial = Trial::Resting { samples: samples - 1, up };
                return;
            }
            Trial::Running { limit, bytes_per_ms: before } => {
                let up = self.limit > limit;
                if bytes_per_ms < before * if up { MIN_GAIN } else { MAX_COST } {
                    self.set_limit(limit, now_ms);
                    self.trial = Trial::Resting { samples: self.rest_samples, up: !up };
                    self.rest_samples = (self.rest_samples * 2).min(MAX_REST_SAMPLES);
                    return;
                }
                self.rest_samples = MIN_REST_SAMPLES;
                up
            }
        };
        let next = if up { self.limit + self.limit.div_ceil(3) } else { self.limit * 2 / 3 };
        let next = next.clamp(1, self.max);
        if next == self.limit {
            // The range ends here: the other direction next time, and later, as it most likely costs throughput.
            self.rest_samples = (self.rest_samples * 2).min(MAX_REST_SAMPLES);
            self.trial = Trial::Resting { samples: self.rest_samples, up: !up };
        } else {
            self.trial = Trial::Running { limit: self.limit, bytes_per_ms };
            self.set_limit(next, now_ms);
        }
    }

    fn set_limit(&mut self, limit: usize, now_ms: u64) {
        self.limit = limit;
        self.sample = Sample { since_ms: Some(now_ms + SETTLE_DELAY_MS), ..Sample::default() };
    }

    /// Records that a request was lost or refused as one too many: halves the limit.
    pub fn record_loss(&mut self, now_ms: u64) {
        if self.fixed || self.lost_ms.is_some_and(|lost_ms| now_ms < lost_ms + LOSS_INTERVAL_MS) {
            return;
        }
        self.lost_ms = Some(now_ms);
        self.rest_samples = MIN_REST_SAMPLES;
        self.trial = Trial::Resting { samples: self.rest_samples, up: true };
        self.set_limit((self.limit / 2).max(1), now_ms);
    }
}

/// The part size to request for a file of `size` bytes, in bytes. `bytes_per_ms` is the speed of an earlier
/// upload, 0 if unknown.
pub fn part_size(size: u64, bytes_per_ms: f64) -> u64 {
    let (parts, max) = if bytes_per_ms >= FAST_BYTES_PER_MS {
        (FAST_PARTS, MAX_FAST_PART_SIZE)
    } else {
        (PARTS, MAX_REQUESTED_PART_SIZE)
    };
    let even = (size / parts).clamp(MIN_REQUESTED_PART_SIZE, max);
    even.next_multiple_of(MIB).min(MAX_PART_SIZE)
}

#[cfg(test)]
mod tests;
