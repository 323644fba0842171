//! Runs the scripts of tests/python.

use tokio::process::Command;

/// A command for a script of tests/python, with credentials and region of the local services.
///
/// `GRELOUPIS_PYTHON` is a Python with tests/python/requirements.txt installed: boto3, the AWS CLI, moto and more.
pub fn script(name: &str) -> Command {
    let mut command = interpreter();
    command.arg(format!("{}/python/{name}", env!("CARGO_MANIFEST_DIR")));
    command
}

/// A command that runs this code.
pub fn code(code: &str) -> Command {
    let mut command = interpreter();
    command.args(["-c", code]);
    command
}

/// A command for the AWS CLI.
pub fn aws_cli() -> Command {
    let mut command = interpreter();
    command.args(["-m", "awscli"]);
    command
}

fn interpreter() -> Command {
    let python =
        std::env::var("GRELOUPIS_PYTHON").expect("GRELOUPIS_PYTHON: run by `cargo xtask test integration`");
    let mut command = Command::new(python);
    command
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "locallocal")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a command; returns its stdout. Fails unless it exits with success.
pub async fn stdout(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// Runs a command; returns its stderr and stdout, whatever its exit status.
pub async fn all_output(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// Runs a script that checks something and prints `passed` as its last line if all is well.
pub async fn assert_passes(name: &str, args: &[&str]) {
    let mut command = script(name);
    command.args(args);
    let output = all_output(command).await;
    assert_eq!(output.trim().lines().last(), Some("passed"), "{name} {args:?}: {output}");
}
