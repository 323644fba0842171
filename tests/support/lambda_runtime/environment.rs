//! One execution environment: a process with a Runtime API of its own, started as Lambda starts it.

use crate::lambda_runtime::runtime_api::Desk;
use crate::lambda_runtime::{Function, Outcome, error};
use bytes::Bytes;
use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a function may take until it asks for its first event.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Environment {
    child: Child,
    desk: Desk,
    server: JoinHandle<()>,
    /// From the start of the process to its first question for work.
    pub init: Duration,
}

/// Why a function never asked for work.
#[derive(Debug)]
pub struct InitFailure {
    /// What it posted to `/runtime/init/error`.
    pub posted: Option<Bytes>,
    /// How it ended, in Lambda's words.
    pub ended: String,
}

impl Drop for Environment {
    fn drop(&mut self) {
        // The process is killed by its own drop.
        self.server.abort();
    }
}

impl Environment {
    /// Starts the process and waits until it asks for work.
    pub async fn start(function: &Function) -> Result<Self, InitFailure> {
        let unusable = |error: io::Error| InitFailure { posted: None, ended: format!("No start: {error}") };
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let desk = Desk::new(function);
        let server = desk.serve(listener);
        let started = Instant::now();
        let child = command(function, address).and_then(|mut command| command.spawn());
        let Ok(mut child) = child.inspect_err(|_| server.abort()) else {
            return Err(InitFailure { posted: None, ended: format!("{:?} can't be run", function.command) });
        };
        let outcome = tokio::select! {
            () = desk.asked() => Ok(()),
            ended = child.wait() => Err(exited(ended)),
            () = tokio::time::sleep(INIT_TIMEOUT) => Err("Init timed out".to_owned()),
        };
        match outcome {
            Ok(()) => Ok(Self { child, desk, server, init: started.elapsed() }),
            Err(ended) => {
                server.abort();
                Err(InitFailure { posted: desk.init_error(), ended })
            }
        }
    }

    /// One invocation, and how long it took. The process must be alive; afterwards it may no longer be.
    pub async fn run(&mut self, id: &str, event: Bytes, limit: Duration) -> (Outcome, Duration) {
        let start = Instant::now();
        let answered = self.desk.hand_out(id, event, limit);
        let outcome = tokio::select! {
            answered = timeout(limit, answered) => match answered {
                Ok(Some((outcome, at))) => return (outcome, at.duration_since(start)),
                Ok(None) => error("Runtime.Unknown", &format!("RequestId: {id} Error: no answer")),
                Err(_) => error("Sandbox.Timedout", &format!(
                    "RequestId: {id} Error: Task timed out after {:.2} seconds", limit.as_secs_f64())),
            },
            ended = self.child.wait() => {
                error("Runtime.ExitError", &format!("RequestId: {id} Error: {}", exited(ended)))
            }
        };
        // After a timeout nobody knows what it is still doing. It may have ended already.
        let _ = self.child.kill().await;
        (Outcome::Error(outcome), start.elapsed())
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The process's peak so far; 0 where the kernel doesn't tell.
    pub fn memory_kb(&self) -> u64 {
        let status =
            self.child.id().and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok());
        let peak = |status: String| {
            let (_, rest) = status.split_once("VmHWM:")?;
            rest.split_whitespace().next()?.parse().ok()
        };
        status.and_then(peak).unwrap_or(0)
    }
}

fn exited(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) if status.success() => "Runtime exited without providing a reason".into(),
        Ok(status) => format!("Runtime exited with error: {status}"),
        Err(error) => format!("Runtime is lost: {error}"),
    }
}

/// Its environment is what Lambda sets and the function's own settings, nothing of ours.
fn command(function: &Function, runtime_api: SocketAddr) -> io::Result<Command> {
    let mut words = function.command.iter();
    let program = words.next().map(PathBuf::from).unwrap_or_default();
    let mut command = Command::new(program);
    let log = || match &function.log {
        Some(path) => OpenOptions::new().append(true).create(true).open(path).map(Stdio::from),
        None => io::stderr().as_fd().try_clone_to_owned().map(Stdio::from),
    };
    command
        .args(words)
        .current_dir(&function.task)
        .stdin(Stdio::null())
        .stdout(log()?)
        .stderr(log()?)
        .kill_on_drop(true)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
        .env("AWS_EXECUTION_ENV", "AWS_Lambda_rust")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "locallocal")
        .env("LAMBDA_TASK_ROOT", &function.task)
        .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
        .env("_HANDLER", "bootstrap")
        .env("TZ", ":UTC")
        .env("LANG", "en_US.UTF-8")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(function.env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}
