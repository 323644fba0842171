//! The Lambda: reads the settings, builds the clients, runs. Tested from outside, as the built binary.

use aws_config::BehaviorVersion;
use edge::config::{ConfigError, LambdaSettings, Mode, SecretArns};
use edge::job::JobTemplate;
use edge::{Aws, Edge, EventsOnly, LambdaService, log, sanitize_event, secrets};
use lambda_http::{Adapter, Error, lambda_runtime};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;
use tower::ServiceExt;

const INIT_ERROR_TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = LambdaSettings::from_process();
    log::start(&settings.log_filter, std::io::stdout);
    let service = match lambda_service(&settings).await {
        Ok(service) => service,
        Err(error) => {
            tracing::error!(%error, "the edge can't start");
            // If the report fails, Lambda still sees the exit code, and the log has the reason.
            let _ = report_init_error(&settings.runtime_api, &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let handler = Adapter::from(service).map_request(move |event| sanitize_event(event, &settings.base_path));
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}

async fn lambda_service(settings: &LambdaSettings) -> Result<LambdaService, Error> {
    let job = std::fs::read_to_string(settings.task_root.join("job.json"))
        .map_err(|error| ConfigError(format!("job.json can't be read: {error}")))?;
    let job = JobTemplate::parse(&job)?;
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let endpoint = settings.secrets_endpoint.as_deref();
    let secrets = secrets::fetch(&sdk, endpoint, &SecretArns::from_process()).await?;
    let mode = Mode::from_process(&secrets)?;
    match mode {
        Mode::Full(config) => {
            let s3_path_style = settings.s3_path_style;
            let aws = Aws { s3: &sdk, s3_path_style, mediaconvert: &sdk, dynamodb: &sdk };
            Ok(Edge::new(*config, job, &aws)?.lambda_service())
        }
        Mode::EventsOnly(conversion) => {
            tracing::info!("no setting of the HTTP API is present: only events are handled");
            Ok(EventsOnly::new(conversion, job, &sdk).lambda_service())
        }
    }
}

/// Posts an init error to the Runtime API, so that the console and callers show the sentence.
fn report_init_error(runtime_api: &str, message: &str) -> std::io::Result<()> {
    let error = serde_json::json!({ "errorType": "Runtime.InitError", "errorMessage": message }).to_string();
    let mut stream = TcpStream::connect(runtime_api)?;
    stream.set_read_timeout(Some(INIT_ERROR_TIMEOUT))?;
    write!(
        stream,
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {runtime_api}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: Runtime.InitError\r\n\
         Content-Length: {}\r\n\r\n{error}",
        error.len(),
    )?;
    // The first byte of the response shows that the report arrived.
    stream.read_exact(&mut [0]).map(drop)
}
