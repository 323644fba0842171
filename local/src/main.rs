//! The program `local`: parses the command line, starts the stack, and stops it at SIGTERM or Ctrl-C.

use local::origin;
use local::stack::{Options, Stack};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const USAGE: &str = "usage: local [--port 8080] [--data .greloupis] [--host 127.0.0.1] [--allow-origin URL...] [--site DIR] [--job job.json] [--edge URL]";

#[tokio::main]
async fn main() -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,edge=info,local=info"));
    let color = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = parse_options(std::env::args().skip(1))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let stack = Stack::start(options).await?;
    // The only line on stdout; scripts wait for it.
    writeln!(std::io::stdout(), "ready {}", stack.page)
        .map_err(|error| format!("stdout is closed: {error}"))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    stack.stop().await;
    Ok(())
}

/// Parses the command line. `Err` is a sentence for the user.
fn parse_options(args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        host: IpAddr::from([127, 0, 0, 1]),
        port: 8080,
        data: PathBuf::from(".greloupis"),
        site: None,
        edge: None,
        allowed_origins: Vec::new(),
        job: String::new(),
        env: Box::new(|name| std::env::var(name).ok()),
    };
    let mut args = args.peekable();
    let mut job_file = PathBuf::from("job.json");
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        match name.as_str() {
            "--port" => options.port = value.parse().map_err(|_| "--port must be a number below 65534")?,
            "--host" => options.host = value.parse().map_err(|_| "--host must be an IP address")?,
            "--data" => options.data = value.into(),
            "--allow-origin" => {
                let more = std::iter::from_fn(|| args.next_if(|arg| !arg.starts_with("--")));
                for url in std::iter::once(value).chain(more) {
                    let origin = origin::parse(&url).map_err(|error| format!("--allow-origin: {error}"))?;
                    options.allowed_origins.push(origin);
                }
            }
            "--site" => options.site = Some(value.into()),
            "--edge" => options.edge = Some(value),
            "--job" => job_file = value.into(),
            _ => return Err(format!("unknown option {name}\n{USAGE}")),
        }
    }
    options.job = std::fs::read_to_string(&job_file)
        .map_err(|error| format!("{} can't be read: {error}", job_file.display()))?;
    Ok(options)
}
