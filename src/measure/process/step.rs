//! A step that runs to its end: an install, a build, a preparation, a seed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::spawn::{Supervisor, last_lines};
use super::supervise::describe;

/// Lines of the log an error quotes.
const QUOTED_LINES: usize = 8;

/// What to run.
#[derive(Debug)]
pub struct Step<'a> {
    /// Shell line.
    pub line: &'a str,
    /// Where.
    pub directory: &'a Path,
    /// With what environment beside ours.
    pub environment: &'a BTreeMap<String, String>,
    /// Where its output goes.
    pub log: &'a Path,
    /// How long it may take.
    pub within: Duration,
}

/// A step that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("`{line}` {what} after {} s{}", seconds.round(), quote(last_lines))]
pub struct StepError {
    /// The shell line.
    pub line: String,
    /// What happened: `ended with status 2`, `did not end`.
    pub what: String,
    /// Seconds it ran.
    pub seconds: f64,
    /// The last lines it wrote.
    pub last_lines: Vec<String>,
    /// Where the whole output is.
    pub log: PathBuf,
}

fn quote(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        text.push_str("\n  | ");
        text.push_str(line);
        text
    })
}

/// Runs a step to its end.
pub async fn run(supervisor: &Supervisor, step: &Step<'_>) -> Result<(), Box<StepError>> {
    let start = Instant::now();
    let fail = |what: String| {
        Box::new(StepError {
            line: step.line.to_owned(),
            what,
            seconds: start.elapsed().as_secs_f64(),
            last_lines: last_lines(step.log, QUOTED_LINES),
            log: step.log.to_owned(),
        })
    };
    // An error must quote this run of the step and no earlier one.
    let _absent = std::fs::remove_file(step.log);
    let mut running = supervisor
        .spawn(step.line, step.directory, step.environment, step.log)
        .map_err(|error| fail(format!("could not be started: {error}")))?;
    match tokio::time::timeout(step.within, running.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(fail(describe(status))),
        Ok(Err(error)) => Err(fail(format!("could not be waited for: {error}"))),
        Err(_) => {
            running.end().await;
            Err(fail(format!(
                "did not end within {} s and was stopped",
                step.within.as_secs()
            )))
        }
    }
}
