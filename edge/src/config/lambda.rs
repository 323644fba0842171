//! Variables that Lambda sets, and those of the AWS SDK that the edge must know.

use super::{ConfigError, Environment, Mode, SecretArns};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings of the Lambda's process. Every variable has a default.
#[derive(Clone, Debug)]
pub struct LambdaSettings {
    /// A level, or a filter in the syntax of `RUST_LOG`.
    pub log_filter: String,
    /// The folder of the deployed files.
    pub task_root: PathBuf,
    /// Host and port of the Runtime API; empty outside Lambda.
    pub runtime_api: String,
    /// Puts the bucket's name into the path of S3 URLs: a configured endpoint is a store outside AWS.
    pub s3_path_style: bool,
    /// Replaces the address of Secrets Manager.
    pub secrets_endpoint: Option<String>,
    /// The prefix that a gateway or load balancer puts in front of paths, such as `/v1`; empty for none.
    pub base_path: String,
}

impl LambdaSettings {
    /// Reads the process's environment.
    pub fn from_process() -> Self {
        Self::read(variable)
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let log_filter = get("RUST_LOG").or_else(|| get("AWS_LAMBDA_LOG_LEVEL"));
        Self {
            log_filter: log_filter.unwrap_or_else(|| "info".into()),
            task_root: get("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".into()).into(),
            runtime_api: get("AWS_LAMBDA_RUNTIME_API").unwrap_or_default(),
            secrets_endpoint: get("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| get("AWS_ENDPOINT_URL")),
            base_path: base_path(&get("BASE_PATH").unwrap_or_default()),
            s3_path_style: get("AWS_ENDPOINT_URL_S3").or_else(|| get("AWS_ENDPOINT_URL")).is_some(),
        }
    }
}

/// With a slash at its beginning and none at its end.
fn base_path(text: &str) -> String {
    match text.trim().trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

impl Mode {
    /// Reads the process's environment, which is Lambda's. `secrets` are variables that replace those of the environment.
    pub fn from_process(secrets: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        Self::read(Environment::Lambda, |name| secrets.get(name).cloned().or_else(|| variable(name)))
    }
}

impl SecretArns {
    /// Reads the process's environment.
    pub fn from_process() -> Self {
        Self::read(variable)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
