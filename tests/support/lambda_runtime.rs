//! A Lambda runtime on this machine: for a function and its callers it behaves as AWS Lambda.
//!
//! - `environment`: execution environments, started on demand, one invocation at a time each
//! - `runtime_api`: the Runtime API of one environment
//! - `invoke_api`, `function_url`: the two ways in

pub mod environment;
pub mod function_url;
mod invoke_api;
mod runtime_api;

use bytes::Bytes;
use environment::{Environment, InitFailure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The limit of a synchronous invocation's event, and of its response.
pub const MAX_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// The configuration of a function.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// The folder of the unpacked zip, where the process starts.
    pub task_root: PathBuf,
    /// Program and arguments; `bootstrap` in `task_root` by default.
    pub command: Vec<String>,
    /// The function's own settings. Nothing else of this process's environment reaches it.
    pub env: Vec<(String, String)>,
    /// At most so many environments; further invocations wait.
    pub concurrency: usize,
    pub memory_mb: u32,
    pub timeout: Duration,
    /// File for stdout and stderr of the process; our stderr when absent.
    pub log: Option<PathBuf>,
}

impl Function {
    pub fn new(task_root: impl AsRef<Path>, env: Vec<(String, String)>) -> Self {
        // Absolute, because the process starts in that folder and would resolve a relative path twice.
        let task_root = std::path::absolute(&task_root).unwrap_or_else(|_| task_root.as_ref().into());
        Self {
            name: "edge".into(),
            command: vec![task_root.join("bootstrap").to_string_lossy().into_owned()],
            task_root,
            env,
            concurrency: 2,
            memory_mb: 512,
            timeout: Duration::from_secs(60),
            log: None,
        }
    }
}

/// The outcome of an invocation, as Lambda sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Posted to `…/response`: a success, whatever its content.
    Response(Bytes),
    /// Posted to `…/error`, or Lambda's own error for a process that exited or timed out. Lambda retries an
    /// asynchronous invocation that ends so, then sends it to the dead-letter queue.
    Error(Bytes),
}

/// The figures of the `REPORT` line in the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub duration: Duration,
    /// From process start to its first poll for an event; absent for a warm invocation.
    pub init: Option<Duration>,
    /// The process's peak so far.
    pub memory_kb: u64,
}

#[derive(Clone, Debug)]
pub struct InvocationResult {
    pub outcome: Outcome,
    pub report: Report,
}

/// A function that can be invoked. Dropping it ends its processes.
#[derive(Clone)]
pub struct Lambda(Arc<Inner>);

struct Inner {
    function: Function,
    slots: Semaphore,
    idle: Mutex<Vec<Environment>>,
    invocations: AtomicU64,
}

impl Lambda {
    /// Starts no process; the first invocation does.
    pub fn new(function: Function) -> Self {
        let slots = Semaphore::new(function.concurrency);
        Self(Arc::new(Inner { function, slots, idle: Mutex::default(), invocations: AtomicU64::new(0) }))
    }

    pub fn function(&self) -> &Function {
        &self.0.function
    }

    /// Invokes the function with one event and waits for the outcome.
    pub async fn invoke(&self, event: Bytes) -> InvocationResult {
        let id = self.next_request_id();
        // An error would mean a closed semaphore; it is never closed.
        let _slot = self.0.slots.acquire().await;
        let mut report = Report::default();
        let mut environment = match self.idle_environment() {
            Some(environment) => environment,
            None => match Environment::start(&self.0.function).await {
                Ok(environment) => {
                    report.init = Some(environment.init);
                    environment
                }
                Err(failure) => {
                    return InvocationResult { outcome: Outcome::Error(init_error(&id, failure)), report };
                }
            },
        };
        let (outcome, duration) = environment.run(&id, event, self.0.function.timeout).await;
        report.duration = duration;
        report.memory_kb = environment.memory_kb();
        if environment.is_alive() {
            self.lock_idle().push(environment);
        }
        InvocationResult { outcome, report }
    }

    /// Takes an idle environment; drops those whose process has exited.
    fn idle_environment(&self) -> Option<Environment> {
        let mut idle = self.lock_idle();
        while let Some(mut environment) = idle.pop() {
            if environment.is_alive() {
                return Some(environment);
            }
        }
        None
    }

    fn lock_idle(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request id in the format of Lambda's.
    fn next_request_id(&self) -> String {
        let number = self.0.invocations.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

/// The error of an invocation whose environment failed to start: the function's own, else Lambda's.
fn init_error(id: &str, failure: InitFailure) -> Bytes {
    let InitFailure { posted_error, exit_reason } = failure;
    posted_error
        .unwrap_or_else(|| error("Runtime.ExitError", &format!("RequestId: {id} Error: {exit_reason}")))
}

/// An error in Lambda's format.
fn error(kind: &str, message: &str) -> Bytes {
    let error: Value = json!({ "errorType": kind, "errorMessage": message });
    error.to_string().into()
}
