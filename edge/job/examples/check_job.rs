//! `check_job JOB_JSON`: refuses a job.json that MediaConvert or the stack would refuse, and warns of a missing output
//! that sites rely on. A program of its own, so that xtask compiles without this crate.

use job::JobTemplate;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).ok_or("usage: check_job JOB_JSON".to_owned()).and_then(|path| check(&path))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} can't be read: {error}"))?;
    let job = JobTemplate::parse_validated(&text).map_err(|error| error.to_string())?;
    if let Some(folder) = job.destinations().into_iter().find(|folder| !folder.starts_with("assets/")) {
        return Err(format!("job.json writes to {folder}, but the stack allows outputs under assets/ only"));
    }
    if let Some(key) = job.missing_output() {
        eprintln!("warning: job.json has no output {key}, which sites may rely on");
    }
    Ok(())
}
