//! Whether edge and storage have ever answered. A wrong address or missing CORS rules never pass, other than an outage
//! of a network on which both have answered before.

use crate::error::{ErrorKind, UploadError};
use crate::types::{Task, UNREACHABLE_AFTER_MS};

/// Fewest failures in a row after which the edge is asked whether it is the network that is away.
const MIN_UNANSWERED: usize = 2;
/// After so many answers of the edge, each with unanswered parts before it, the storage counts as unreachable.
const MAX_EDGE_CHECKS: u32 = 3;

/// The servers that have answered so far.
#[derive(Debug, Default)]
pub struct Reachability {
    edge_answered: bool,
    /// When the edge is announced as unreachable, in milliseconds; `None` before the first request and afterwards.
    announce_at_ms: Option<u64>,
    announced: bool,
    storage_answered: bool,
    /// Parts that have failed without an answer, since the edge last answered.
    unanswered: usize,
    edge_checks: u32,
}

impl Reachability {
    /// A request to the edge starts.
    pub fn edge_requested(&mut self, now_ms: u64) {
        if !self.edge_answered && !self.announced {
            self.announce_at_ms.get_or_insert(now_ms + UNREACHABLE_AFTER_MS);
        }
    }

    /// The edge itself has answered, with whatever status.
    pub fn edge_answers(&mut self) {
        self.edge_answered = true;
        self.announce_at_ms = None;
    }

    /// The storage has answered, or takes bytes.
    pub fn storage_answers(&mut self) {
        self.storage_answered = true;
    }

    /// Takes the failure of a task.
    pub fn failed(&mut self, task: Task, error: &UploadError) {
        let is_unanswered = matches!(error.kind, ErrorKind::Network | ErrorKind::Stalled);
        match task {
            Task::Hash(_) => {}
            Task::Put(_) if is_unanswered => {}
            Task::Put(_) => self.storage_answers(),
            _ if is_unanswered || matches!(error.kind, ErrorKind::Blocked | ErrorKind::Unreadable) => {}
            _ => self.edge_answers(),
        }
    }

    /// Whether the edge has ever answered.
    pub fn has_edge_answered(&self) -> bool {
        self.edge_answered
    }

    /// When [`Reachability::announce`] is due, in milliseconds.
    pub fn announce_at_ms(&self) -> Option<u64> {
        self.announce_at_ms
    }

    /// Whether the edge is to be announced as unreachable: once. While requests are held back, the time begins anew.
    pub fn announce(&mut self, is_held_back: bool, now_ms: u64) -> bool {
        let is_due = self.announce_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if is_due {
            self.announced = !is_held_back;
            self.announce_at_ms = is_held_back.then_some(now_ms + UNREACHABLE_AFTER_MS);
        }
        is_due && self.announced
    }

    /// A part has failed without an answer. `first_parts` were started at once. Returns whether all of them have failed
    /// and the edge is to be asked.
    pub fn part_unanswered(&mut self, first_parts: usize) -> bool {
        self.unanswered += 1;
        !self.storage_answered && self.unanswered >= first_parts.max(MIN_UNANSWERED)
    }

    /// The edge answers although no part gets through. Returns whether the storage counts as unreachable.
    pub fn edge_checked(&mut self) -> bool {
        self.unanswered = 0;
        self.edge_checks += 1;
        !self.storage_answered && self.edge_checks >= MAX_EDGE_CHECKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_without_an_answer_is_announced_once_after_ten_seconds() {
        let mut reachability = Reachability::default();
        assert!(!reachability.announce(false, 99_000), "nothing was asked");
        reachability.edge_requested(1_000);
        reachability.edge_requested(5_000);
        assert_eq!(reachability.announce_at_ms(), Some(11_000));
        reachability.failed(Task::Open, &UploadError::of_kind(ErrorKind::Network));
        assert!(!reachability.announce(false, 10_999) && reachability.announce(false, 11_000));
        reachability.edge_requested(12_000);
        assert!(!reachability.announce(false, 99_000));
    }

    #[test]
    fn pause_delays_the_announcement_and_an_answer_prevents_it() {
        let mut reachability = Reachability::default();
        reachability.edge_requested(0);
        assert!(!reachability.announce(true, 10_000));
        assert_eq!(reachability.announce_at_ms(), Some(20_000));
        reachability.failed(Task::Open, &UploadError::of_kind(ErrorKind::Server));
        assert_eq!(reachability.announce_at_ms(), None);
        assert!(reachability.has_edge_answered());
    }

    #[test]
    fn page_in_place_of_the_edge_is_no_answer_of_it() {
        for kind in [ErrorKind::Blocked, ErrorKind::Unreadable, ErrorKind::Stalled] {
            let mut reachability = Reachability::default();
            reachability.failed(Task::Open, &UploadError::of_kind(kind));
            assert!(!reachability.has_edge_answered(), "{kind:?}");
        }
    }

    #[test]
    fn storage_that_never_answers_is_unreachable_after_three_checks() {
        let mut reachability = Reachability::default();
        for is_last in [false, false, true] {
            assert!((0..5).all(|_| !reachability.part_unanswered(6)));
            assert!(reachability.part_unanswered(6));
            assert_eq!(reachability.edge_checked(), is_last);
        }
    }

    #[test]
    fn storage_that_has_answered_is_never_unreachable() {
        let mut reachability = Reachability::default();
        reachability.failed(Task::Put(1), &UploadError::of_kind(ErrorKind::Throttled));
        assert!((0..99).all(|_| !reachability.part_unanswered(1) && !reachability.edge_checked()));
    }
}
