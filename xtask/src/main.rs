//! The project's commands, `cargo xtask NAME`. One file each; `tools` finds and installs what they need.

mod bench;
mod deploy;
mod pack;
mod package;
mod server;
mod sim;
mod site;
mod test;
mod tools;
mod up;
mod wasm_tests;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  up [--port 8080] [--data DIR] [--host 127.0.0.1]   the whole system on this machine
  test                                               everything: format, lints, tests, browsers
  bench [upload | s3 | crc | edge]                          against peers, side by side
  pack                                               the npm package, under target/npm/
  package [--x86]                                    the Lambda, as target/lambda/edge.zip
  deploy --stack NAME [--dry-run] [--region R] [--bucket B] [--x86] [--parameter NAME=VALUE]...
                                                     everything on AWS, from deploy/template.yaml
  doctor --stack NAME [--region R] [--token TOKEN]   examines what was deployed
  sim --seeds N [--seed S] | --seed S                simulated uploads under random faults; one seed, retold
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["up", rest @ ..] => up::up(rest),
        ["test"] => test::test(),
        ["bench", rest @ ..] => bench::bench(rest),
        ["pack"] => pack::pack().map(drop),
        ["package", rest @ ..] => package::command(rest),
        ["deploy", rest @ ..] => deploy::deploy(rest),
        ["doctor", rest @ ..] => deploy::doctor(rest),
        ["sim", rest @ ..] => sim::sim(rest),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}
