//! The Lambda: environment, clients, run. Nothing worth testing but by `tests/integration/lambda`, from outside.

mod tame;

use aws_config::BehaviorVersion;
use edge::config::{ConfigError, Place, Setup};
use edge::job::JobTemplate;
use edge::{App, Aws, DropIn, Gate, log};
use lambda_http::request::RequestContext;
use lambda_http::{Adapter, Error, Request, RequestExt, lambda_runtime};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;
use tame::tame;
use tower::ServiceExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let shown = env("RUST_LOG").or_else(|| env("AWS_LAMBDA_LOG_LEVEL"));
    log::start(shown.as_deref().unwrap_or("info"), std::io::stdout);
    let ended = match gate().await {
        Ok(gate) => {
            lambda_runtime::run(Adapter::from(gate.map_request(without_stage)).map_request(tame)).await
        }
        Err(error) => {
            tracing::error!(%error, "the edge can't start");
            // If that fails, Lambda still sees how we end, and the log says why.
            let _ = tell_lambda(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the edge ends");
            ExitCode::FAILURE
        }
    }
}

async fn gate() -> Result<Gate, Error> {
    let env = |name: &str| std::env::var(name).ok();
    let setup = Setup::read(Place::Lambda, env)?;
    let folder = env("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".into());
    let job = std::fs::read_to_string(format!("{folder}/job.json"))
        .map_err(|error| ConfigError(format!("job.json can't be read: {error}")))?;
    let job = JobTemplate::parse(&job).map_err(ConfigError)?;
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    // An endpoint of one's own is a store outside AWS, and those want the bucket in the path.
    let s3_path_style = env("AWS_ENDPOINT_URL_S3").or_else(|| env("AWS_ENDPOINT_URL")).is_some();
    let aws = Aws { s3: &sdk, s3_path_style, mediaconvert: &sdk, dynamodb: &sdk };
    match setup {
        Setup::Whole(config) => Ok(App::new(*config, job, &aws)?.gate()),
        Setup::DropIn(conversion) => {
            tracing::info!("only the tutorial's settings are there: events are handled, HTTP calls are not");
            Ok(DropIn::new(conversion, job, &sdk).gate())
        }
    }
}

/// An API's stage (`/prod/…`) is the API's business. `lambda_http` puts it in front of every path.
fn without_stage(mut request: Request) -> Request {
    let context = request.request_context_ref();
    let stage = match context {
        Some(RequestContext::ApiGatewayV1(context)) => context.stage.as_deref(),
        Some(RequestContext::ApiGatewayV2(context)) => context.stage.as_deref(),
        _ => None,
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let bare = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    if let Some(Ok(bare)) = bare.filter(|bare| bare.starts_with('/')).map(str::parse) {
        *request.uri_mut() = bare;
    }
    request
}

/// Posts the sentence as the reason that there is no start: the console and whoever invokes us show it.
fn tell_lambda(sentence: &str) -> std::io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
    let error = serde_json::json!({ "errorType": "Runtime.InitError", "errorMessage": sentence }).to_string();
    let mut stream = TcpStream::connect(&api)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(
        stream,
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: Runtime.InitError\r\n\
         Content-Length: {}\r\n\r\n{error}",
        error.len(),
    )?;
    // It has arrived once there is an answer.
    stream.read_exact(&mut [0]).map(drop)
}
