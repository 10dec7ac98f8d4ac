//! How often does a procedure cry wolf, and how often does it see the wolf?
//!
//! Every peer's rule, written again from its documentation, and our own code judge the same
//! recorded traces: unchanged code against itself, and code with planted extra work. Then the
//! same in synthetic worlds whose noise is known.
//!
//! ```sh
//! cargo bench --bench verdicts -- FOLDER
//! ```
//!
//! `FOLDER` (relative to the root of the package) holds CSV files, one row per round of one arm;
//! [`traces`] says which columns are read. Any endpoints, designs, planted effects and numbers of
//! visits, blocks and rounds will do. Nothing is timed, so other work on the machine does not
//! matter, and all randomness has a fixed seed: the same folder and the same code print the same
//! text. It takes about a minute on two cores. Exit code 0: printed; 1: the folder cannot be
//! used, with file and line; 2: wrong usage.
//!
//! The output ends with lines `figure PROCEDURE.DESIGN.METRIC.WHAT VALUE`, shares from 0 to 1.
//! To see another folder's figures side by side: `… | grep ^figure`.
//!
//! What this cannot show: the recordings are of one machine. Blocks that the product would
//! measure again or not judge (contended ones, a p95 of fewer than 400 responses) are all used
//! here, for the peers and for ours. `tests/verdict_procedures.rs` holds the peers' arithmetic
//! against known values.

mod designs;
mod procedures;
mod report;
mod results;
mod study;
mod table;
mod traces;
mod worlds;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench --bench verdicts -- FOLDER
FOLDER holds recorded traces, one CSV file a visit.";

fn main() -> ExitCode {
    let Some(folder) = folder() else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    match print(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&format!("error: {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// The only argument; cargo adds `--bench` to it.
fn folder() -> Option<PathBuf> {
    let mut arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let folder = arguments.next()?;
    let is_option = folder.to_str().is_some_and(|text| text.starts_with('-'));
    (!is_option && arguments.next().is_none()).then(|| folder.into())
}

/// The recipe: read, draw and judge many times, print.
fn print(folder: &Path) -> Result<(), String> {
    let visits = traces::load(folder).map_err(|error| error.to_string())?;
    let lanes = designs::lanes(&visits);
    let results = study::run(&lanes, &worlds::WORLDS);
    let text = report::whole(&visits, &results).map_err(|error| error.to_string())?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("cannot print: {error}"))
}

/// Says what is wrong. Where even that cannot be written, the exit code still tells.
fn complain(problem: &str) {
    let _unwritable = writeln!(std::io::stderr(), "{problem}");
}
