//! The gate proved on the project itself.
//!
//! That no process is left is looked at after every run, by the support code.

use std::fs;

use serde_json::Value;

use crate::support::{FAST, SLOW, SURE, Sandbox, TOLERANT, config};

fn project() -> Sandbox {
    Sandbox::with_service(&config(&[FAST, SLOW], &[SURE, TOLERANT]))
}

/// A patch that makes `/slow` take so many milliseconds instead of two.
fn patch(project: &Sandbox, milliseconds: &str) -> String {
    let to = format!("SLOW_MS = {milliseconds}");
    project.edit("service.py", "SLOW_MS = 2.0", &to);
    let text = project.git(&["diff", "--relative", "--", "."]);
    project.edit("service.py", &to, "SLOW_MS = 2.0");
    let file = project.outside("slow.patch");
    fs::write(&file, format!("{text}\n")).expect("a folder to write to");
    file.to_string_lossy().into_owned()
}

fn found(project: &Sandbox) -> Value {
    let text = fs::read_to_string(project.result("canary/canary.json")).expect("a result");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_same_code_passes_as_often_as_asked() {
    let project = project();

    let canary = project.run_alone(&["canary", "--aa", "2"]);

    canary.exits(0).prints("against itself, 2 runs");
    canary.prints("runs that would have blocked:  0 of 2");
    let found = found(&project);
    let runs = found["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run["judged"].as_u64() > Some(0)));
    assert!(found["visible"]["endpoint/slow/cpu"]["median"].is_number());
    for number in 1..=2 {
        let run = project.result(&format!("canary/same-code-{number}.json"));
        assert!(run.exists(), "every run is kept");
    }
}

#[test]
fn a_slow_patch_is_blocked_and_nothing_else_accused() {
    let project = project();
    let patch = patch(&project, "9.0");

    let canary = project.run_alone(&["canary", "--patch", &patch, "--only", "slow"]);

    canary.exits(0).prints("PASS  the gate blocks");
    let found = found(&project);
    let accused = found["accused"].as_array().expect("metrics");
    let of_slow = |id: &Value| id.as_str().is_some_and(|id| id.contains("endpoint/slow/"));
    assert!(
        !accused.is_empty() && accused.iter().all(of_slow),
        "{found}"
    );
}

#[test]
fn who_is_accused_beside_it_is_told() {
    let project = project();
    let patch = patch(&project, "9.0");

    let canary = project.run_alone(&["canary", "--patch", &patch, "--only", "fast"]);

    canary
        .exits(1)
        .prints("also accuses what it has no part in");
}

#[test]
fn a_harmless_patch_is_no_proof() {
    let project = project();
    let patch = patch(&project, "2.0 + 0.0");

    let canary = project.run_alone(&["canary", "--patch", &patch]);

    canary.exits(1).prints("it would not have protected you");
}

#[test]
fn a_base_that_does_not_start_proves_nothing() {
    let project = project();
    project.edit("service.py", "SLOW_MS = 2.0", "raise SystemExit('no')");
    project.commit("break the service");

    let canary = project.run(&["canary", "--aa", "1"]);

    canary
        .exits(1)
        .prints("FAIL")
        .prints("could not be measured");
}

#[test]
fn one_of_both_is_needed() {
    let project = project();
    project.run(&["canary"]).exits(2).says("--aa <RUNS>");
    let both = project.run(&["canary", "--aa", "1", "--patch", "x"]);
    both.exits(2).says("cannot be used with");
}
