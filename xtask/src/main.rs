//! The project's commands, `cargo xtask NAME`, one file each.

mod bench;
mod compat;
mod deploy;
mod doctor;
mod install;
mod pack;
mod package;
mod packaging;
mod process;
mod progress;
mod rotate;
mod sbom;
mod server;
mod sim;
mod site;
mod test;
mod up;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  up [--port 8080] [--data DIR] [--host 127.0.0.1] [--allow-origin URL...]
        Builds everything and serves it on this machine: page, uploads, conversion, playback.
        Pages of these other origins, such as http://localhost:5173, may use it, too.
  test [PART [FILTER]]
        Runs all tests, or one part: lint, unit, integration, lambda, sim, wasm, e2e, e2e-lambda.
        FILTER is part of a test's name, with e2e also of a file's.
  sim --seeds N [--seed S] | --seed S
        Simulates N uploads under random faults, or prints one step by step.
  bench [upload | s3 | crc | edge | convert | soak [--minutes 30]]
        Compares with other implementations, on this machine.
  compat garage|clients
        Tests the edge with Garage, another S3 server, as its storage (the first run compiles that); or the local
        S3 with five of its clients.
  pack
        Builds the npm package, in target/npm/.
  packaging [NAME]...
        Installs the npm package in projects of other tools, builds them, and uploads with each.
  package [--x86]
        Builds the Lambda for arm64 or x86, as target/lambda/edge.zip.
  deploy --stack NAME [--dry-run] [--region R] [--bucket B] [--x86] [--parameter NAME=VALUE]...
        Deploys everything on AWS, with deploy/template.yaml.
  doctor --stack NAME [--region R] [--token TOKEN] [--convert-again VIDEO]
        Examines a deployed stack; or only has a failed video's file converted again.
  rotate --stack NAME ORIGIN|TOKEN|CALLBACK [--region R] [--finish]
        Changes a secret of a deployed stack; --finish ends its previous value.
  help
        Prints this.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        ["up", rest @ ..] => up::up(rest),
        ["test", rest @ ..] => test::test(rest),
        ["sim", rest @ ..] => sim::sim(rest),
        ["bench", rest @ ..] => bench::bench(rest),
        ["compat", rest @ ..] => compat::compat(rest),
        ["pack"] => pack::pack().map(drop),
        ["packaging", names @ ..] => packaging::packaging(names),
        ["package", rest @ ..] => package::command(rest),
        ["deploy", rest @ ..] => deploy::deploy(rest),
        ["doctor", rest @ ..] => doctor::doctor(rest),
        ["rotate", rest @ ..] => rotate::rotate(rest),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!(USAGE),
    }
}
