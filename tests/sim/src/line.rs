//! What is under way between the browser and the other side, and what fate each request meets.

use crate::cloud::{Signed, edge, store};
use crate::dice::Dice;
use crate::weather::Odds;
use std::collections::VecDeque;
use uploader_core::error::UploadError;
use uploader_core::types::{Command, Task};
use wire::ErrorCode;

/// Decided when a request begins.
#[derive(Clone, Debug)]
pub enum Fate {
    Fine,
    /// Reset, or silent, once so much of it (in permille) is sent.
    Reset(u64),
    Hang(u64),
    /// Carried out, and the answer lost, with or without a sign.
    Unheard {
        silent: bool,
    },
    Refused(UploadError),
    /// The store says that there is no such upload.
    Denied,
    Flipped,
}

impl Fate {
    pub fn draw(dice: &mut Dice, odds: &Odds, task: Task) -> Self {
        if dice.hits(odds.reset) {
            return Self::Reset(dice.below(1_001));
        }
        if dice.hits(odds.hang) {
            return Self::Hang(dice.below(1_001));
        }
        if dice.hits(odds.unheard) {
            return Self::Unheard { silent: dice.coin() };
        }
        match task {
            Task::Put(_) => Self::at_the_store(dice, odds),
            _ => Self::at_the_edge(dice, odds),
        }
    }

    fn at_the_store(dice: &mut Dice, odds: &Odds) -> Self {
        let refused = |code| Self::Refused(store(code));
        if dice.hits(odds.slow_down) {
            let failure = store("SlowDown");
            return Self::Refused(failure.with_retry_after(odds.wish_ms));
        }
        if dice.hits(odds.store_error) {
            return match dice.below(3) {
                0 => refused("RequestTimeout"),
                1 => refused("InsufficientStorage"),
                _ => refused("InternalError"),
            };
        }
        if dice.hits(odds.store_refusal) {
            return refused("AccessDenied");
        }
        if dice.hits(odds.store_denial) {
            return Self::Denied;
        }
        if dice.hits(odds.flip) { Self::Flipped } else { Self::Fine }
    }

    fn at_the_edge(dice: &mut Dice, odds: &Odds) -> Self {
        if dice.hits(odds.edge_error) {
            let codes = [ErrorCode::StorageUnavailable, ErrorCode::CatalogUnavailable, ErrorCode::Internal];
            return Self::Refused(edge(502, codes[dice.below(3) as usize]));
        }
        if dice.hits(odds.edge_throttle) {
            return Self::Refused(edge(429, ErrorCode::Throttled).with_retry_after(dice.below(5_000) as u32));
        }
        if dice.hits(odds.edge_expired) {
            return Self::Refused(edge(401, ErrorCode::Unauthorized));
        }
        if dice.hits(odds.edge_garbage) { Self::Refused(UploadError::bad_answer()) } else { Self::Fine }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the browser, for want of a connection.
    Queued,
    Moving,
    /// All of it is sent.
    Sent,
}

#[derive(Debug)]
pub struct Request {
    pub task: Task,
    /// Somebody waits for the answer.
    pub alive: bool,
    /// Nothing more will be heard of it.
    pub silent: bool,
    pub stage: Stage,
    pub fate: Fate,
    /// What a call asks for, and of which upload.
    pub ask: Option<Command>,
    pub token: String,
    pub signed: Signed,
    pub len: u64,
    pub crc: u64,
    pub begun: u64,
    pub moved: u64,
    pub step: u64,
}

impl Request {
    pub fn put(part: u32, signed: Signed, len: u64, fate: Fate) -> Self {
        Self {
            task: Task::Put(part),
            alive: true,
            silent: false,
            stage: Stage::Queued,
            fate,
            ask: None,
            token: String::new(),
            signed,
            len,
            crc: 0,
            begun: 0,
            moved: 0,
            step: 0,
        }
    }

    pub fn call(task: Task, ask: Command, token: String, fate: Fate) -> Self {
        Self { task, ask: Some(ask), token, stage: Stage::Sent, ..Self::put(0, Signed::default(), 0, fate) }
    }

    fn is_put(&self) -> bool {
        matches!(self.task, Task::Put(_))
    }
}

/// The browser's side of it: at most so many connections to the store.
pub struct Line {
    connections: usize,
    pub requests: Vec<Request>,
    queue: VecDeque<usize>,
    /// Alive, the oldest first.
    alive: Vec<usize>,
}

impl Line {
    pub fn new(connections: usize) -> Self {
        Self { connections, requests: Vec::new(), queue: VecDeque::new(), alive: Vec::new() }
    }

    pub fn add(&mut self, request: Request) -> usize {
        let id = self.requests.len();
        if request.is_put() {
            self.queue.push_back(id);
        }
        self.requests.push(request);
        self.alive.push(id);
        id
    }

    /// The next one in the queue, if there is a connection for it.
    pub fn next_start(&mut self) -> Option<usize> {
        while self.moving() < self.connections {
            let id = self.queue.pop_front()?;
            let request = &mut self.requests[id];
            if request.alive {
                request.stage = Stage::Moving;
                return Some(id);
            }
        }
        None
    }

    pub fn puts_under_way(&self) -> usize {
        self.alive.iter().filter(|id| self.requests[**id].is_put()).count()
    }

    /// How many hold a connection to the store.
    pub fn moving(&self) -> usize {
        let holds = |id: &&usize| self.requests[**id].is_put() && self.requests[**id].stage != Stage::Queued;
        self.alive.iter().filter(holds).count()
    }

    pub fn under_way(&self) -> Vec<usize> {
        self.alive.iter().copied().filter(|id| self.requests[*id].stage != Stage::Queued).collect()
    }

    pub fn end(&mut self, id: usize) {
        self.requests[id].alive = false;
        self.alive.retain(|other| *other != id);
    }

    pub fn cut_off(&mut self, task: Task) {
        if let Some(id) = self.alive.iter().copied().find(|id| self.requests[*id].task == task) {
            self.end(id);
        }
    }

    pub fn drop_all(&mut self) {
        for id in std::mem::take(&mut self.alive) {
            self.requests[id].alive = false;
        }
        self.queue.clear();
    }
}
