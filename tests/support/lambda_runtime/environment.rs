//! One execution environment: a process with a Runtime API of its own, started as Lambda starts it.

use crate::lambda_runtime::runtime_api::RuntimeApi;
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

/// From process start to the first poll for an event.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Environment {
    child: Child,
    runtime_api: RuntimeApi,
    server: JoinHandle<()>,
    /// From process start to the first poll for an event.
    pub init: Duration,
}

/// A process that never polled for an event.
#[derive(Debug)]
pub struct InitFailure {
    /// The body posted to `/runtime/init/error`.
    pub posted_error: Option<Bytes>,
    /// How the process ended, in Lambda's wording.
    pub exit_reason: String,
}

impl Drop for Environment {
    fn drop(&mut self) {
        // `kill_on_drop` ends the process.
        self.server.abort();
    }
}

impl Environment {
    /// Starts the process and waits for its first poll.
    pub async fn start(function: &Function) -> Result<Self, InitFailure> {
        let unusable = |error: io::Error| InitFailure {
            posted_error: None,
            exit_reason: format!("The process can't be started: {error}"),
        };
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let runtime_api = RuntimeApi::new(function);
        let server = runtime_api.serve(listener);
        let started = Instant::now();
        let child = command(function, address).and_then(|mut command| command.spawn());
        let Ok(mut child) = child.inspect_err(|_| server.abort()) else {
            let exit_reason = format!("{:?} can't be run", function.command);
            return Err(InitFailure { posted_error: None, exit_reason });
        };
        let outcome = tokio::select! {
            () = runtime_api.first_poll() => Ok(()),
            status = child.wait() => Err(exit_reason(status)),
            () = tokio::time::sleep(INIT_TIMEOUT) => Err("Init timed out".to_owned()),
        };
        match outcome {
            Ok(()) => Ok(Self { child, runtime_api, server, init: started.elapsed() }),
            Err(exit_reason) => {
                server.abort();
                Err(InitFailure { posted_error: runtime_api.init_error(), exit_reason })
            }
        }
    }

    /// Runs one invocation and measures it. The process must be alive; it may have exited afterwards.
    pub async fn run(&mut self, id: &str, event: Bytes, limit: Duration) -> (Outcome, Duration) {
        let start = Instant::now();
        let response = self.runtime_api.deliver(id, event, limit);
        let outcome = tokio::select! {
            response = timeout(limit, response) => match response {
                Ok(Some((outcome, at))) => return (outcome, at.duration_since(start)),
                Ok(None) => error("Runtime.Unknown", &format!("RequestId: {id} Error: no response")),
                Err(_) => error("Sandbox.Timedout", &format!(
                    "RequestId: {id} Error: Task timed out after {:.2} seconds", limit.as_secs_f64())),
            },
            status = self.child.wait() => {
                error("Runtime.ExitError", &format!("RequestId: {id} Error: {}", exit_reason(status)))
            }
        };
        // After a timeout the process may still be at work; it may also have exited already.
        let _ = self.child.kill().await;
        (Outcome::Error(outcome), start.elapsed())
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The process's peak so far; 0 where `/proc` has no figure.
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

fn exit_reason(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) if status.success() => "Runtime exited without providing a reason".into(),
        Ok(status) => format!("Runtime exited with error: {status}"),
        Err(error) => format!("Runtime is lost: {error}"),
    }
}

/// The environment has Lambda's variables and the function's own settings, nothing of this process.
fn command(function: &Function, runtime_api: SocketAddr) -> io::Result<Command> {
    let mut args = function.command.iter();
    let program = args.next().map(PathBuf::from).unwrap_or_default();
    let mut command = Command::new(program);
    let log = || match &function.log {
        Some(path) => OpenOptions::new().append(true).create(true).open(path).map(Stdio::from),
        None => io::stderr().as_fd().try_clone_to_owned().map(Stdio::from),
    };
    command
        .args(args)
        .current_dir(&function.task_root)
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
        .env("LAMBDA_TASK_ROOT", &function.task_root)
        .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
        .env("_HANDLER", "bootstrap")
        .env("TZ", ":UTC")
        .env("LANG", "en_US.UTF-8")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(function.env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}
