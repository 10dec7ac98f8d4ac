//! A run of Tollgate that has ended: what it said, and what it wrote.

use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use super::Sandbox;

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Finished<'s> {
    sandbox: &'s Sandbox,
    status: ExitStatus,
    pid: u32,
    /// Everything on standard output.
    pub(crate) stdout: String,
    /// Everything on standard error.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl<'s> Finished<'s> {
    pub(super) fn new(
        sandbox: &'s Sandbox,
        status: ExitStatus,
        pid: u32,
        stdout: String,
        stderr: String,
        took: Duration,
    ) -> Self {
        Self {
            sandbox,
            status,
            pid,
            stdout,
            stderr,
            took,
        }
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "the exit code\n{self}");
        self
    }

    /// The number its process had.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// It was killed by this signal.
    #[track_caller]
    pub(crate) fn was_killed_by(&self, signal: i32) -> &Self {
        assert_eq!(self.status.signal(), Some(signal), "the signal\n{self}");
        self
    }

    /// Standard error contains this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        let said = self.replaced(&self.stderr);
        assert!(said.contains(text), "it does not say `{text}`\n{self}");
        self
    }

    /// Standard error does not contain this.
    #[track_caller]
    pub(crate) fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text), "it says `{text}`\n{self}");
        self
    }

    /// Standard output contains this.
    #[track_caller]
    pub(crate) fn prints(&self, text: &str) -> &Self {
        let printed = self.replaced(&self.stdout);
        assert!(printed.contains(text), "it does not print `{text}`\n{self}");
        self
    }

    /// Standard output does not contain this.
    #[track_caller]
    pub(crate) fn does_not_print(&self, text: &str) -> &Self {
        assert!(!self.stdout.contains(text), "it prints `{text}`\n{self}");
        self
    }

    /// The error message: standard error from `error:` on, with paths and times replaced.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let said = self.replaced(&self.stderr);
        let start = said.find("error: ");
        let start = start.unwrap_or_else(|| panic!("there is no error\n{self}"));
        said[start..].trim_end().to_owned()
    }

    /// `.tollgate/report.md`.
    #[track_caller]
    pub(crate) fn comment(&self) -> String {
        self.file("report.md")
    }

    /// `.tollgate/report.json`.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        self.json("report.json")
    }

    /// `.tollgate/run.json`.
    #[track_caller]
    pub(crate) fn run_file(&self) -> Value {
        self.json("run.json")
    }

    /// The verdict of a metric, such as `endpoint/slow/p50`: `regressed`, `unchanged`, …
    #[track_caller]
    pub(crate) fn verdict(&self, id: &str) -> String {
        let comparison = self.comparison(id);
        let verdict = comparison["verdict"].as_object();
        let word = verdict.and_then(|verdict| verdict.keys().next().cloned());
        word.unwrap_or_else(|| panic!("`{id}` has no verdict\n{self}"))
    }

    /// Everything the report says about a metric.
    #[track_caller]
    pub(crate) fn comparison(&self, id: &str) -> Value {
        let report = self.report();
        let all = report["comparisons"].as_array();
        let found = all.and_then(|all| all.iter().find(|one| one["id"] == id).cloned());
        found.unwrap_or_else(|| panic!("there is no metric `{id}`\n{self}"))
    }

    /// Every verdict of the report, with its metric.
    pub(crate) fn verdicts(&self) -> Vec<(String, String)> {
        let report = self.report();
        let all = report["comparisons"].as_array().cloned();
        all.unwrap_or_default()
            .iter()
            .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
            .map(|id| (id.clone(), self.verdict(&id)))
            .collect()
    }

    /// The folders that hold the data of its services.
    pub(crate) fn data_folders(&self) -> Vec<PathBuf> {
        let start = format!("tollgate-{}-", self.pid);
        let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
        let own = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
        own.map(|entry| entry.path()).collect()
    }

    /// Removes what a killed run could not.
    pub(crate) fn remove_data(&self) {
        for folder in self.data_folders() {
            let _gone = fs::remove_dir_all(folder);
        }
    }

    /// Text with the sandbox's paths, process numbers and times replaced.
    pub(crate) fn replaced(&self, text: &str) -> String {
        let project = self.sandbox.project();
        let folder = self.sandbox.outside("");
        let real = |path: &std::path::Path| {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            path.display().to_string()
        };
        let text = text
            .replace(&real(&project), "PROJECT")
            .replace(&project.display().to_string(), "PROJECT")
            .replace(&real(&folder), "SANDBOX")
            .replace(&format!("work/{}/", self.pid), "work/PID/");
        without_seconds(&text)
    }

    #[track_caller]
    fn file(&self, name: &str) -> String {
        let path = self.sandbox.result(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}\n{self}"))
    }

    #[track_caller]
    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.file(name))
            .unwrap_or_else(|error| panic!("{name} is no JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Finished<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- {} after {:.1?}", self.status, self.took)?;
        writeln!(f, "--- standard error\n{}", self.stderr)?;
        writeln!(f, "--- standard output\n{}", self.stdout)
    }
}

/// Replaces the seconds a step took, as in `ended with status 2 after 1 s`.
fn without_seconds(text: &str) -> String {
    let mut pieces = text.split(" after ");
    let mut replaced = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_time = rest.len() < piece.len() && rest.starts_with(" s");
        let (number, rest) = if is_time { ("N", rest) } else { ("", piece) };
        replaced.push_str(" after ");
        replaced.push_str(number);
        replaced.push_str(rest);
    }
    replaced
}
