//! What this thread logs, for tests to read: JSON as in Lambda, all of ours, and of others what Lambda shows.

use serde_json::Value;
use std::io::{Result, Write};
use std::sync::{Arc, Mutex};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

pub struct Captured {
    log: Log,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Captured {
    /// From here until it is dropped.
    pub fn start() -> Self {
        let log = Log::default();
        let writer = log.clone();
        // As lambda_http sets it up where AWS_LAMBDA_LOG_FORMAT is JSON.
        let subscriber = tracing_subscriber::fmt()
            .with_target(false)
            .without_time()
            .with_env_filter(EnvFilter::new("info,edge=trace"))
            .with_writer(move || writer.clone())
            .json()
            .finish();
        Self { log, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
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
