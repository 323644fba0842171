//! The whole system on one machine.

pub mod db;
pub mod outbox;
