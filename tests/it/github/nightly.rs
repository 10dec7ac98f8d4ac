//! `scripts/keep-baseline`: the history of the nights on a branch of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::Sandbox;

/// A project and a remote repository.
struct Nights {
    project: Sandbox,
}

impl Nights {
    fn new() -> Self {
        let nights = Self {
            project: Sandbox::with_frontend("", ""),
        };
        let remote = nights.remote();
        nights.project.git(&["init", "--quiet", "--bare", &remote]);
        nights
    }

    fn remote(&self) -> String {
        self.project.outside("remote.git").display().to_string()
    }

    /// Measures, and returns the snapshot of that night alone.
    fn measure(&self, name: &str) -> PathBuf {
        let snapshot = self.project.outside("output").join(name);
        let path = snapshot.to_str().expect("a path");
        self.project.run(&["baseline", "refresh"]).exits(0);
        let export = ["baseline", "export", "--limit", "1", path];
        self.project.run(&export).exits(0);
        snapshot
    }

    fn keep(&self, snapshot: &Path) -> Child {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/keep-baseline");
        let mut command: Command = self.project.command(script.to_str().expect("a path"));
        command
            .arg(snapshot)
            .env("REMOTE", self.remote())
            .env("CONFIG", "tollgate.yml")
            .env("TOLLGATE", env!("CARGO_BIN_EXE_tollgate"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the script")
    }

    /// Exit code and what was said.
    fn kept(&self, child: Child) -> (Option<i32>, String) {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    /// What is on the branch.
    fn branch(&self) -> String {
        let remote = self.remote();
        let file = "refs/heads/tollgate-baselines:main.json";
        self.project.git(&["--git-dir", &remote, "show", file])
    }
}

#[test]
fn two_nights_at_once_are_both_kept() {
    let nights = Nights::new();
    let snapshots = ["a.json", "b.json", "c.json"].map(|name| nights.measure(name));
    let children: Vec<Child> = snapshots.iter().map(|one| nights.keep(one)).collect();

    for child in children {
        let (code, said) = nights.kept(child);
        assert_eq!(code, Some(0), "{said}");
    }

    let history: Value = serde_json::from_str(&nights.branch()).expect("a snapshot");
    let runs = history["runs"].as_array().expect("a list");
    let times: Vec<&str> = runs
        .iter()
        .filter_map(|run| run["measured-at"].as_str())
        .collect();
    assert_eq!(times.len(), 3, "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
    // Kept again, nothing is new.
    let (code, said) = nights.kept(nights.keep(&snapshots[0]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing new"), "{said}");
}

#[test]
fn a_damaged_history_is_never_replaced() {
    let nights = Nights::new();
    let snapshot = nights.measure("a.json");
    let (code, said) = nights.kept(nights.keep(&snapshot));
    assert_eq!(code, Some(0), "{said}");
    // Somebody cuts the file on the branch.
    let clone = nights.project.outside("clone");
    let folder = clone.to_str().expect("a path");
    let branch = "tollgate-baselines";
    nights.project.git(&[
        "clone",
        "--quiet",
        "--branch",
        branch,
        &nights.remote(),
        folder,
    ]);
    let file = clone.join("main.json");
    let text = fs::read_to_string(&file).expect("the history");
    fs::write(&file, &text[..text.len() / 2]).expect("a file");
    let user = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
    let commit = [&["-C", folder], &user[..], &["commit", "-aqm", "cut"]].concat();
    nights.project.git(&commit);
    nights.project.git(&["-C", folder, "push", "--quiet"]);
    let before = nights.branch();

    let (code, said) = nights.kept(nights.keep(&nights.measure("b.json")));

    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("is no snapshot of stored runs"), "{said}");
    assert_eq!(nights.branch(), before);
}
