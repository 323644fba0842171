//! `cargo xtask test e2e` and `e2e-lambda`: real browsers against the whole system.

use super::native;
use super::totals::Totals;
use crate::process::root;
use crate::server::Server;
use crate::{install, pack, package, site};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The tests of the packaged Lambda: the faults of the network and of workers don't reach the edge, so they are left out.
const LAMBDA_TESTS: [&str; 5] = ["upload_to_playback", "file_validation", "server_killed", "page", "resume"];

/// All tests, with the edge within the local server and SQLite.
pub fn local(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    let site = build_site()?;
    // It takes files that are too large for a disk.
    let fake_server = Server::start(&mut Command::new(native::build_server("fake_server")?), "fake_server")?;
    let mut command = node_tests(test_files()?, filter, &site, &native::build_server("local")?);
    command
        .env("GRELOUPIS_FAULT_PROXY", native::build_server("fault_proxy")?)
        .env("GRELOUPIS_FAKE_SERVER", &fake_server.url);
    totals.count("end to end", &mut command);
    Ok(())
}

/// The packaged Lambda under its Runtime API, and DynamoDB.
pub fn lambda(totals: &mut Totals, filter: Option<&str>) -> Result<()> {
    let python = install::python()?;
    let edge = package::unpacked()?;
    let site = build_site()?;
    let server = native::build_server("local_with_lambda")?;
    let mut dynamodb = Command::new(python);
    // It ends when its stdin does, so with this process.
    dynamodb.arg(root().join("tests/python/dynamodb_server.py")).stdin(Stdio::piped()).stderr(Stdio::null());
    let dynamodb = Server::start(&mut dynamodb, "aws")?;
    let files = LAMBDA_TESTS.map(|name| format!("tests/e2e/{name}.test.mjs").into()).into();
    let mut command = node_tests(files, filter, &site, &server);
    command.env("GRELOUPIS_EDGE", edge).env("GRELOUPIS_DYNAMODB", &dynamodb.url);
    totals.count("end to end, with the packaged Lambda", &mut command);
    Ok(())
}

/// Installs what the browser tests need and builds the page.
fn build_site() -> Result<PathBuf> {
    install::ffmpeg()?;
    install::chromium()?;
    install::firefox()?;
    install::npm_ci()?;
    site::assemble(&pack::pack()?)
}

/// All files, as some versions of Node take a folder for that and others a pattern.
fn test_files() -> Result<Vec<PathBuf>> {
    let folder = root().join("tests/e2e");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))? {
        files.push(entry?.path());
    }
    files.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    Ok(files)
}

/// Node's test runner with the files whose names contain the filter; if there is none, with the tests that do.
fn node_tests(files: Vec<PathBuf>, filter: Option<&str>, site: &Path, server: &Path) -> Command {
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .current_dir(root())
        .env("GRELOUPIS_SITE", site)
        .env("GRELOUPIS_LOCAL", server);
    let is_selected = |file: &&PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        filter.is_some_and(|filter| name.contains(filter))
    };
    let selected: Vec<_> = files.iter().filter(is_selected).collect();
    match filter {
        Some(filter) if selected.is_empty() => {
            command.arg(format!("--test-name-pattern={filter}")).args(files)
        }
        Some(_) => command.args(selected),
        None => command.args(files),
    };
    command
}
