//! The scenario that a seed draws: file, backend, network, and all faults. Faults end at some time, so that every run
//! can end.

use crate::fake_backend::BackendBehavior;
pub use crate::incident::Incident;
use crate::rng::Rng;
use wire::MIB;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Longest duration of a part whose progress isn't reported.
const MAX_UNREPORTED_MS: u64 = 10 * MINUTE;

/// Probability of each fault for one request, in permille.
#[derive(Clone, Debug, Default)]
pub struct FaultRates {
    /// The connection is reset while sending.
    pub reset: u32,
    /// The connection stalls while sending, without an error.
    pub hang: u32,
    /// The request is executed and its response lost.
    pub response_lost: u32,
    /// The storage responds with `SlowDown` …
    pub slow_down: u32,
    /// … and this `Retry-After`, in milliseconds.
    pub retry_after_ms: u32,
    pub storage_error: u32,
    pub storage_refusal: u32,
    /// The storage responds with 404 although the upload exists.
    pub false_not_found: u32,
    /// A bit of the body is flipped.
    pub bit_flip: u32,
    pub edge_error: u32,
    pub edge_throttle: u32,
    pub edge_expired: u32,
    /// The edge's response can't be read.
    pub edge_unreadable: u32,
    /// A firewall refuses calls of the edge.
    pub edge_blocked: u32,
}

/// An upload of a file that has the size of this one, and the same bytes but for one part.
#[derive(Clone, Debug)]
pub struct ForeignUpload {
    /// The part that differs; numbers above the plan's mean its last part.
    pub differing_part: u32,
    /// How many parts of ten the storage has.
    pub stored_tenths: u64,
    /// How many of these of ten are recorded; the others' writes were lost.
    pub recorded_tenths: u64,
    pub state: ForeignState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignState {
    Open,
    /// Completed, and recorded as open: the response was lost.
    Completed,
    /// Completed and recorded so.
    Stored,
}

/// Everything that a seed draws before the run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub size: u64,
    /// The part size that the client requests, in bytes.
    pub part_size: u64,
    /// The `concurrency` option.
    pub concurrency: Option<u32>,
    /// An earlier page load has left the upload of another file with the same fingerprint.
    pub foreign: Option<ForeignUpload>,
    pub backend: BackendBehavior,
    pub latency_ms: u64,
    /// Throughput of the network, in bytes a millisecond.
    pub bytes_per_ms: u64,
    /// Highest throughput of one connection, in bytes a millisecond.
    pub connection_bytes_per_ms: u64,
    pub hash_bytes_per_ms: u64,
    /// One connection carries many requests.
    pub multiplexed: bool,
    /// The browser reports progress at about this interval.
    pub progress_interval_ms: u64,
    /// The browser reports the progress of uploads; it doesn't if a service worker forwards them.
    pub reports_progress: bool,
    /// How much the kernel accepts before it is sent.
    pub buffered_bytes: u64,
    /// The storage responds with `SlowDown` to more requests at once.
    pub max_storage_requests: usize,
    /// Longest delay of a timer.
    pub max_timer_delay_ms: u64,
    /// The monotonic clock stops during a sleep.
    pub sleep_stops_clock: bool,
    /// The browser has a persistent storage.
    pub persists: bool,
    pub fault_rates: FaultRates,
    /// With the time of each, in milliseconds.
    pub incidents: Vec<(u64, Incident)>,
    /// No fault starts after this time.
    pub faults_end_ms: u64,
}

impl Scenario {
    pub fn draw(rng: &mut Rng) -> Self {
        let mut scenario = Self::without_faults(rng);
        if scenario.persists && rng.chance(150) {
            scenario.foreign = Some(ForeignUpload::draw(rng));
        }
        // About as long as it takes without faults.
        let span_ms = scenario.size / scenario.bytes_per_ms.min(scenario.connection_bytes_per_ms * 4)
            + 20 * scenario.latency_ms;
        let faults = match rng.below(20) {
            0 => 0,
            1..8 => 1,
            8..13 => 2,
            13..18 => 4,
            _ => 9,
        };
        for _ in 0..faults {
            scenario.add_fault(rng, span_ms);
        }
        let last_incident_ms = scenario.incidents.iter().map(|(at_ms, incident)| at_ms + incident.ms()).max();
        scenario.faults_end_ms = match last_incident_ms {
            Some(last_ms) => (last_ms + MINUTE).max(span_ms * 3 + 10 * MINUTE),
            None => span_ms * 3 + 10 * MINUTE,
        };
        scenario
    }

