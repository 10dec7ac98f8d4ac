//! `tollgate baseline push` and `pull`: the history of the nights on a branch of its own, against
//! the double of GitHub's git data API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::github::{Fault, Github, REPOSITORY};

const BRANCH: &str = "tollgate-baselines";

/// A project and GitHub.
struct Nights {
    project: Sandbox,
    github: Github,
}

impl Nights {
    fn new() -> Self {
        Self {
            project: Sandbox::with_frontend("", ""),
            github: Github::start(),
        }
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

    fn command(&self, arguments: &[&str]) -> Command {
        let event = self.project.outside("event.json");
        fs::write(&event, "{}").expect("a file");
        let url = self.github.url();
        let mut command = self.project.command(env!("CARGO_BIN_EXE_tollgate"));
        command
            .arg("baseline")
            .args(arguments)
            .env("GITHUB_EVENT_NAME", "schedule")
            .env("GITHUB_EVENT_PATH", event)
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("GITHUB_API_URL", &url)
            .env("GITHUB_GRAPHQL_URL", format!("{url}/graphql"))
            .env("GITHUB_SHA", "d".repeat(40))
            .env("GITHUB_RUN_ID", "7")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_TOKEN", "t-actions")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn push(&self, snapshot: &Path) -> Child {
        let path = snapshot.to_str().expect("a path");
        self.command(&["push", path]).spawn().expect("it starts")
    }

    fn pushed(&self, snapshot: &Path) -> (Option<i32>, String) {
        said(self.push(snapshot))
    }

    fn pulled(&self) {
        let (code, told) = said(self.command(&["pull"]).spawn().expect("it starts"));
        assert_eq!(code, Some(0), "{told}");
    }

    fn file(&self) -> Option<Vec<u8>> {
        self.github
            .look(|world| world.git.file(BRANCH, "main.json"))
    }

    fn times(&self) -> Vec<String> {
        let history: Value = serde_json::from_slice(&self.file().expect("a file")).expect("JSON");
        let runs = history["runs"].as_array().expect("a list").clone();
        let time = |run: &Value| run["measured-at"].as_str().expect("a time").to_owned();
        runs.iter().map(time).collect()
    }
}

/// Exit code and what was said.
fn said(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

#[test]
fn nights_at_once_are_all_kept_and_pulled() {
    let nights = Nights::new();
    let snapshots = ["a.json", "b.json", "c.json"].map(|name| nights.measure(name));
    let children: Vec<Child> = snapshots.iter().map(|one| nights.push(one)).collect();

    for child in children {
        let (code, said) = said(child);
        assert_eq!(code, Some(0), "{said}");
    }

    let times = nights.times();
    assert_eq!(times.len(), 3, "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(nights.github.look(|world| world.git.length(BRANCH)), 3);
    // Kept again, nothing is new.
    let (code, told) = nights.pushed(&snapshots[0]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("nothing is new"), "{told}");

    // Another machine has them all after a pull, and a second one adds none.
    let fresh = nights.project.outside("fresh.db").display().to_string();
    for expected in ["3 new runs", "0 new runs"] {
        let pull = nights.command(&["pull", "--store", &fresh]).spawn();
        let (code, told) = said(pull.expect("it starts"));
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_lost_race_and_lost_answers_lose_no_night() {
    let nights = Nights::new();
    let (first, second) = (nights.measure("a.json"), nights.measure("b.json"));
    let third = nights.measure("c.json");
    assert_eq!(nights.pushed(&first).0, Some(0));
    // Somebody moves the branch between our look and our write: their file stays.
    nights.github.look(|world| {
        let races = [Some(Fault::First(move_on)), Some(Fault::After)];
        world.fail("PATCH /git/refs/{ref}", races);
    });
    let (code, told) = nights.pushed(&second);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("somebody else was faster"), "{told}");
    nights.github.look(|world| {
        world.fail("POST /git/commits", [Some(Fault::After)]);
        world.fail("GET /git/ref/{ref}", [Some(Fault::Before)]);
    });
    let (code, told) = nights.pushed(&third);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(nights.times().len(), 3);
    let other = nights
        .github
        .look(|world| world.git.file(BRANCH, "other.txt"));
    assert_eq!(other, None, "the double keeps one file a commit");
}

/// Another repository's job writes the same history again, in a commit of its own.
fn move_on(world: &mut crate::support::github::World) {
    let now = world.git.file(BRANCH, "main.json").expect("a file");
    world.git.commit(BRANCH, "main.json", &now);
}

#[test]
fn a_damaged_history_is_never_replaced() {
    let nights = Nights::new();
    let snapshot = nights.measure("a.json");
    assert_eq!(nights.pushed(&snapshot).0, Some(0));
    let whole = nights.file().expect("a file");
    let half = &whole[..whole.len() / 2];
    let mut other: Value = serde_json::from_slice(&whole).expect("JSON");
    other["project"] = "other".into();
    for damaged in [half, b"", b"{}", other.to_string().as_bytes()] {
        nights
            .github
            .look(|world| world.git.commit(BRANCH, "main.accepted.json", damaged));
        let fresh = nights.project.outside("fresh.db").display().to_string();
        let pull = nights.command(&["pull", "--store", &fresh]).spawn();
        let (code, told) = said(pull.expect("it starts"));
        assert_eq!(code, Some(4), "{told}");
        assert!(told.contains("main.accepted.json` is"), "{told}");
        nights
            .github
            .look(|world| world.git.commit(BRANCH, "main.json", damaged));
        let (code, told) = nights.pushed(&snapshot);
        assert_ne!(code, Some(0), "{told}");
        assert_eq!(nights.file().as_deref(), Some(damaged), "{told}");
        let fresh = nights.project.outside("fresh.db").display().to_string();
        let pull = nights.command(&["pull", "--store", &fresh]).spawn();
        assert_ne!(said(pull.expect("it starts")).0, Some(0));
    }
}

/// Every metric of a stored run, accepted on pull request 3 for a commit.
fn accepted(project: &Sandbox, commit: &str) -> Value {
    let run = project.run(&["baseline", "show", "1"]);
    let run: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let metrics = run["samples"].as_object().expect("samples").keys();
    let accepted = metrics.map(|metric| {
        json!({
            "commit": commit, "metric": metric, "ceiling": 10.0, "by": "ada", "because": "icons",
            "at": "2030-01-01T00:00:00Z", "pull-request": 3, "measured": 0.5,
        })
    });
    let accepted: Vec<Value> = accepted.collect();
    assert!(!accepted.is_empty());
    json!({ "format": 1, "project": "sandbox", "accepted": accepted })
}

/// A night, a pull request on which everything was accepted that it makes worse, and the main branch
/// that has become worse in the same way; the commit of the pull request. The token may ask about it, or
/// may not.
fn grown(may_ask: bool) -> (Nights, String) {
    let nights = Nights::new();
    if !may_ask {
        nights.github.look(|world| {
            let token = world.tokens.get_mut("t-actions").expect("a token");
            token.permissions.remove("pull_requests").expect("it");
        });
    }
    let project = &nights.project;
    project.run(&["baseline", "refresh"]).exits(0);
    let grow = || project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=90");
    project.git(&["checkout", "--quiet", "-b", "topic"]);
    grow();
    let head = project.commit("more");
    project.git(&["checkout", "--quiet", "main"]);
    let kept = accepted(project, &head).to_string();
    nights.github.pull(&head, 186_853_002);
    nights.github.look(|world| {
        let kept = kept.as_bytes();
        world.git.commit(BRANCH, "main.accepted.json", kept);
    });
    nights.pulled();
    grow();
    (nights, head)
}

#[test]
fn what_was_accepted_and_never_merged_lets_no_night_through() {
    let (nights, head) = grown(false);
    let project = &nights.project;
    project.commit("more, by another way");

    let refused = project.run(&["baseline", "refresh"]);

    refused.exits(1).says("worse than in the last night");
    let said = format!(
        "bundle/web/total was accepted by `ada` on pull request #3 for {}, which does not count: \
         nothing since the last night says that #3 was merged",
        &head[..10]
    );
    refused.prints(&said);
}

#[test]
fn what_was_accepted_lets_a_night_through_once_it_is_squashed_into_the_branch() {
    let (nights, _) = grown(false);
    nights.project.commit("Show more (#3)");
    let stored = nights.project.run(&["baseline", "refresh"]);
    stored.exits(0).prints("`ada` accepted it because icons");
    // What it was for is done: what comes after it is not let through by it.
    let project = &nights.project;
    project.edit("build.sh", "extra_kilobytes=90", "extra_kilobytes=180");
    project.commit("and more");
    let refused = project.run(&["baseline", "refresh"]);
    refused
        .exits(1)
        .prints("which does not count: nothing since");
}

#[test]
fn what_was_accepted_lets_a_night_through_once_its_commit_is_in_the_history() {
    let (nights, _) = grown(false);
    let project = &nights.project;
    project.git(&["checkout", "--quiet", "--", "."]);
    project.git(&["merge", "--quiet", "--no-ff", "-m", "topic", "topic"]);
    let stored = project.run(&["baseline", "refresh"]);
    stored.exits(0).prints("`ada` accepted it because icons");
    project.edit("build.sh", "extra_kilobytes=90", "extra_kilobytes=180");
    project.commit("and more");
    let refused = project.run(&["baseline", "refresh"]);
    refused
        .exits(1)
        .prints("which does not count: it was part of the last night already");
}

#[test]
fn what_was_rebased_is_known_from_github() {
    let (nights, _) = grown(true);
    // Another commit than the accepted one, as a rebase makes it.
    let merged = nights.project.commit("more, on what is there now");
    // GitHub names a commit for one that is not merged too.
    nights.pulled();
    nights.project.run(&["baseline", "refresh"]).exits(1);
    nights
        .github
        .look(|world| world.pulls[0].merged_as = Some(merged));
    nights.pulled();
    let stored = nights.project.run(&["baseline", "refresh"]);
    stored.exits(0).prints("`ada` accepted it because icons");
}

#[test]
fn a_name_counts_only_where_github_was_not_asked() {
    let (nights, _) = grown(true);
    nights.project.commit("Show more (#3)");
    let refused = nights.project.run(&["baseline", "refresh"]);
    refused
        .exits(1)
        .prints("which does not count: GitHub says that #3 is not merged");
}

#[test]
fn a_commit_that_was_not_the_newest_of_its_pull_request_does_not_count() {
    let (nights, _) = grown(true);
    let merged = nights.project.commit("Show more (#3)");
    nights.github.look(|world| {
        let pull = &mut world.pulls[0];
        pull.head = "f".repeat(40);
        pull.merged_as = Some(merged);
    });
    nights.pulled();
    let refused = nights.project.run(&["baseline", "refresh"]);
    refused
        .exits(1)
        .prints("which does not count: superseded: #3 was merged with a newer commit");
}

#[test]
fn a_merge_of_a_later_commit_than_the_accepted_one_does_not_count() {
    let (nights, _) = grown(false);
    let project = &nights.project;
    project.git(&["checkout", "--quiet", "--force", "topic"]);
    project.edit("build.sh", "extra_kilobytes=90", "extra_kilobytes=91");
    project.commit("and a little more");
    project.git(&["checkout", "--quiet", "main"]);
    project.git(&["merge", "--quiet", "--no-ff", "-m", "topic", "topic"]);
    let refused = project.run(&["baseline", "refresh"]);
    refused
        .exits(1)
        .prints("which does not count: superseded: what was merged has a newer commit");
}

#[test]
fn no_branch_is_an_empty_history_only_where_something_can_be_seen() {
    let nights = Nights::new();
    nights.pulled();
    nights.github.look(|world| world.git.is_hidden = true);
    let (code, told) = said(nights.command(&["pull"]).spawn().expect("it starts"));
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("shows this token nothing"), "{told}");
    assert!(told.contains("contents: read"), "{told}");
}

#[test]
fn a_token_that_may_not_write_is_told_what_to_add() {
    let nights = Nights::new();
    let snapshot = nights.measure("a.json");
    nights.github.look(|world| {
        let token = world.tokens.get_mut("t-actions").expect("a token");
        token
            .permissions
            .insert("contents".to_owned(), "read".to_owned());
    });
    let (code, told) = nights.pushed(&snapshot);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("contents: write"), "{told}");
    assert_eq!(nights.file(), None);
}

#[test]
fn what_got_worse_is_no_baseline_until_somebody_says_so() {
    let nights = Nights::new();
    let project = &nights.project;
    project
        .run(&["baseline", "refresh", "--pin", "v1.0"])
        .exits(0)
        .prints("the first night");
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=90");
    project.commit("more");

    let refused = project.run(&["baseline", "refresh"]);
    refused.exits(1).says("the baseline does not advance");
    refused.says("worse than in the last night");
    let list = project.run(&["baseline", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["pinned"], json!("v1.0"));

    // Everything that got worse is accepted by name, and stays visible against the release.
    let report = refused.stderr.clone();
    let mut accept = vec!["baseline", "refresh", "--repeat", "2", "--because", "icons"];
    for metric in ["web initial-js", "web total", "web assets/index.js size"] {
        let label = metric.split(' ').nth(1).expect("a word");
        if label != "assets/index.js" || report.contains("index.js") {
            accept.extend(["--accept", metric]);
        }
    }
    let stored = project.run(&accept);
    stored.exits(0).prints("accepted it because icons");
    stored
        .prints("worse than in release v1.0")
        .prints("stored run 2");
    project
        .run(&["baseline", "accepted"])
        .exits(0)
        .prints("because icons");
    project
        .run(&["baseline", "history", "bundle/web/total"])
        .exits(0)
        .prints("release v1.0");
    project.run(&["baseline", "prune", "--keep", "1"]).exits(0);
    let list = project.run(&["baseline", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.stdout).expect("JSON");
    assert_eq!(
        list.as_array().map(Vec::len),
        Some(2),
        "the pinned run stays"
    );
}
