//! Answers that are wrong, in one arm or in both.

use std::net::TcpListener;

use crate::support::{FAST, SHORT, SLOW, Sandbox, TOLERANT, config};

fn project() -> Sandbox {
    Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]))
}

#[test]
fn a_fast_error_is_a_regression_and_never_an_improvement() {
    let project = project();
    project.edit("service.py", "FAST_STATUS = 200", "FAST_STATUS = 500");

    let check = project.check();

    check.exits(1).prints("status 500 instead of 200");
    assert_eq!(check.verdict("endpoint/fast/error-rate"), "regressed");
    for (id, verdict) in check.verdicts() {
        let about_fast = id.starts_with("endpoint/fast/");
        assert!(!(about_fast && verdict == "improved"), "{id}\n{check}");
    }
    let comment = check.comment();
    assert!(comment.contains("status 500 instead of 200"), "{comment}");
    assert!(comment.contains("`fast`"), "{comment}");
}

#[test]
fn an_error_that_head_repairs_does_not_block() {
    let project = project();
    project.edit("service.py", "FAST_STATUS = 200", "FAST_STATUS = 500");
    project.commit("break it");
    project.edit("service.py", "FAST_STATUS = 500", "FAST_STATUS = 200");

    let check = project.check();

    assert_eq!(check.verdict("endpoint/fast/error-rate"), "improved");
    // Why the latency has no verdict: base's answers were wrong, not head's.
    check.prints("base").prints("status 500");
    check.exits(0);
}

#[test]
fn an_endpoint_that_is_wrong_in_both_arms_is_inconclusive() {
    let boom = "  - { name: boom, service: app, request: GET /boom }\n";
    let project = Sandbox::with_service(&config(&[FAST, boom], &[SHORT, TOLERANT]));

    let check = project.check();

    check.exits(5).prints("INCONCLUSIVE").prints("status 500");
    assert_eq!(check.verdict("endpoint/boom/p50"), "inconclusive");
    assert!(check.comment().contains("`boom`"), "{check}");
}

#[test]
fn a_body_without_what_is_expected_is_a_wrong_answer() {
    let project = project();
    project.edit(
        "service.py",
        "{\"items\": [{\"id\": 1}],",
        "{\"items\": [],",
    );

    let check = project.check();

    check.exits(1).prints("`$.items[0].id` finds nothing");
    assert_eq!(check.verdict("endpoint/fast/error-rate"), "regressed");
}

#[test]
fn an_answer_that_never_comes_is_a_wrong_answer() {
    let slow = "  - { name: slow, service: app, request: GET /slow, time-out: 100 ms }\n";
    let project = Sandbox::with_service(&config(&[slow], &[SHORT, TOLERANT]));
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 400.0");

    let check = project.check();

    check.exits(1).prints("time-out");
    assert_eq!(check.verdict("endpoint/slow/error-rate"), "regressed");
}

#[test]
fn an_endpoint_that_starts_failing_in_the_middle_fails() {
    let project = project();
    project.edit(
        "service.py",
        "return self.answer(FAST_STATUS, FAST_BODY)",
        "return self.answer(200 if answered < 150 else 503, FAST_BODY)",
    );

    let check = project.check();

    check.exits(1).prints("status 503 instead of 200");
    assert_eq!(check.verdict("endpoint/fast/error-rate"), "regressed");
    // The answers before that were good, and are no reason to call it faster.
    assert_ne!(check.verdict("endpoint/fast/p50"), "improved");
}

#[test]
fn a_port_that_refuses_is_an_error_and_nothing_is_judged() {
    // Taken once and let go of: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let project = Sandbox::with_service(&format!(
        "project: sandbox
services:
  app: {{ url: \"http://127.0.0.1:{port}\", ready: {{ http: /health, within: 1 s }} }}
endpoints:
{FAST}{SHORT}
"
    ));

    let check = project.check();

    check
        .exits(3)
        .says("service `app` was not ready within 1 s");
    assert!(!check.stdout.contains("passed"), "{check}");
}
