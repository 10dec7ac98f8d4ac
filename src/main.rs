//! Parse flags, call the library, return its exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match tollgate::commands::run(tollgate::cli::Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            tollgate::commands::complain(&failure);
            failure.exit_code()
        }
    }
}
