//! Progress of a command on stderr: numbered steps with the seconds since the start.

use crate::process;
use anyhow::{Context, Result, ensure};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(100);
const REPORT_INTERVAL: Duration = Duration::from_secs(15);

pub struct Progress {
    started: Instant,
    step: u32,
    steps: u32,
}

impl Progress {
    pub fn new(steps: u32) -> Self {
        Self { started: Instant::now(), step: 0, steps }
    }

    /// Prints that the next step begins.
    pub fn step(&mut self, what: &str) {
        self.step += 1;
        eprintln!("[{}/{}, {} s] {what}", self.step, self.steps, self.started.elapsed().as_secs());
    }

    /// Waits for a background command and prints every 15 s that it still runs.
    pub fn wait(&self, background: &mut Background) -> Result<()> {
        let mut reported = Instant::now();
        while !background.has_succeeded()? {
            if reported.elapsed() >= REPORT_INTERVAL {
                reported = Instant::now();
                let seconds = self.started.elapsed().as_secs();
                eprintln!("[{}/{}, {seconds} s] still running: {}", self.step, self.steps, background.name);
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

/// A command that runs beside others; killed when dropped.
pub struct Background {
    child: Child,
    name: String,
}

impl Background {
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = process::name(command);
        let child = command.spawn().with_context(|| format!("{name} can't be run"))?;
        Ok(Self { child, name })
    }

    /// Whether it has ended well; an error if it has failed.
    pub fn has_succeeded(&mut self) -> Result<bool> {
        let Some(status) = self.child.try_wait()? else { return Ok(false) };
        ensure!(status.success(), "{} failed: {status}", self.name);
        Ok(true)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
