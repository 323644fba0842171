//! `cargo xtask bench [NAME]`: compares with other implementations in one run. Each benchmark prints a table and writes
//! its numbers to `target/bench/NAME.json`.

use crate::process::{cargo, create_dir, remove_dir, root, run};
use crate::server::{Server, release_build};
use crate::{install, pack, package, test, up};
use anyhow::{Result, bail};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs the benchmark of that name, or all but the soak.
pub fn bench(args: &[&str]) -> Result<()> {
    match args {
        [] => {
            upload().and_then(|()| s3()).and_then(|()| crc()).and_then(|()| edge()).and_then(|()| convert())
        }
        ["upload"] => upload(),
        ["s3"] => s3(),
        ["crc"] => crc(),
        ["edge"] => edge(),
        ["convert"] => convert(),
        ["soak"] => soak("30"),
        ["soak", "--minutes", minutes] if minutes.parse::<u32>().is_ok_and(|minutes| minutes > 0) => {
            soak(minutes)
        }
        _ => bail!("usage: cargo xtask bench [upload | s3 | crc | edge | convert | soak [--minutes 30]]"),
    }
}

/// Uploaders in headless Chromium, all to one server, which discards what it receives.
fn upload() -> Result<()> {
    let chromium = install::chromium()?;
    let package = pack::pack()?;
    let folder = root().join("tests/bench");
    install::npm_ci_in(&folder)?;
    let fake_server = Server::start(&mut release_build("fake_server")?, "fake_server")?;
    let mut proxy = Server::start(release_build("fault_proxy")?.arg(&fake_server.url), "fault_proxy")?;
    let control = proxy.read_value("control")?;
    run(Command::new("node")
        .args(["upload.mjs", &fake_server.url, &proxy.url, &control])
        .args([&package, &results()?.join("files"), &results()?.join("upload.json")])
        .env("CHROMIUM", chromium)
        .current_dir(folder))
}

/// The local S3 endpoint, as `up` builds it, and a server that discards what it receives, built with the same profile.
fn s3() -> Result<()> {
    let local = up::build_server()?;
    install::npm_ci_in(&root().join("tests/bench"))?;
    run(cargo().args(["build", "--quiet", "--package=tests", "--bin=fake_server"]))?;
    let fake_server =
        Server::start(&mut Command::new(root().join("target/debug/fake_server")), "fake_server")?;
    let data = results()?.join("s3-data");
    let mut local = Command::new(local);
    local.args(["--port", "0", "--data"]).arg(&data).current_dir(root());
    let local = Server::start(&mut local, "ready")?;
    let measured = run(Command::new("node")
        .args(["tests/bench/s3.mjs", &fake_server.url, &local.url, &local.id().to_string()])
        .arg(results()?.join("s3.json"))
        .current_dir(root()));
    drop(local);
    remove_dir(&data)?;
    measured
}

/// `job.json` by the local MediaConvert, and the same outputs by ffmpeg alone.
fn convert() -> Result<()> {
    let (server, python) = (up::build_server()?, install::python()?);
    let (data, folder) = (results()?.join("convert-data"), results()?.join("convert"));
    let mut local = Command::new(server);
    local.args(["--port", "0", "--data"]).arg(&data).current_dir(root());
    let local = Server::start(&mut local, "ready")?;
    let measured = run(Command::new(python)
        .args(["tests/bench/convert.py", &local.url, &local.id().to_string()])
        .args([&folder, &results()?.join("convert.json")])
        .current_dir(root()));
    drop(local);
    remove_dir(&data)?;
    remove_dir(&folder)?;
    measured
}

/// Implementations of CRC64NVME in headless Chromium, over the same bytes in memory.
fn crc() -> Result<()> {
    let chromium = install::chromium()?;
    let build = results()?.join("crc");
    pack::build_wasm(&build, &["bench"])?;
    let folder = root().join("tests/bench");
    install::npm_ci_in(&folder)?;
    run(Command::new("node")
        .arg("crc.mjs")
        .args([&build, &results()?.join("crc.json")])
        .env("CHROMIUM", chromium)
        .current_dir(folder))
}

/// The packaged edge under the Lambda Runtime API beside the same presigning in Python and Node; then presigning alone.
fn edge() -> Result<()> {
    let unpacked = package::unpacked()?;
    let python = install::python()?;
    install::npm_ci_in(&root().join("tests/bench"))?;
    let zip = results()?.join("edge.zip");
    run(Command::new(&python)
        .args(["-m", "zipfile", "-c"])
        .arg(&zip)
        .args([unpacked.join("bootstrap"), unpacked.join("job.json")]))?;
    run(release_build("bench_edge")?
        .args([unpacked, zip, python, results()?.join("edge.json")])
        .current_dir(root()))?;
    run(cargo().args(["run", "--quiet", "--profile=lambda", "--package=edge", "--example=sign"]))
}

/// A light mixed load for minutes on the packaged edge and the local server; memory must stay flat.
fn soak(minutes: &str) -> Result<()> {
    install::ffmpeg()?;
    install::npm_ci_in(&root().join("tests/bench"))?;
    let (edge, data, video) =
        (package::unpacked()?, results()?.join("soak-data"), results()?.join("soak.mp4"));
    let server = test::build_server("local_with_lambda")?;
    run(Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=duration=1:size=320x180:rate=10"])
        .args(["-pix_fmt", "yuv420p"])
        .arg(&video))?;
    remove_dir(&data)?;
    create_dir(&data)?;
    let mut command = Command::new(server);
    command.args(["--port", &free_ports()?.to_string(), "--data"]).arg(&data);
    // Its log would have a line for each call.
    command.env("GRELOUPIS_EDGE", edge).stderr(Stdio::null()).current_dir(root());
    let server = Server::start(&mut command, "ready")?;
    let measured = run(Command::new("node")
        .args(["tests/bench/soak.mjs", &server.url, &server.id().to_string(), minutes])
        .args([&video, &results()?.join("soak.json")])
        .current_dir(root()));
    drop(server);
    remove_dir(&data)?;
    measured
}

/// The first of three consecutive ports that are free: the Lambda's settings name them before the server binds them.
fn free_ports() -> Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..=first.saturating_add(2)).all(is_free) {
            return Ok(first);
        }
    }
    bail!("no three consecutive ports are free")
}

fn results() -> Result<PathBuf> {
    let folder = root().join("target/bench");
    create_dir(&folder)?;
    Ok(folder)
}
