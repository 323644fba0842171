//! The program `local`: parses the command line, starts the whole stack or one service of it, and stops it at
//! SIGTERM or Ctrl-C.

mod args;

use args::{Command, parse};
use local::stack::Stack;
use local::standalone::Standalone;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    match parse(std::env::args().skip(1).collect())? {
        Command::Stack(options) => {
            let stack = Stack::start(options).await?;
            wait_for_signal(&stack.page).await?;
            stack.stop().await;
        }
        Command::S3(options) => {
            let service = Standalone::s3(options).await?;
            wait_for_signal(&service.url).await?;
            service.stop().await;
        }
        Command::MediaConvert(options, s3) => {
            let service = Standalone::mediaconvert(options, s3).await?;
            wait_for_signal(&service.url).await?;
            service.stop().await;
        }
    }
    Ok(())
}

/// Prints the ready line and returns at SIGTERM or Ctrl-C.
async fn wait_for_signal(url: &str) -> Result<(), Box<dyn Error>> {
    let mut terminated = signal(SignalKind::terminate())?;
    // The only line on stdout; scripts wait for it.
    writeln!(std::io::stdout(), "ready {url}").map_err(|error| format!("stdout is closed: {error}"))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    Ok(())
}
