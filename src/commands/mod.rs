//! One file per subcommand; each reads as a recipe of stages.

mod annotating;
mod base;
pub mod baseline;
pub mod canary;
pub mod check;
pub mod command;
pub mod compare;
pub mod doctor;
pub mod explain;
mod judging;
mod kept;
mod leaving_out;
mod letting;
pub mod merge;
mod merging;
mod output;
pub mod publish;
mod recorded;
mod references;
mod refreshing;
pub mod run_files;
mod session;
mod snapshot;
mod stages;
mod unmeasured;
mod unpublished;
mod useless;
mod vetting;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::failure::{Failure, exit, exit_code};
use crate::measure::process::supervise;

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    if let Command::Supervise { line } = &cli.command {
        let status = supervise::supervise(line);
        return Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)));
    }
    // One thread: while requests are timed nothing else of ours may run beside them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Usage(format!("no runtime could be started: {error}")))?;
    runtime.block_on(Box::pin(dispatch(cli.command)))
}

async fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(arguments) => {
            let outcome = check::check(&arguments).await?;
            Ok(ExitCode::from(exit_code(outcome)))
        }
        Command::Merge(arguments) => {
            let outcome = merge::merge(&arguments).await?;
            Ok(ExitCode::from(exit_code(outcome)))
        }
        Command::Compare(arguments) => {
            let outcome = compare::compare(&arguments)?;
            Ok(ExitCode::from(exit_code(outcome)))
        }
        Command::Explain(arguments) => {
            explain::explain(&arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Baseline { command } => {
            baseline::baseline(&command).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Command(arguments) => {
            Box::pin(command::command(&arguments)).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Publish(arguments) => {
            let code = Box::pin(publish::publish(&arguments)).await?;
            Ok(ExitCode::from(code))
        }
        Command::Doctor(arguments) => {
            doctor::doctor(&arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Canary(arguments) => {
            let is_well = canary::canary(&arguments).await?;
            let code = if is_well { exit::PASSED } else { exit::FAILED };
            Ok(ExitCode::from(code))
        }
        // Handled before there is a runtime.
        Command::Supervise { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Prints what stopped us, on standard error.
#[expect(
    clippy::print_stderr,
    reason = "the one place where failures are shown"
)]
pub fn complain(failure: &Failure) {
    if let Failure::Config(error) = failure {
        annotating::print_mistake(error);
    }
    eprintln!("{}", failure.message());
}
