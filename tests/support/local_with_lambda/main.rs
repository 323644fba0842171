//! `local_with_lambda`: takes the arguments of `local` and runs it with the packaged Lambda as the edge, so that
//! the same tests run against both.
//!
//! `lambda_runtime` runs the Lambda beside it. `GRELOUPIS_EDGE` is the folder of the unpacked zip,
//! `GRELOUPIS_DYNAMODB` the server for the catalog (SQLite without it).

mod catalog_table;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tests::token;

/// Used by tests only.
const SECRET: &str = "a secret of at least thirty-two bytes";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // Returns only on failure.
    let message = exec_local(&args);
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::FAILURE
}

fn exec_local(args: &[String]) -> String {
    let lambda = match start_lambda(args) {
        Ok(lambda) => lambda,
        Err(message) => return message,
    };
    // `exec` instead of spawn: signals to this process reach `local`. It inherits the write end of the runtime's
    // stdin, so the runtime exits with it, also after a kill.
    let error = Command::new(sibling_binary("local"))
        .args(args)
        .args(["--edge", &lambda.url])
        .stdin(lambda.stdin)
        .exec();
    format!("`local` can't be started: {error}")
}

struct Lambda {
    url: String,
    stdin: Stdio,
}

fn start_lambda(args: &[String]) -> Result<Lambda, String> {
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name).map(|at| at + 1);
        at.and_then(|at| args.get(at)).ok_or_else(|| format!("{name} must be given"))
    };
    let port: u16 = value("--port")?.parse().map_err(|_| "--port must be a number".to_owned())?;
    let data = Path::new(value("--data")?);
    let edge = std::env::var("GRELOUPIS_EDGE").map_err(|_| "GRELOUPIS_EDGE must name the edge's folder")?;

    let mut command = Command::new(sibling_binary("lambda_runtime"));
    command.args(["--exit-with-parent", "--concurrency", "4", "--task", &edge]);
    for (name, default) in settings(port, data)? {
        // Tests override settings by variables, as they do for `local`.
        let value = std::env::var(name).unwrap_or(default);
        command.args(["--env", &format!("{name}={value}")]);
    }
    if std::env::var_os("AUTH_MODE").is_none() {
        // `local` needs no token, a Lambda always does: the runtime adds one.
        command.args(["--bearer", &token::signed(SECRET, "local")]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`lambda_runtime` can't be started: {error}"))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("`lambda_runtime` has no pipes".into());
    };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let url =
        line.trim().strip_prefix("lambda_runtime ").ok_or("`lambda_runtime` ended before it was ready")?;
    Ok(Lambda { url: url.into(), stdin: stdin.into() })
}

/// A program of the same build.
fn sibling_binary(name: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}

/// The edge's settings beside a `local` on this port.
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
        ("ALLOW_UNKNOWN_DURATION", "yes".into()),
        ("MAX_UPLOAD_BYTES", String::new()),
        ("AWS_ENDPOINT_URL_S3", at(port + 1)),
        ("AWS_ENDPOINT_URL_MEDIACONVERT", at(port + 2)),
    ];
    match std::env::var("GRELOUPIS_DYNAMODB") {
        Ok(server) => {
            let table = catalog_table::table_name(data);
            catalog_table::create(&server, &table)?;
            settings.push(("CATALOG", format!("dynamodb:{table}")));
            settings.push(("AWS_ENDPOINT_URL_DYNAMODB", server));
        }
        Err(_) => settings.push(("CATALOG", format!("sqlite:{}", data.join("catalog.db").display()))),
    }
    Ok(settings)
}
