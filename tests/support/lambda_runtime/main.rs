//! `lambda_runtime`: a function under AWS Lambda's rules on this machine. Prints `lambda_runtime http://…`, which is its function
//! URL and, at its path, the Invoke API.

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
              [--memory 512] [--timeout 60] [--bearer TOKEN] [--leash] [-- PROGRAM ARGUMENTS...]

  --task     the unpacked zip; its `bootstrap` is run unless a PROGRAM is named
  --bearer   who calls the function URL without a token is given this one
  --leash    ends when its stdin does, and so with whoever holds the other end";

struct Settings {
    function: Function,
    port: u16,
    bearer: Option<HeaderValue>,
    leash: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "{sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let Settings { function, port, bearer, leash } = settings(args)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "lambda_runtime http://{address}").map_err(|error| error.to_string())?;
    let signed_in = function_url::router(Lambda::new(function)).map_request(move |mut request: Request| {
        if let Some(bearer) = &bearer {
            request.headers_mut().entry(header::AUTHORIZATION).or_insert_with(|| bearer.clone());
        }
        request
    });
    tokio::select! {
        served = axum::serve(listener, signed_in.into_make_service()) => served.map_err(|error| error.to_string()),
        () = end_of_stdin(), if leash => Ok(()),
    }
}

async fn end_of_stdin() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: the runtime would wait for one of its.
    std::thread::spawn(move || {
        // An error is an end, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(end);
    });
    let _ = ended.await;
}

fn settings(mut args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings =
        Settings { function: Function::new("", Vec::new()), port: 0, bearer: None, leash: false };
    let (mut task, mut program) = (None, Vec::new());
    while let Some(name) = args.next() {
        match name.as_str() {
            "--leash" => {
                settings.leash = true;
                continue;
            }
            "--" => {
                program = args.collect();
                break;
            }
            _ => {}
        }
        let value = args.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        let wrong = || format!("{name} can't be {value}\n{USAGE}");
        let function = &mut settings.function;
        match name.as_str() {
            "--task" => task = Some(value),
            "--port" => settings.port = value.parse().map_err(|_| wrong())?,
            "--name" => function.name = value,
            "--env" => {
                let (name, value) = value.split_once('=').ok_or_else(wrong)?;
                function.env.push((name.into(), value.into()));
            }
            "--concurrency" => function.concurrency = value.parse().map_err(|_| wrong())?,
            "--memory" => function.memory_mb = value.parse().map_err(|_| wrong())?,
            "--timeout" => function.timeout = Duration::from_secs(value.parse().map_err(|_| wrong())?),
            "--bearer" => settings.bearer = Some(format!("Bearer {value}").parse().map_err(|_| wrong())?),
            _ => return Err(format!("there is no {name}\n{USAGE}")),
        }
    }
    let Function { task, command, .. } = Function::new(task.ok_or(USAGE)?, Vec::new());
    settings.function.task = task;
    settings.function.command = if program.is_empty() { command } else { program };
    Ok(settings)
}
