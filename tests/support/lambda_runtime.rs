//! AWS Lambda around a real function, as far as the function and its callers can tell: execution environments
//! that start when they are needed and serve one invocation at a time (`environment`), the Runtime API that
//! each of them has for itself (`runtime_api`), the Invoke API and a function URL in front (`invoke_api`, `function_url`).

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

/// In bytes: of an event that somebody waits for, and of the answer to it.
pub const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// What Lambda is told of a function.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// The unpacked zip.
    pub task: PathBuf,
    /// What is run in it; its `bootstrap` unless another runtime is to be measured.
    pub command: Vec<String>,
    /// The function's own settings. Nothing else of our environment reaches it.
    pub env: Vec<(String, String)>,
    /// How many environments there are at the most; who comes then waits.
    pub concurrency: usize,
    pub memory_mb: u32,
    pub timeout: Duration,
    /// Where it writes to; our stderr unless told.
    pub log: Option<PathBuf>,
}

impl Function {
    pub fn new(task: impl AsRef<Path>, env: Vec<(String, String)>) -> Self {
        // It is where the process starts: a relative path would lead elsewhere.
        let task = std::path::absolute(&task).unwrap_or_else(|_| task.as_ref().into());
        Self {
            name: "edge".into(),
            command: vec![task.join("bootstrap").to_string_lossy().into_owned()],
            task,
            env,
            concurrency: 2,
            memory_mb: 512,
            timeout: Duration::from_secs(60),
            log: None,
        }
    }
}

/// What came of an invocation, as Lambda sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Posted to `…/response`: a success, whatever stands in it.
    Response(Bytes),
    /// Posted to `…/error`, or Lambda's own word about a process that ended or took too long: an invocation
    /// without a waiting caller is tried again, and then goes to the dead-letter queue.
    Error(Bytes),
}

/// Lambda's line in the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub duration: Duration,
    /// From the start of the process to its first question for work, where this invocation had to wait for it.
    pub init: Option<Duration>,
    /// Of the process, at its peak so far.
    pub memory_kb: u64,
}

#[derive(Clone, Debug)]
pub struct Invoked {
    pub outcome: Outcome,
    pub report: Report,
}

/// A function that can be invoked. Dropping it ends its processes.
#[derive(Clone)]
pub struct Lambda(Arc<Inner>);

struct Inner {
    function: Function,
    turns: Semaphore,
    idle: Mutex<Vec<Environment>>,
    invocations: AtomicU64,
}

impl Lambda {
    /// Starts nothing yet: the first invocation does.
    pub fn new(function: Function) -> Self {
        let turns = Semaphore::new(function.concurrency);
        Self(Arc::new(Inner { function, turns, idle: Mutex::default(), invocations: AtomicU64::new(0) }))
    }

    pub fn function(&self) -> &Function {
        &self.0.function
    }

    /// Hands the function one event and waits for what comes of it.
    pub async fn invoke(&self, event: Bytes) -> Invoked {
        let id = self.request_id();
        // Nobody closes it.
        let _turn = self.0.turns.acquire().await;
        let mut report = Report::default();
        let ready = self.idle();
        let mut environment = match ready {
            Some(environment) => environment,
            None => match Environment::start(&self.0.function).await {
                Ok(environment) => {
                    report.init = Some(environment.init);
                    environment
                }
                Err(failure) => return Invoked { outcome: Outcome::Error(told(&id, failure)), report },
            },
        };
        let (outcome, duration) = environment.run(&id, event, self.0.function.timeout).await;
        report.duration = duration;
        report.memory_kb = environment.memory_kb();
        if environment.is_alive() {
            self.lock().push(environment);
        }
        Invoked { outcome, report }
    }

    /// An environment that waits for work; those whose process has ended meanwhile are forgotten.
    fn idle(&self) -> Option<Environment> {
        let mut idle = self.lock();
        while let Some(mut environment) = idle.pop() {
            if environment.is_alive() {
                return Some(environment);
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the form of Lambda's ids.
    fn request_id(&self) -> String {
        let number = self.0.invocations.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

/// What a caller hears of a function that can't start: its own words, or Lambda's.
fn told(id: &str, failure: InitFailure) -> Bytes {
    let InitFailure { posted, ended } = failure;
    posted.unwrap_or_else(|| error("Runtime.ExitError", &format!("RequestId: {id} Error: {ended}")))
}

/// An error in Lambda's own form.
fn error(kind: &str, message: &str) -> Bytes {
    let error: Value = json!({ "errorType": kind, "errorMessage": message });
    error.to_string().into()
}
