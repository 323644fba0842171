//! The faults that a request's path can select.

use std::time::Duration;
use wire::ChecksumKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every other part: 503 `SlowDown`, once.
    SlowDown,
    /// Every other part: 500, once.
    ServerError,
    /// Every other part: the connection is closed in the middle of the body, three times. A browser retries by
    /// itself once on a reused connection, so once would not reach the uploader.
    Reset,
    /// Every other part: stored, then the connection is closed, three times.
    LostResponse,
    /// From part 3 on: 403, once.
    Expired,
    /// Part 2: one byte is changed, once.
    Flipped,
    /// Part 2: one byte is changed, each time.
    FlippedAlways,
    /// The storage knows no checksums: the edge answers `none`, and signs parts without them.
    NoChecksum,
    /// The first completion: 500.
    CompleteError,
    /// The first completion: done, then the connection is closed.
    CompleteLost,
    /// The first three calls for signed URLs: 502 with a proxy's page.
    SignerDown,
    /// Every call about an open upload: 403 with a proxy's page. Opening works, and so does the storage.
    Blocked,
    /// Calls of the edge with a body over 8 KB: 413 with a firewall's page.
    Firewall,
    /// Opening: the connection is closed without an answer.
    NoAnswer,
    /// Opening: 200 with the page of a sign-in.
    SignInPage,
    /// Opening: 200 with JSON that isn't the edge's.
    OtherJson,
    /// Opening: 404 with a page.
    NotFoundPage,
    /// Part URLs lead to a port where nothing listens.
    NoStorage,
    /// The conversion fails.
    ConvertFails,
    /// Part 2: 503 `SlowDown`, once, with a `Retry-After` that is the date of as many seconds from now; negative for a
    /// date in the past.
    RetryAfter(i64),
    /// Milliseconds added to every request, preflights included.
    Delay(u64),
}

const FAULT_NAMES: [(&str, Fault); 19] = [
    ("slow-down", Fault::SlowDown),
    ("server-error", Fault::ServerError),
    ("reset", Fault::Reset),
    ("lost-response", Fault::LostResponse),
    ("expired", Fault::Expired),
    ("flipped", Fault::Flipped),
    ("flipped-always", Fault::FlippedAlways),
    ("no-checksum", Fault::NoChecksum),
    ("complete-error", Fault::CompleteError),
    ("complete-lost", Fault::CompleteLost),
    ("signer-down", Fault::SignerDown),
    ("blocked", Fault::Blocked),
    ("firewall", Fault::Firewall),
    ("no-answer", Fault::NoAnswer),
    ("sign-in-page", Fault::SignInPage),
    ("other-json", Fault::OtherJson),
    ("not-found-page", Fault::NotFoundPage),
    ("no-storage", Fault::NoStorage),
    ("convert-fails", Fault::ConvertFails),
];

#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Parses `plain` or names joined by commas; `None` for an unknown name.
    pub fn parse(names: &str) -> Option<Self> {
        if names == "plain" {
            return Some(Self::default());
        }
        names.split(',').map(fault_by_name).collect::<Option<_>>().map(Self)
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// The checksum that the storage verifies.
    pub fn checksum(&self) -> ChecksumKind {
        if self.has(Fault::NoChecksum) { ChecksumKind::None } else { ChecksumKind::Crc64Nvme }
    }

    pub fn delay(&self) -> Option<Duration> {
        self.0.iter().find_map(|fault| match fault {
            Fault::Delay(ms) => Some(Duration::from_millis(*ms)),
            _ => None,
        })
    }

    /// The fault of part `part` at this attempt, counted from 1.
    pub fn for_part(&self, part: u32, attempt: u32) -> Option<Fault> {
        self.0.iter().copied().find(|fault| match fault {
            Fault::SlowDown | Fault::ServerError => part.is_multiple_of(2) && attempt == 1,
            Fault::Reset | Fault::LostResponse => part.is_multiple_of(2) && attempt <= 3,
            Fault::Expired => part >= 3 && attempt == 1,
            Fault::Flipped | Fault::RetryAfter(_) => part == 2 && attempt == 1,
            Fault::FlippedAlways => part == 2,
            _ => false,
        })
    }
}

fn fault_by_name(name: &str) -> Option<Fault> {
    if let Some(ms) = name.strip_prefix("delay-") {
        return ms.parse().ok().map(Fault::Delay);
    }
    if let Some(seconds) = name.strip_prefix("retry-after-") {
        return seconds.parse().ok().map(Fault::RetryAfter);
    }
    FAULT_NAMES.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
}
