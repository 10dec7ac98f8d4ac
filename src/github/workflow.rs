//! The files a workflow step talks to GitHub through: job summary and step outputs.
//!
//! Needs no permission and no network. Does nothing outside GitHub Actions.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::annotations;
use crate::model::Outcome;
use crate::report::Pages;

/// GitHub refuses a step's summary above 1 MiB; the comment is far below it.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// Where a step's outputs go.
const OUTPUT: &str = "GITHUB_OUTPUT";

/// Appends the report to the job summary and sets the outputs `outcome`, `report`, `summary` and
/// `regressions`.
pub fn publish(pages: &Pages, outcome: Outcome, home: &Path) -> io::Result<()> {
    summarise(&pages.full)?;
    set_outputs(pages, outcome, home)
}

/// The outputs of [`publish`] without the summary.
pub fn set_outputs(pages: &Pages, outcome: Outcome, home: &Path) -> io::Result<()> {
    if let Some(path) = std::env::var_os(OUTPUT) {
        let report = home.join("report.md").to_string_lossy().into_owned();
        let first = pages.summary.lines().next().unwrap_or_default();
        let mut random = fastrand::Rng::new();
        let text = [
            ("outcome", word(outcome)),
            ("report", &report),
            ("summary", first),
            ("regressions", &pages.regressions.to_string()),
        ]
        .map(|(name, value)| entry(name, value, &mut random))
        .concat();
        append(Path::new(&path), &text)?;
    }
    Ok(())
}

/// Says in the output `settled` that nothing is left to be waited for; does nothing outside GitHub
/// Actions.
pub fn settled() -> io::Result<()> {
    output(&[("settled", "true".to_owned())])
}

/// Sets outputs of the step; does nothing outside GitHub Actions.
pub fn output(outputs: &[(&str, String)]) -> io::Result<()> {
    let Some(path) = std::env::var_os(OUTPUT) else {
        return Ok(());
    };
    let mut random = fastrand::Rng::new();
    let entries = outputs
        .iter()
        .map(|(name, value)| entry(name, value, &mut random));
    append(Path::new(&path), &entries.collect::<String>())
}

/// Appends Markdown to the job summary; does nothing outside GitHub Actions.
pub fn summarise(markdown: &str) -> io::Result<()> {
    match std::env::var_os(SUMMARY) {
        Some(path) => append(Path::new(&path), &format!("{markdown}\n")),
        None => Ok(()),
    }
}

/// Markdown in the job summary that holds until more is known.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    from: u64,
    to: u64,
}

/// Appends Markdown to the job summary that is to be replaced; none outside GitHub Actions.
pub fn draft(markdown: &str) -> io::Result<Option<Draft>> {
    match std::env::var_os(SUMMARY) {
        Some(path) => draft_in(path.into(), markdown).map(Some),
        None => Ok(None),
    }
}

fn draft_in(path: PathBuf, markdown: &str) -> io::Result<Draft> {
    let from = match path.metadata() {
        Ok(facts) => facts.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    append(&path, &format!("{markdown}\n"))?;
    let to = path.metadata()?.len();
    Ok(Draft { path, from, to })
}

impl Draft {
    /// Puts something else in its place; after it, where something else has been added meanwhile.
    pub fn replace(self, markdown: &str) -> io::Result<()> {
        let text = format!("{markdown}\n");
        let mut file = File::options().write(true).open(&self.path)?;
        if file.metadata()?.len() != self.to {
            return append(&self.path, &text);
        }
        file.seek(SeekFrom::Start(self.from))?;
        file.write_all(text.as_bytes())?;
        let end = file.stream_position()?;
        file.set_len(end)
    }
}

/// Has the runner show a warning; does nothing outside GitHub Actions.
#[expect(
    clippy::print_stderr,
    reason = "a message to the runner, not to people"
)]
pub fn warn(text: &str) {
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        eprint!("{}", annotations::warning(text));
    }
}

/// The outcome as an output value.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Fail => "fail",
    }
}

/// An output in the runner's heredoc form. The delimiter is random, and chosen again while the
/// value contains it: a value must never be able to set another output.
fn entry(name: &str, value: &str, random: &mut fastrand::Rng) -> String {
    loop {
        let delimiter = format!("ghadelimiter_{:032x}", random.u128(..));
        if !value.contains(&delimiter) {
            return format!("{name}<<{delimiter}\n{value}\n{delimiter}\n");
        }
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    File::options()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_gives_way_to_what_is_known_later_and_to_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        let read = || std::fs::read_to_string(&path).unwrap();
        append(&path, "of a step before\n").unwrap();
        let draft = draft_in(path.clone(), "a draft that is longer").unwrap();
        assert_eq!(read(), "of a step before\na draft that is longer\n");
        draft.replace("the end").unwrap();
        assert_eq!(read(), "of a step before\nthe end\n");

        let draft = draft_in(path.clone(), "a draft").unwrap();
        append(&path, "of somebody else\n").unwrap();
        draft.replace("the end").unwrap();
        let all = "of a step before\nthe end\na draft\nof somebody else\nthe end\n";
        assert_eq!(read(), all);
    }

    #[test]
    fn a_value_with_newlines_cannot_set_another_output() {
        let mut random = fastrand::Rng::with_seed(1);
        let text = entry("summary", "a\noutcome=pass", &mut random);
        let lines: Vec<&str> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("summary<<").unwrap();
        assert_eq!(lines[1..], ["a", "outcome=pass", delimiter]);
    }
}