    /// A file, a backend and a network, without faults.
    pub fn without_faults(rng: &mut Rng) -> Self {
        let parts = match rng.below(4_000) {
            0 => rng.between(1_001, 10_001),
            1..10 => rng.between(100, 400),
            10..400 => rng.between(12, 40),
            400..1_000 => 1,
            _ => rng.between(1, 13),
        };
        let part_size = if rng.chance(20) { rng.between(5, 600) } else { rng.between(5, 33) } * MIB;
        let size = match rng.below(8) {
            0 => rng.between(1, part_size),
            1 => parts * part_size,
            _ => (parts - 1) * part_size + rng.between(1, part_size + 1),
        };
        let upload_ms = rng.log_uniform(500, if parts > 40 { 600 } else { 300 } * SECOND);
        let bytes_per_ms = (size / upload_ms).max(10);
        Self {
            size,
            part_size,
            concurrency: if rng.chance(300) { Some(rng.log_uniform(1, 64) as u32) } else { None },
            foreign: None,
            backend: BackendBehavior {
                checksum: rng.chance(850),
                part_size: if rng.chance(50) { rng.between(5, 33) * MIB } else { part_size },
                fixed_key: rng.chance(200),
                url_ttl_ms: rng.log_uniform(MINUTE, 12 * HOUR),
                reports_ttl: rng.chance(900),
            },
            latency_ms: rng.log_uniform(1, 600),
            bytes_per_ms,
            connection_bytes_per_ms: (bytes_per_ms / rng.log_uniform(1, 10)).max(10),
            hash_bytes_per_ms: (bytes_per_ms * rng.log_uniform(3, 300) / 10).max(1),
            progress_interval_ms: if parts < 5 && rng.chance(100) { 200 } else { 4_000 },
            reports_progress: true,
            multiplexed: rng.chance(250),
            buffered_bytes: if rng.coin() { 0 } else { rng.log_uniform(1, 8 * MIB) },
            max_storage_requests: usize::MAX,
            max_timer_delay_ms: if rng.chance(100) { MINUTE } else { 20 },
            sleep_stops_clock: rng.coin(),
            persists: rng.chance(950),
            fault_rates: FaultRates::default(),
            incidents: Vec::new(),
            faults_end_ms: 0,
        }
    }

    /// A file of `parts` parts of 8 MiB on a network of 10 MB/s that four connections fill, without faults.
    pub fn steady(parts: u64) -> Self {
        Self {
            size: parts * 8 * MIB - 5,
            part_size: 8 * MIB,
            concurrency: None,
            foreign: None,
            backend: BackendBehavior {
                checksum: true,
                part_size: 8 * MIB,
                fixed_key: false,
                url_ttl_ms: HOUR,
                reports_ttl: true,
            },
            latency_ms: 30,
            bytes_per_ms: 10_000,
            connection_bytes_per_ms: 2_500,
            hash_bytes_per_ms: 500_000,
            multiplexed: false,
            progress_interval_ms: 100,
            reports_progress: true,
            buffered_bytes: 64 * 1024,
            max_storage_requests: usize::MAX,
            max_timer_delay_ms: 20,
            sleep_stops_clock: true,
            persists: true,
            fault_rates: FaultRates::default(),
            incidents: Vec::new(),
            faults_end_ms: 30 * DAY,
        }
    }

