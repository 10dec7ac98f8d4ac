//! What a run must not leave behind.

use std::fs;
use std::process::Command;

use super::Sandbox;

/// The processes that carry this mark in their environment, as `pid command`. A process that has
/// ended and was not waited for has none.
pub(super) fn processes(id: &str) -> Vec<String> {
    let mark = format!("TOLLGATE_TEST_ID={id}");
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let marked = environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes());
        if marked {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            found.push(format!("{} {line}", process.file_name().to_string_lossy()));
        }
    }
    found
}

/// Worktrees and folders of this run that are still there.
pub(super) fn files(sandbox: &Sandbox, pid: u32) -> Vec<String> {
    let mut found = Vec::new();
    if sandbox.project().join(".git").exists() {
        let worktrees = sandbox.git(&["worktree", "list", "--porcelain"]);
        let others = worktrees
            .lines()
            .filter(|line| line.starts_with("worktree "));
        found.extend(others.skip(1).map(str::to_owned));
    }
    let starts = format!("tollgate-{pid}-");
    for (folder, start) in [
        (std::env::temp_dir(), starts.as_str()),
        (sandbox.result("work"), ""),
    ] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let own = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
        found.extend(own.map(|entry| entry.path().display().to_string()));
    }
    // Tools of ours and git's leave such names when they are interrupted.
    let results = fs::read_dir(sandbox.result("")).into_iter().flatten();
    let unfinished = results.flatten().filter(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|end| end == "unfinished")
    });
    found.extend(unfinished.map(|entry| entry.path().display().to_string()));
    found
}

/// What belongs to the user and must be the same before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repository {
    head: String,
    branches: String,
    stash: String,
    status: String,
    /// Every entry with its mode and hash, and which flags it has.
    index: String,
}

impl Repository {
    /// The state of the sandbox's repository; none when it is none, or has no commit.
    pub(super) fn of(sandbox: &Sandbox) -> Option<Self> {
        let ask = |arguments: &[&str]| -> Option<String> {
            let mut git: Command = sandbox.command("git");
            let output = git
                .arg("--no-optional-locks")
                .args(arguments)
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then_some(text)
        };
        Some(Self {
            head: ask(&["rev-parse", "HEAD"])?,
            branches: ask(&["for-each-ref"])?,
            stash: ask(&["stash", "list"])?,
            status: ask(&["status", "--porcelain=v1", "--untracked-files=all"])?,
            index: ask(&["ls-files", "--stage", "-t"])?,
        })
    }
}
