//! A program that says on stdout where it listens, and is stopped when this is dropped.

use crate::tools::{self, Outcome};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

pub struct Server {
    child: Child,
    said: BufReader<ChildStdout>,
    /// Its address, `http://HOST:PORT`.
    pub url: String,
}

impl Server {
    /// Starts it and waits for a line of `word` and its address.
    pub fn start(command: &mut Command, word: &str) -> Outcome<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program} can't be started: {error}"))?;
        let stdout = child.stdout.take().ok_or_else(|| format!("{program} has no stdout"))?;
        let mut server = Self { child, said: BufReader::new(stdout), url: String::new() };
        server.url = server.next(word)?;
        Ok(server)
    }

    /// What its next line says behind `word`.
    pub fn next(&mut self, word: &str) -> Outcome<String> {
        let mut line = String::new();
        // An error shows as a line that isn't the one waited for.
        let _ = self.said.read_line(&mut line);
        let said = line.trim().strip_prefix(word).map(|rest| rest.trim().to_owned());
        said.ok_or_else(|| format!("a server ended before it said `{word}`"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to tell about either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of `tests/`, built; `release` for measuring.
pub fn of_tests(name: &str, release: bool) -> Outcome<Command> {
    let (profile, folder) = if release { ("release", "release") } else { ("dev", "debug") };
    let bin = format!("--bin={name}");
    tools::run(tools::cargo().args(["build", "--quiet", "--package=tests", &bin, "--profile", profile]))?;
    Ok(Command::new(tools::root().join("target").join(folder).join(name)))
}

/// `tests/support/fake_server`: the edge and S3 in one, draining what it gets.
pub fn fake_server(release: bool) -> Outcome<Server> {
    Server::start(&mut of_tests("fake_server", release)?, "fake_server")
}
