//! `lambda_runtime`: runs a function as AWS Lambda does. Prints `lambda_runtime http://…`, the address of its
//! function URL and, at its path, of the Invoke API.

use axum::ServiceExt as _;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tests::lambda_runtime::{Function, Lambda, function_url};
use tokio::net::TcpListener;
use tower::ServiceExt;

const USAGE: &str =
    "usage: lambda_runtime --task DIR [--port 0] [--name edge] [--env NAME=VALUE]... [--concurrency 2]
              [--memory 512] [--timeout 60] [--bearer TOKEN] [--exit-with-parent] [-- PROGRAM ARGUMENTS...]

  --task              the unpacked zip; its `bootstrap` is run unless a PROGRAM is named
  --bearer            token added to requests to the function URL that have none
  --exit-with-parent  exits at the end of stdin, so with the process that holds its other end";

struct Settings {
    function: Function,
    port: u16,
    bearer: Option<HeaderValue>,
    exit_with_parent: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let Settings { function, port, bearer, exit_with_parent } = settings(args)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "lambda_runtime http://{address}").map_err(|error| error.to_string())?;
    let with_bearer = function_url::router(Lambda::new(function)).map_request(move |mut request: Request| {
        if let Some(bearer) = &bearer {
            request.headers_mut().entry(header::AUTHORIZATION).or_insert_with(|| bearer.clone());
        }
        request
    });
    tokio::select! {
        served = axum::serve(listener, with_bearer.into_make_service()) => served.map_err(|error| error.to_string()),
        () = end_of_stdin(), if exit_with_parent => Ok(()),
    }
}

async fn end_of_stdin() {
    let (sender, end) = tokio::sync::oneshot::channel::<()>();
    // A plain thread: at shutdown the runtime would wait for a blocking task of its own.
    std::thread::spawn(move || {
        // An error ends it as well.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(sender);
    });
    let _ = end.await;
}

fn settings(mut args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings =
        Settings { function: Function::new("", Vec::new()), port: 0, bearer: None, exit_with_parent: false };
    let (mut task_root, mut program) = (None, Vec::new());
    while let Some(name) = args.next() {
        match name.as_str() {
            "--exit-with-parent" => {
                settings.exit_with_parent = true;
                continue;
            }
            "--" => {
                program = args.collect();
                break;
            }
            _ => {}
        }
        let value = args.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        let invalid = || format!("{name} can't be {value}\n{USAGE}");
        let function = &mut settings.function;
        match name.as_str() {
            "--task" => task_root = Some(value),
            "--port" => settings.port = value.parse().map_err(|_| invalid())?,
            "--name" => function.name = value,
            "--env" => {
                let (name, value) = value.split_once('=').ok_or_else(invalid)?;
                function.env.push((name.into(), value.into()));
            }
            "--concurrency" => function.concurrency = value.parse().map_err(|_| invalid())?,
            "--memory" => function.memory_mb = value.parse().map_err(|_| invalid())?,
            "--timeout" => function.timeout = Duration::from_secs(value.parse().map_err(|_| invalid())?),
            "--bearer" => settings.bearer = Some(format!("Bearer {value}").parse().map_err(|_| invalid())?),
            _ => return Err(format!("there is no {name}\n{USAGE}")),
        }
    }
    let Function { task_root, command, .. } = Function::new(task_root.ok_or(USAGE)?, Vec::new());
    settings.function.task_root = task_root;
    settings.function.command = if program.is_empty() { command } else { program };
    Ok(settings)
}
