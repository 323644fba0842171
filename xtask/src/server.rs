//! Servers that run while a command does, and are killed when they are dropped.

use crate::process::{self, cargo, root};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Its address, `http://HOST:PORT`.
    pub url: String,
}

impl Server {
    /// Starts it and waits for the line `KEY URL` on its stdout.
    pub fn start(command: &mut Command, key: &str) -> Result<Self> {
        let program = process::name(command);
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("{program} can't be started"))?;
        let stdout = child.stdout.take().with_context(|| format!("{program} has no stdout"))?;
        let mut server = Self { child, stdout: BufReader::new(stdout), url: String::new() };
        server.url = server.read_value(key)?;
        Ok(server)
    }

    /// Reads its next line, `KEY VALUE`, and returns the value.
    pub fn read_value(&mut self, key: &str) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).context("a server's stdout can't be read")?;
        let value = line.trim().strip_prefix(key).map(|value| value.trim().to_owned());
        value.with_context(|| format!("a server ended before it printed `{key}`"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A release build of a program of `tests/`, for benchmarks.
pub fn release_build(program: &str) -> Result<Command> {
    process::run(cargo().args(["build", "--quiet", "--release", "--package=tests", "--bin", program]))?;
    Ok(Command::new(root().join("target/release").join(program)))
}
