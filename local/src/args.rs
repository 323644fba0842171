//! The command line of `local`.

use local::origin;
use local::stack::Options;
use local::standalone::{S3Endpoint, ServiceOptions};
use std::net::IpAddr;
use std::path::PathBuf;

const USAGE: &str = "usage: local [--port 8080] [--data .greloupis] [--host 127.0.0.1] [--allow-origin URL...] [--site DIR] [--job job.json] [--edge URL]
       local s3 [--port 8081] [--data .greloupis-s3] [--host 127.0.0.1]
       local mediaconvert [--port 8082] [--data .greloupis-mediaconvert] [--host 127.0.0.1] [--s3-endpoint http://127.0.0.1:8081]";

/// The service to run.
pub enum Command {
    Stack(Options),
    S3(ServiceOptions),
    MediaConvert(ServiceOptions, S3Endpoint),
}

/// Parses the command line, without the program's name. `Err` is a sentence for the user.
pub fn parse(args: Vec<String>) -> Result<Command, String> {
    match args.first().map(String::as_str) {
        Some("s3") => s3(pairs(&args[1..])?),
        Some("mediaconvert") => mediaconvert(pairs(&args[1..])?),
        Some(name) if !name.starts_with("--") => Err(format!("unknown command {name}\n{USAGE}")),
        _ => stack(pairs(&args)?),
    }
}

/// Returns each option with its value; one that has several values is repeated.
fn pairs(args: &[String]) -> Result<Vec<(&str, &str)>, String> {
    let mut pairs = Vec::new();
    let mut args = args.iter().map(String::as_str).peekable();
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        pairs.push((name, value));
        if name == "--allow-origin" {
            pairs.extend(
                std::iter::from_fn(|| args.next_if(|arg| !arg.starts_with("--"))).map(|more| (name, more)),
            );
        }
    }
    Ok(pairs)
}

fn s3(args: Vec<(&str, &str)>) -> Result<Command, String> {
    let mut options = service_options(8081, ".greloupis-s3");
    for (name, value) in args {
        if !set_service_option(&mut options, name, value)? {
            return Err(unknown_option(name));
        }
    }
    Ok(Command::S3(options))
}

fn mediaconvert(args: Vec<(&str, &str)>) -> Result<Command, String> {
    let mut options = service_options(8082, ".greloupis-mediaconvert");
    let env = |name| std::env::var(name).ok();
    let mut s3 = S3Endpoint {
        url: "http://127.0.0.1:8081".into(),
        credentials: env("AWS_ACCESS_KEY_ID").zip(env("AWS_SECRET_ACCESS_KEY")),
    };
    for (name, value) in args {
        match name {
            "--s3-endpoint" if value.starts_with("http://") => s3.url = value.into(),
            "--s3-endpoint" => return Err("--s3-endpoint must be a URL of plain HTTP".into()),
            _ if set_service_option(&mut options, name, value)? => {}
            _ => return Err(unknown_option(name)),
        }
    }
    Ok(Command::MediaConvert(options, s3))
}

fn stack(args: Vec<(&str, &str)>) -> Result<Command, String> {
    let mut service = service_options(8080, ".greloupis");
    let mut allowed_origins = Vec::new();
    let (mut site, mut edge, mut job_file) = (None, None, PathBuf::from("job.json"));
    for (name, value) in args {
        match name {
            "--allow-origin" => {
                allowed_origins
                    .push(origin::parse(value).map_err(|error| format!("--allow-origin: {error}"))?);
            }
            "--site" => site = Some(value.into()),
            "--edge" => edge = Some(value.into()),
            "--job" => job_file = value.into(),
            _ if set_service_option(&mut service, name, value)? => {}
            _ => return Err(unknown_option(name)),
        }
    }
    let job = std::fs::read_to_string(&job_file)
        .map_err(|error| format!("{} can't be read: {error}", job_file.display()))?;
    let ServiceOptions { host, port, data } = service;
    let env = Box::new(|name: &str| std::env::var(name).ok());
    Ok(Command::Stack(Options { host, port, data, site, edge, allowed_origins, job, env }))
}

fn service_options(port: u16, data: &str) -> ServiceOptions {
    ServiceOptions { host: IpAddr::from([127, 0, 0, 1]), port, data: data.into() }
}

/// Sets an option that all commands have; returns whether `name` is one.
fn set_service_option(options: &mut ServiceOptions, name: &str, value: &str) -> Result<bool, String> {
    match name {
        "--port" => options.port = value.parse().map_err(|_| "--port must be a number below 65534")?,
        "--host" => options.host = value.parse().map_err(|_| "--host must be an IP address")?,
        "--data" => options.data = value.into(),
        _ => return Ok(false),
    }
    Ok(true)
}

fn unknown_option(name: &str) -> String {
    format!("unknown option {name}\n{USAGE}")
}
