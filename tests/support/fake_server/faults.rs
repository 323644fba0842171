//! What can be made to go wrong, by its word in the path.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every other part: 503 `SlowDown`, once.
    SlowDown,
    /// Every other part: 500, once.
    ServerError,
    /// Every other part: the connection is cut in the middle of the body, three times, as a browser tries
    /// once more by itself on a connection that it has used before.
    Reset,
    /// Every other part: stored, then the connection is cut, three times.
    LostAnswer,
    /// From part 3 on: 403, once.
    Expired,
    /// Part 2: one byte changes on the way, once.
    Flipped,
    /// Part 2: one byte changes on the way, each time.
    FlippedAlways,
    /// CORS exposes no header of the storage.
    NoEtag,
    /// The storage computes no checksums.
    NoChecksum,
    /// The first completion: 500.
    CompleteError,
    /// The first completion: done, then the connection is cut.
    CompleteLost,
    /// The first three calls for signed URLs: 502 with a proxy's page.
    SignerDown,
    /// The conversion fails.
    ConvertFails,
    /// Milliseconds added to every request, preflights too.
    Delay(u64),
}

const WORDS: [(&str, Fault); 13] = [
    ("slow-down", Fault::SlowDown),
    ("server-error", Fault::ServerError),
    ("reset", Fault::Reset),
    ("lost-answer", Fault::LostAnswer),
    ("expired", Fault::Expired),
    ("flipped", Fault::Flipped),
    ("flipped-always", Fault::FlippedAlways),
    ("no-etag", Fault::NoEtag),
    ("no-checksum", Fault::NoChecksum),
    ("complete-error", Fault::CompleteError),
    ("complete-lost", Fault::CompleteLost),
    ("signer-down", Fault::SignerDown),
    ("convert-fails", Fault::ConvertFails),
];

#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `plain`, or words joined by commas; `None` for a word that is none.
    pub fn parse(words: &str) -> Option<Self> {
        if words == "plain" {
            return Some(Self::default());
        }
        words.split(',').map(word).collect::<Option<_>>().map(Self)
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    pub fn delay(&self) -> Option<Duration> {
        self.0.iter().find_map(|fault| match fault {
            Fault::Delay(ms) => Some(Duration::from_millis(*ms)),
            _ => None,
        })
    }

    /// The fault that hits part `part` at its try number `try_number`, counted from 1.
    pub fn of_part(&self, part: u32, try_number: u32) -> Option<Fault> {
        self.0.iter().copied().find(|fault| match fault {
            Fault::SlowDown | Fault::ServerError => part.is_multiple_of(2) && try_number == 1,
            Fault::Reset | Fault::LostAnswer => part.is_multiple_of(2) && try_number <= 3,
            Fault::Expired => part >= 3 && try_number == 1,
            Fault::Flipped => part == 2 && try_number == 1,
            Fault::FlippedAlways => part == 2,
            _ => false,
        })
    }
}

fn word(word: &str) -> Option<Fault> {
    if let Some(ms) = word.strip_prefix("delay-") {
        return ms.parse().ok().map(Fault::Delay);
    }
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, fault)| *fault)
}
