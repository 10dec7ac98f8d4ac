//! Is the load generator honest, and is it as fast as the fastest?
//!
//! Drives the same servers with Tollgate's own engine and with its peers, one after the other in
//! random order, again and again, the server on the first core and the client on the last.
//!
//! ```sh
//! cargo bench --bench http                 # everything, about ten minutes
//! cargo bench --bench http -- rps open     # some of: rps truth open stall pairs memory
//! ```
//!
//! Peers: `wrk` and `ab` from the distribution (packages `wrk`, `apache2-utils`); `oha` and
//! `autocannon` are installed below `target/peers` from crates.io and npm on the first run.
//! Needs two cores with nothing else on them: what else runs is part of every figure, and the
//! share of the machine that others took is printed.
//!
//! The output ends with lines `figure NAME VALUE`. A ratio is the median of the ratios of runs
//! that stood side by side. Exit code 0: printed; 1: a part is missing, with what to install.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, whose output is what it is for"
)]

mod clients;
mod experiments;
mod peers;
mod server;

use std::process::ExitCode;

const USAGE: &str =
    "usage: cargo bench --bench http -- [rps] [truth] [open] [stall] [pairs] [memory]";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // What cargo itself adds.
    arguments.retain(|argument| argument != "--bench");
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve-fast"] => server::fast(),
        ["serve"] => server::slow(),
        ["drive", address, path, load, seconds] => clients::drive(address, path, load, seconds),
        ["drive-hyper", address, connections, seconds] => {
            clients::drive_hyper(address, connections, seconds)
        }
        ["pairs", base, head, seconds, order] => clients::pairs(base, head, seconds, order),
        ["burn", seed] => clients::burn(seed),
        ["memory", address, requests] => clients::memory(address, requests),
        words => match words.iter().find(|word| !experiments::ALL.contains(word)) {
            Some(unknown) => Err(format!("unknown `{unknown}`\n{USAGE}")),
            None => experiments::run(words),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
