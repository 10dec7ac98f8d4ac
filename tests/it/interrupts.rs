//! Ctrl-C, SIGTERM and `kill -9`, at several moments.
//!
//! That nothing is left is looked at after every run, by the support code.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{DETACH, FAST, Running, SHORT, SLOW, Sandbox, TOLERANT, config};

/// Leaves a mark and then takes much longer than anybody waits, in several processes.
const ENDLESS: &str = "(sleep 600 &) ; touch $MARKS/here; sleep 600\n";
const MOMENT: Duration = Duration::from_millis(100);

fn service() -> Sandbox {
    Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]))
}

/// In the middle of the second block.
fn measuring(project: &Sandbox) -> Running<'_> {
    project
        .start(&["check"])
        .until_it_says("block 2/3")
        .and_then(MOMENT)
}

#[test]
fn ctrl_c_ends_a_check_in_the_middle_of_an_install() {
    let install = "    install: { run: sh install.sh, inputs: [install.sh] }\n";
    let project = Sandbox::with_frontend(install, "");
    project.write("install.sh", ENDLESS);

    let running = project.start(&["check"]).until_mark("here");
    assert!(running.processes().len() >= 3, "{:?}", running.processes());
    let check = running.press_ctrl_c().finish();

    check.exits(130);
    assert_eq!(
        check.error(),
        "error: interrupted; every process that was started has been ended"
    );
    assert!(!project.result("report.md").exists());
}

#[test]
fn ctrl_c_ends_a_check_in_the_middle_of_a_build() {
    let project = Sandbox::with_frontend("", "");
    project.write("build.sh", ENDLESS);

    let running = project.start(&["check"]).until_mark("here");

    running.press_ctrl_c().finish().exits(130);
}

#[test]
fn ctrl_c_ends_a_check_whose_services_are_starting() {
    let project = service();
    project.edit(
        "service.py",
        "import json",
        "import time; time.sleep(600)\nimport json",
    );

    let running = project
        .start(&["check"])
        .until_it_says("start services: app")
        .and_then(Duration::from_millis(500));
    assert!(running.processes().len() >= 2, "{:?}", running.processes());

    running.press_ctrl_c().finish().exits(130);
}

#[test]
fn ctrl_c_ends_a_check_that_is_measuring() {
    let project = service();

    measuring(&project).press_ctrl_c().finish().exits(130);
}

/// Several requests at once: one arm answers, the other is frozen.
fn with_load() -> Sandbox {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { concurrency: 4 } }\n";
    let long = "measure: { blocks: 3, confirmation-blocks: 3, block: 20 s, warm-up: 50 ms }";
    Sandbox::with_service(&config(&[slow], &[long, TOLERANT]))
}

fn under_load(project: &Sandbox) -> Running<'_> {
    let running = project
        .start(&["check"])
        .until_it_says("block 1/3")
        .and_then(Duration::from_secs(2));
    assert!(!running.frozen().is_empty(), "{:?}", running.processes());
    running
}

#[test]
fn ctrl_c_ends_a_check_whose_idle_arm_is_frozen() {
    let project = with_load();

    under_load(&project).press_ctrl_c().finish().exits(130);
}

#[test]
fn a_killed_check_leaves_no_frozen_process() {
    let project = with_load();

    let killed = under_load(&project).send(Signal::SIGKILL).finish_killed();
    killed.remove_data();
}

#[test]
fn ctrl_c_ends_a_check_that_is_checking_out() {
    let project = Sandbox::with_frontend("", "");
    // A filter, as large files have one, that takes its time.
    project.write(".gitattributes", "large.bin filter=slow\n");
    project.write("large.bin", "large\n");
    project.commit("a large file");
    let smudge = format!("touch {}/here; sleep 20; cat", project.marks().display());
    project.git(&["config", "filter.slow.smudge", &smudge]);

    let running = project.start(&["check"]).until_mark("here");

    running.press_ctrl_c().finish().exits(130);
}

#[test]
fn ctrl_c_twice_is_ctrl_c() {
    let project = service();
    // It takes the grace period to end, and a person does not wait that long.
    let ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport json";
    project.edit("service.py", "import json", ignore);
    project.commit("stubborn");

    // Between blocks fresh processes take the grace period too: the first block it is.
    let running = project.start(&["check"]).until_it_says("block 1/3");
    let running = running.press_ctrl_c().and_then(Duration::from_millis(300));

    running.press_ctrl_c().finish().exits(130);
}

#[test]
fn sigterm_ends_a_check_in_the_middle_of_a_build() {
    let project = Sandbox::with_frontend("", "");
    project.write("build.sh", ENDLESS);

    let running = project.start(&["check"]).until_mark("here");

    running.send(Signal::SIGTERM).finish().exits(130);
}

#[test]
fn sigterm_ends_a_check_that_is_measuring() {
    let project = service();

    measuring(&project)
        .send(Signal::SIGTERM)
        .finish()
        .exits(130);
}

#[test]
fn ctrl_c_ends_a_refresh_that_is_measuring() {
    let project = service();

    let running = project
        .start(&["baseline", "refresh"])
        .until_it_says("block 2/3")
        .and_then(MOMENT);

    running.press_ctrl_c().finish().exits(130);
    project
        .run(&["baseline", "list"])
        .prints("no runs are stored");
}

#[test]
fn ctrl_c_ends_a_service_that_has_detached() {
    let project = service();
    project.write("detach.py", DETACH);
    project.edit(
        "tollgate.yml",
        "exec python3 -I service.py",
        "exec python3 -I detach.py",
    );
    project.commit("a daemon");

    measuring(&project).press_ctrl_c().finish().exits(130);
}

#[test]
fn a_killed_check_leaves_no_process_and_the_next_one_removes_the_rest() {
    let project = service();

    let killed = measuring(&project).send(Signal::SIGKILL).finish_killed();

    killed.was_killed_by(Signal::SIGKILL as i32);
    let worktrees = || project.git(&["worktree", "list"]).lines().count();
    assert_eq!(worktrees(), 3, "a killed run cannot clean up");
    let work = project.result("work");
    assert_eq!(fs::read_dir(&work).unwrap().count(), 1);
    let data = killed.data_folders();
    assert_eq!(data.len(), 1, "{data:?}");

    // The next one looks for its own leftovers at its end; these are the killed one's.
    project.check().exits(0);
    assert!(!data[0].exists(), "{data:?}");
    assert_eq!(worktrees(), 1);
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0);
}

#[test]
fn a_killed_check_leaves_no_process_that_detached_or_ignores_sigterm() {
    let project = service();
    project.write("detach.py", DETACH);
    project.edit(
        "tollgate.yml",
        "exec python3 -I service.py",
        "exec python3 -I detach.py",
    );
    let ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport json";
    project.edit("service.py", "import json", ignore);
    project.commit("a stubborn daemon");

    let running = project.start(&["check"]).until_it_says("block 1/3");
    assert!(running.processes().len() >= 4, "{:?}", running.processes());
    running.send(Signal::SIGKILL).finish_killed();

    // Clean up for the assertion that every test ends with.
    let build = "project: sandbox\nfrontend: [{ name: web, build: mkdir dist && echo 1 > dist/a.js, output: dist }]\n";
    project.write("tollgate.yml", build);
    project.check().exits(0);
}

#[test]
fn a_killed_build_leaves_no_process() {
    let project = Sandbox::with_frontend("", "");
    project.write("build.sh", ENDLESS);

    let running = project.start(&["check"]).until_mark("here");
    running.send(Signal::SIGKILL).finish_killed().remove_data();
}
