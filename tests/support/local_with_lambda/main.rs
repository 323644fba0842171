//! `local_with_lambda`: takes the arguments of `local` and becomes it, but the edge is the packaged Lambda, run by `lambda_runtime`
//! beside us, and its catalog is DynamoDB where `GRELOUPIS_DYNAMODB` says where that is. So what tests `local` tests
//! the Lambda. `GRELOUPIS_EDGE` names the folder of the unpacked zip.

mod catalog;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tests::token;

/// Good for the tests only.
const SECRET: &str = "a secret of at least thirty-two bytes";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // Comes back only when something is wrong.
    let sentence = become_local(&args);
    let _ = writeln!(std::io::stderr(), "{sentence}");
    ExitCode::FAILURE
}

fn become_local(args: &[String]) -> String {
    let lambda = match start_lambda(args) {
        Ok(lambda) => lambda,
        Err(sentence) => return sentence,
    };
    // We take its place, so that a signal to us is one to it. It holds the lambda's leash, and whatever ends it,
    // a kill included, ends the lambda.
    let error =
        Command::new(beside_us("local")).args(args).args(["--edge", &lambda.url]).stdin(lambda.leash).exec();
    format!("`local` can't be started: {error}")
}

struct Lambda {
    url: String,
    leash: Stdio,
}

fn start_lambda(args: &[String]) -> Result<Lambda, String> {
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name).map(|at| at + 1);
        at.and_then(|at| args.get(at)).ok_or_else(|| format!("{name} must be given"))
    };
    let port: u16 = value("--port")?.parse().map_err(|_| "--port must be a number".to_owned())?;
    let data = Path::new(value("--data")?);
    let edge = std::env::var("GRELOUPIS_EDGE").map_err(|_| "GRELOUPIS_EDGE must name the edge's folder")?;

    let mut command = Command::new(beside_us("lambda_runtime"));
    command.args(["--leash", "--concurrency", "4", "--task", &edge]);
    for (name, ours) in settings(port, data)? {
        // Tests set what is to differ as they do for `local`.
        let value = std::env::var(name).unwrap_or(ours);
        command.args(["--env", &format!("{name}={value}")]);
    }
    if std::env::var_os("AUTH_MODE").is_none() {
        // `local` lets everybody in; a Lambda never does, so somebody is signed in all the time.
        command.args(["--bearer", &token::signed(SECRET, "local")]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`lambda_runtime` can't be started: {error}"))?;
    let (Some(leash), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("`lambda_runtime` has no pipes".into());
    };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let url =
        line.trim().strip_prefix("lambda_runtime ").ok_or("`lambda_runtime` ended before it was ready")?;
    Ok(Lambda { url: url.into(), leash: leash.into() })
}

/// A program of the same build.
fn beside_us(name: &str) -> PathBuf {
    let us = std::env::current_exe().unwrap_or_default();
    us.with_file_name(name)
}

/// All settings of the edge, as they are beside a `local` on this port.
fn settings(port: u16, data: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let page = at(port);
    let mut settings = vec![
        ("UPLOAD_BUCKET", "uploads".into()),
        ("DESTINATION_BUCKET", "media".into()),
        ("MEDIA_CONVERT_ROLE", "arn:aws:iam::000000000000:role/local".into()),
        ("CDN_BASE_URL", format!("{page}/cdn")),
        ("UPLOAD_BASE_URL", page),
        ("UPLOAD_TOKEN_SECRET", SECRET.into()),
        ("AUTH_MODE", "jwt".into()),
        ("AUTH_JWT_SECRET", SECRET.into()),
        ("MAX_UPLOAD_BYTES", String::new()),
        ("AWS_ENDPOINT_URL_S3", at(port + 1)),
        ("AWS_ENDPOINT_URL_MEDIACONVERT", at(port + 2)),
    ];
    match std::env::var("GRELOUPIS_DYNAMODB") {
        Ok(server) => {
            let table = catalog::table_of(data);
            catalog::create(&server, &table)?;
            settings.push(("CATALOG", format!("dynamodb:{table}")));
            settings.push(("AWS_ENDPOINT_URL_DYNAMODB", server));
        }
        Err(_) => settings.push(("CATALOG", format!("sqlite:{}", data.join("catalog.db").display()))),
    }
    Ok(settings)
}