    fn add_fault(&mut self, rng: &mut Rng, span_ms: u64) {
        let at_ms = rng.below(span_ms * 5 / 4);
        let rate = rng.log_uniform(10, 600) as u32;
        let rates = &mut self.fault_rates;
        let incident = match rng.below(30) {
            0 => return rates.reset = rate,
            1 => return rates.hang = rate / 3,
            2 => return rates.response_lost = rate,
            3 => {
                rates.slow_down = rate;
                rates.retry_after_ms = if rng.coin() { 0 } else { rng.log_uniform(1_000, 200_000) as u32 };
                return;
            }
            4 => return rates.storage_error = rate,
            5 => return rates.storage_refusal = rate / 2,
            6 => return rates.false_not_found = rate / 4,
            7 => return rates.bit_flip = rate,
            8 => return rates.edge_error = rate * 2,
            9 => return rates.edge_throttle = rate,
            10 => return rates.edge_expired = rate,
            11 => return rates.edge_unreadable = rate,
            12 => return rates.edge_blocked = rate,
            13 => {
                // A part that takes longer than the longest timeout never gets through then.
                let part_size = self.size.min(self.part_size.max(self.backend.part_size));
                self.bytes_per_ms = self.bytes_per_ms.max(self.size / MAX_UNREPORTED_MS + 1);
                self.connection_bytes_per_ms =
                    self.connection_bytes_per_ms.max(part_size / MAX_UNREPORTED_MS + 1);
                return self.reports_progress = false;
            }
            14 => return self.max_storage_requests = rng.between(1, 8) as usize,
            15 | 16 => {
                let ms = if rng.chance(40) {
                    rng.log_uniform(HOUR, 14 * HOUR)
                } else {
                    rng.log_uniform(300, 10 * MINUTE)
                };
                let reported = rng.coin();
                Incident::Offline { ms, reported, return_reported: reported && rng.chance(800) }
            }
            17 => {
                let max_ms = rng.choose(50, 8 * DAY, 14 * HOUR);
                Incident::Sleep { ms: rng.log_uniform(SECOND, max_ms) }
            }
            18 => {
                let by_ms = rng.log_uniform(SECOND, 400 * DAY) as i64;
                Incident::ClockSet { by_ms: if rng.coin() { by_ms } else { -by_ms } }
            }
            19 => {
                let max_ms = rng.choose(100, 3 * DAY, HOUR);
                Incident::Pause { ms: rng.log_uniform(10, max_ms) }
            }
            20 => Incident::Cancel,
            21 | 22 => {
                let max_ms = rng.choose(100, 8 * DAY, HOUR);
                let after_ms = rng.log_uniform(100, max_ms);
                let lost_writes = rng.below(4) as usize;
                Incident::Reload { lost_writes, data_cleared: rng.chance(50), after_ms }
            }
            23 => match rng.below(4) {
                0 => Incident::FileUnreadable,
                n => Incident::FileChange { detected: n == 1 },
            },
            24 => Incident::UploadRemoved,
            28 => Incident::PartsLost,
            25 => Incident::ConnectionsReset,
            26 | 27 => {
                let factor = rng.log_uniform(2, 300);
                Incident::Slow { factor, ms: rng.log_uniform(SECOND, 20 * MINUTE) }
            }
            _ => match rng.below(3) {
                0 => Incident::StorageDown { ms: rng.log_uniform(SECOND, HOUR) },
                1 => Incident::EdgeDown { ms: rng.log_uniform(SECOND, HOUR) },
                _ => Incident::SignerClockSkew { ms: rng.log_uniform(SECOND, 10 * MINUTE) },
            },
        };
        self.incidents.push((at_ms, incident));
    }

    /// A lower bound of the upload's duration without faults, in milliseconds.
    pub fn ideal_ms(&self) -> u64 {
        let connections = self.concurrency.map_or(3, |n| u64::from(n.min(6)));
        let one_part_ms = self.part_size.min(self.size) / self.connection_bytes_per_ms.min(self.bytes_per_ms);
        // A preflight and the request itself.
        let latencies_ms = self.size / self.part_size * self.latency_ms * 5 / connections;
        self.size / self.bytes_per_ms.min(self.connection_bytes_per_ms * connections)
            + one_part_ms
            + latencies_ms
            + self.size / self.hash_bytes_per_ms
    }

    /// Whether the client can know how old a URL is.
    pub fn clocks_are_reliable(&self) -> bool {
        self.backend.reports_ttl && !self.has(|incident| matches!(incident, Incident::ClockSet { .. }))
    }

    pub fn has(&self, matches: impl Fn(&Incident) -> bool) -> bool {
        self.incidents.iter().any(|(_, incident)| matches(incident))
    }

    /// Whether the machine may give up for now: requests are refused often enough, or for long enough. An outage of
    /// the network is no reason, however long; a network that lets no part through while the edge responds is one.
    pub fn may_give_up(&self) -> bool {
        let rates = &self.fault_rates;
        let refusals = [
            rates.slow_down,
            rates.storage_error,
            rates.storage_refusal,
            rates.false_not_found,
            rates.edge_error,
            rates.edge_throttle,
            rates.edge_expired,
            rates.edge_unreadable,
            rates.edge_blocked,
            rates.bit_flip,
        ];
        refusals.iter().any(|rate| *rate > 0)
            || rates.reset + rates.hang + rates.response_lost > 400
            || self.max_storage_requests < usize::MAX
            || self.has(|incident| {
                matches!(
                    incident,
                    Incident::StorageDown { .. }
                        | Incident::EdgeDown { .. }
                        | Incident::SignerClockSkew { .. }
                        | Incident::UploadRemoved
                )
            })
    }
}

impl ForeignUpload {
    fn draw(rng: &mut Rng) -> Self {
        let states = [ForeignState::Open, ForeignState::Completed, ForeignState::Stored];
        let state = states[rng.below(3) as usize];
        Self {
            differing_part: rng.log_uniform(1, 400) as u32,
            stored_tenths: if state == ForeignState::Open { rng.between(1, 11) } else { 10 },
            recorded_tenths: if state == ForeignState::Stored || rng.coin() { 10 } else { rng.below(10) },
            state,
        }
    }
}
