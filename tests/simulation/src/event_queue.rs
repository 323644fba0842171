//! The queue of simulated events, ordered by time.

use crate::fake_backend::Reply;
use crate::scenario::Incident;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An event in the simulated world. Numbers are indexes of requests.
#[derive(Debug)]
pub enum WorldEvent {
    PageLoaded,
    Incident(Incident),
    PauseEnded,
    /// The browser reports that the network is back.
    OnlineReported,
    /// A request gets its connection.
    RequestStarted(usize),
    /// A part of a request's body was sent.
    ChunkSent(usize),
    /// A request has reached the backend.
    RequestArrived(usize),
    ResponseArrived(usize, Box<Reply>),
    /// A part was hashed; the hash was dropped if `round` has changed meanwhile.
    Hashed {
        part: u32,
        round: u32,
    },
}

/// A queue that returns the earliest event first, and events of the same time in the order of their insertion.
#[derive(Default)]
pub struct EventQueue {
    heap: BinaryHeap<Scheduled>,
    inserted: u64,
}

struct Scheduled {
    at_ms: u64,
    order: u64,
    event: WorldEvent,
}

impl EventQueue {
    pub fn push(&mut self, at_ms: u64, event: WorldEvent) {
        self.inserted += 1;
        self.heap.push(Scheduled { at_ms, order: self.inserted, event });
    }

    /// The time of the next event.
    pub fn next_at_ms(&self) -> Option<u64> {
        self.heap.peek().map(|next| next.at_ms)
    }

    pub fn pop(&mut self) -> Option<(u64, WorldEvent)> {
        self.heap.pop().map(|next| (next.at_ms, next.event))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (Reverse(self.at_ms), Reverse(self.order)).cmp(&(Reverse(other.at_ms), Reverse(other.order)))
    }
}
