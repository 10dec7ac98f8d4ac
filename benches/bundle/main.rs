//! How fast and how right the weighing of bundles is, beside other tools: `cargo bench --bench bundle`.
//!
//! Installs the peers from npm (once), weighs a generated build of 1,000 files with ours, with the
//! measuring code of size-limit and of compressed-size-action, and with Node's zlib; then builds
//! three apps, with Vite, webpack and esbuild, and holds the results against what the bundlers wrote
//! and against what Chromium transfers. Ends with lines `figure NAME VALUE`; a check that does not hold
//! ends it with an error.

mod apps;
mod speed;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Answer<T> = Result<T, Box<dyn Error>>;

fn main() -> Answer<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        // `cargo test --benches` only asks whether it starts.
        return Ok(());
    }
    let peers = prepare("peers")?;
    let mut figures = speed::compare(&peers)?;
    figures.extend(apps::check(&peers)?);
    for (name, value) in figures {
        say(&format!("figure {name} {value}"));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn say(line: &str) {
    println!("{line}");
}

/// A copy of that folder beside this file with everything installed.
fn prepare(name: &str) -> Answer<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bundle");
    let sources = sources.join(name);
    let app = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("bundle")
        .join(name);
    if app.join("src").exists() {
        fs::remove_dir_all(app.join("src"))?;
    }
    copy(&sources, &app)?;
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&app))?;
    Ok(app)
}

fn copy(from: &Path, to: &Path) -> Answer<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Runs a command to its end and returns what it printed.
fn run(command: &mut Command) -> Answer<String> {
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}: {said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// An empty folder below the target folder.
fn fresh(name: &str) -> Answer<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("bundle")
        .join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
