//! Tests of the program `local`: its ready line, error messages and exit codes.
// Clippy allows these in test functions only, not in their helpers.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn local(data: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(["--port", "0", "--job", concat!(env!("CARGO_MANIFEST_DIR"), "/../job.json"), "--data"]);
    command.arg(data.path());
    command
}

fn error_message(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stdout.is_empty(), "no ready line");
    let message = String::from_utf8(stderr).unwrap();
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn program_prints_ready_line_and_exits_on_sigterm() {
    let data = tempfile::tempdir().unwrap();
    let mut child = local(&data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready http://127.0.0.1:"), "{line}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0), "exit code after SIGTERM");
}

#[test]
fn single_service_prints_ready_line_and_exits_on_sigterm() {
    for service in ["s3", "mediaconvert"] {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command.args([service, "--port", "0", "--data"]).arg(data.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready http://127.0.0.1:"), "{line}");
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "exit code of {service} after SIGTERM");
    }
}

#[test]
fn missing_ffmpeg_error_names_install_command() {
    let data = tempfile::tempdir().unwrap();
    let message = error_message(local(&data).env("PATH", "/nowhere"));
    assert!(message.contains("ffmpeg") && message.contains("apt-get install"), "{message}");
}

#[test]
fn invalid_argument_error_names_the_argument() {
    let data = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (["--port", "many"], "--port"),
        (["--port", "65535"], "--port"),
        (["--host", "here"], "--host"),
        (["--allow-origin", "http://localhost:5173/app"], "--allow-origin"),
        (["--allow-origin", "*"], "like http://localhost:5173, without a path"),
        (["--speed", "9"], "--speed"),
        (["--job", "nowhere.json"], "nowhere.json"),
        (["--data", "/dev/null/x"], "--data"),
    ] {
        let message = error_message(local(&data).args(args));
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    for (args, expected) in [
        (["s3", "--site", "x"], "--site"),
        (["mediaconvert", "--s3-endpoint", "https://a"], "--s3-endpoint"),
        (["sqs", "--port", "0"], "sqs"),
    ] {
        let message = error_message(Command::new(env!("CARGO_BIN_EXE_local")).args(args));
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    let message = error_message(local(&data).arg("--port"));
    assert!(message.contains("needs a value"), "{message}");
}
