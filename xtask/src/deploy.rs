//! `cargo xtask deploy --stack NAME`: builds the Lambda and deploys everything with `deploy/deploy.py`.
//! `--dry-run` checks all that can be checked without an account.

use crate::install;
use crate::package::{self, Architecture};
use crate::process::{output, root};
use anyhow::{Context, Error, Result, bail};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Checks the arguments, builds, and deploys.
pub fn deploy(args: &[&str]) -> Result<()> {
    let (architecture, args) = Architecture::from_args(args);
    let (stack, others) = stack_option(&args, "deploy")?;
    let python = install::python()?;
    let mut deploy = deploy_script(&python, "deploy.py");
    deploy.args([stack, "--architecture", architecture.name()]).args(&others);
    // Without --zip it only checks the arguments: a wrong one is found before the build, which takes minutes.
    check_arguments(&mut deploy)?;
    if others.contains(&"--dry-run") {
        check_template(&python)?;
    }
    let zip = package::package(architecture)?;
    exec(deploy.arg("--zip").arg(zip))
}

/// Replaces this process by the script, whose output and exit code become ours.
pub fn exec(command: &mut Command) -> Result<()> {
    Err(Error::new(command.exec()).context("Python can't be run"))
}

/// Runs the tests of the template.
fn check_template(python: &Path) -> Result<()> {
    for (script, checked) in [
        (
            "template.py",
            "cfn-lint accepts the template, moto creates the stack; event rules and parameters are right",
        ),
        ("iam.py", "the roles may do what they need, and nothing to other resources"),
    ] {
        let script = root().join("tests/python").join(script);
        output(python_command(python).arg(&script)).map_err(|_| {
            Error::msg(format!(
                "the template is invalid; `cargo xtask test` or {} shows why",
                script.display()
            ))
        })?;
        println!("ok      {checked}");
    }
    Ok(())
}

/// Runs the script; its stderr is the error message.
fn check_arguments(script: &mut Command) -> Result<()> {
    let output = script.output().context("Python can't be run")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The value of `--stack`, and the other arguments.
pub fn stack_option<'a>(args: &[&'a str], command: &str) -> Result<(&'a str, Vec<&'a str>)> {
    let missing = || format!("--stack NAME is missing: cargo xtask {command} --stack NAME");
    let at = args.iter().position(|arg| *arg == "--stack").with_context(missing)?;
    let name = args.get(at + 1).filter(|name| !name.starts_with('-')).with_context(missing)?;
    let others = args.iter().enumerate().filter(|(index, _)| *index != at && *index != at + 1);
    Ok((name, others.map(|(_, arg)| *arg).collect()))
}

/// A script of `deploy/`, without arguments.
pub fn deploy_script(python: &Path, script: &str) -> Command {
    let mut command = python_command(python);
    command.arg(root().join("deploy").join(script));
    command
}

fn python_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::stack_option;

    #[test]
    fn stack_option_is_found_at_any_position() -> anyhow::Result<()> {
        let (stack, others) = stack_option(&["--dry-run", "--stack", "demo", "--x"], "deploy")?;
        assert_eq!((stack, others), ("demo", vec!["--dry-run", "--x"]));
        Ok(())
    }

    #[test]
    fn stack_option_without_name_is_an_error() {
        for args in [&[][..], &["--stack"], &["--stack", "--dry-run"], &["demo"]] {
            let error = stack_option(args, "deploy").map_err(|error| error.to_string());
            assert!(error.is_err_and(|message| message.contains("--stack NAME is missing")));
        }
    }
}
