//! What is to happen, the next thing first.

use crate::cloud::Reply;
use crate::weather::Deed;
use std::cmp::Reverse;

/// Something that happens in a world.
#[derive(Debug)]
pub enum Happening {
    /// The page is loaded.
    Load,
    Deed(Deed),
    /// A pause ends.
    Resume,
    /// The browser says that the network is back.
    Back,
    /// A request gets its connection.
    Start(usize),
    Chunk(usize),
    /// It has arrived at the other side.
    Arrive(usize),
    Answer(usize, Box<Reply>),
    Hashed {
        part: u32,
        round: u32,
    },
}

/// It happens at its time; at the same time, in the order in which it was put down.
pub struct Due {
    pub at: u64,
    pub order: u64,
    pub what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (Reverse(self.at), Reverse(self.order)).cmp(&(Reverse(other.at), Reverse(other.order)))
    }
}
