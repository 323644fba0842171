//! Captures the log lines of a test's thread: all of this crate's, and other crates' from level info, as in Lambda.

use serde_json::Value;
use std::cell::RefCell;
use std::io::{Result, Write};
use std::sync::Once;

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The current thread's log, captured until this is dropped.
pub struct Captured(());

/// Writes to the current thread's capture. The subscriber is global: with thread-local subscribers, `tracing` caches
/// that a line is disabled when another thread reaches it first.
struct ThreadWriter;

impl Write for ThreadWriter {
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
            super::start("info,edge=trace", || ThreadWriter);
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
    pub fn lines_of(&self, message: &str) -> Vec<Value> {
        let lines = self.lines().into_iter().map(|mut line| line["fields"].take());
        lines.filter(|fields| fields["message"] == message).collect()
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        LOG.set(None);
    }
}
