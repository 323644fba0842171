//! The program as a shell sees it: its one line, its sentences, its end.
// Helpers of tests may fail as tests do; clippy's leave is for the test functions only.
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

fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stdout.is_empty(), "no ready line");
    let sentence = String::from_utf8(stderr).unwrap();
    assert!(!sentence.contains("panicked"), "{sentence}");
    sentence
}

#[test]
fn it_says_when_it_is_ready_and_ends_when_told() {
    let data = tempfile::tempdir().unwrap();
    let mut child = local(&data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready http://127.0.0.1:"), "{line}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0), "a clean end");
}

#[test]
fn without_ffmpeg_it_names_the_command_that_installs_it() {
    let data = tempfile::tempdir().unwrap();
    let sentence = refusal(local(&data).env("PATH", "/nowhere"));
    assert!(sentence.contains("ffmpeg") && sentence.contains("apt-get install"), "{sentence}");
}

#[test]
fn bad_arguments_are_named() {
    let data = tempfile::tempdir().unwrap();
    for (args, says) in [
        (["--port", "many"], "--port"),
        (["--port", "65535"], "--port"),
        (["--host", "here"], "--host"),
        (["--speed", "9"], "--speed"),
        (["--job", "nowhere.json"], "nowhere.json"),
        (["--data", "/dev/null/x"], "--data"),
    ] {
        let sentence = refusal(local(&data).args(args));
        assert!(sentence.contains(says), "{args:?}: {sentence}");
    }
    let sentence = refusal(local(&data).arg("--port"));
    assert!(sentence.contains("needs a value"), "{sentence}");
}
