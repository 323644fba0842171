//! `cargo xtask deploy --stack NAME` and `cargo xtask doctor --stack NAME`: what `deploy/` holds, run with the Python
//! of the tests, which has the AWS CLI. `--dry-run` checks all that can be checked without an account.

use crate::package::{self, Architecture};
use crate::tools::{self, Outcome};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Looks at what was given, builds, and deploys.
pub fn deploy(args: &[&str]) -> Outcome {
    let (architecture, rest) = Architecture::from_words(args);
    let (stack, words) = stack(&rest, "deploy")?;
    let python = tools::python()?;
    let mut deploy = python_in_deploy(&python, "deploy.py");
    deploy.args([stack, "--architecture", architecture.name()]).args(&words);
    // Without a zip it looks whether all is given, so that nobody waits for a build in vain.
    sentence_of(&mut deploy)?;
    if words.contains(&"--dry-run") {
        judge(&python)?;
    }
    let zip = package::package(architecture)?;
    become_it(deploy.arg("--zip").arg(zip))
}

/// Examines a living stack.
pub fn doctor(args: &[&str]) -> Outcome {
    let (stack, words) = stack(args, "doctor")?;
    become_it(python_in_deploy(&tools::python()?, "doctor.py").arg(stack).args(words))
}

/// Its output, its sentences and its end are ours from here on.
fn become_it(command: &mut Command) -> Outcome {
    Err(format!("Python can't be run: {}", command.exec()))
}

/// The template judged as the tests do it.
fn judge(python: &Path) -> Outcome {
    for (script, what) in [
        ("template.py", "cfn-lint is content, moto makes the stack, events and parameters are sorted out"),
        ("iam.py", "the roles may do what they must, and nothing to their neighbours"),
    ] {
        let script = tools::root().join("tests/python").join(script);
        tools::output_of(python_command(python).arg(&script)).map_err(|_| {
            format!("the template isn't good; `cargo xtask test` or {} says why", script.display())
        })?;
        println!("ok      {what}");
    }
    Ok(())
}

/// Runs a command that ends well or with one sentence.
fn sentence_of(command: &mut Command) -> Outcome {
    let output = command.output().map_err(|error| format!("Python can't be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// `--stack NAME` and what else there is.
fn stack<'a>(args: &[&'a str], command: &str) -> Outcome<(&'a str, Vec<&'a str>)> {
    let missing = || format!("--stack NAME is missing: cargo xtask {command} --stack NAME");
    let at = args.iter().position(|word| *word == "--stack").ok_or_else(missing)?;
    let name = args.get(at + 1).filter(|name| !name.starts_with('-')).ok_or_else(missing)?;
    let others = args.iter().enumerate().filter(|(index, _)| *index != at && *index != at + 1);
    Ok((name, others.map(|(_, word)| *word).collect()))
}

fn python_in_deploy(python: &Path, script: &str) -> Command {
    let mut command = python_command(python);
    command.arg(tools::root().join("deploy").join(script));
    command
}

fn python_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::stack;

    #[test]
    fn the_stack_is_found_among_the_words() {
        assert_eq!(
            stack(&["--dry-run", "--stack", "demo", "--x"], "deploy"),
            Ok(("demo", vec!["--dry-run", "--x"]))
        );
        for words in [&[][..], &["--stack"], &["--stack", "--dry-run"], &["demo"]] {
            assert!(
                stack(words, "deploy").is_err_and(|sentence| sentence.contains("--stack NAME is missing"))
            );
        }
    }
}
