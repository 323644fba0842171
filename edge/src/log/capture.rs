//! What a test's thread logs, to be read: as in Lambda, all of ours, and of others what Lambda shows.

use serde_json::Value;
use std::cell::RefCell;
use std::io::{Result, Write};
use std::sync::Once;

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// A log from its start until it is dropped.
pub struct Captured(());

/// One for all threads: a subscriber of one thread alone gets to see only lines that no other thread, which has
/// none, has met before.
struct ToThisThread;

impl Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Captured {
    pub fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            super::start("info,edge=trace", || ToThisThread);
        });
        LOG.set(Some(Vec::new()));
        Self(())
    }

    pub fn text(&self) -> String {
        LOG.with_borrow(|log| String::from_utf8(log.clone().unwrap_or_default()).unwrap())
    }

    /// One JSON object for each line.
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The fields of the lines with this message.
    pub fn of(&self, message: &str) -> Vec<Value> {
        let lines = self.lines().into_iter().map(|mut line| line["fields"].take());
        lines.filter(|fields| fields["message"] == message).collect()
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        LOG.set(None);
    }
}
