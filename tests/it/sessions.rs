//! Logging in, and what happens to the token.

use std::fs;
use std::path::Path;

use crate::support::{SHORT, Sandbox, TOLERANT, config};

const SESSION: &str = "\
sessions:
  ada:
    service: app
    request: POST /login
    json: { user: ada, password: correct-horse }
    token: $.token
";
const PRIVATE: &str = "  - name: private
    service: app
    request: GET /private
    session: ada
    expect: { status: 200, json: $.known }
";
/// As in `service.py`.
const TOKEN: &str = "token-of-ada-7f3c9a";

/// Files below a folder that contain this.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if fs::read(&path).is_ok_and(|bytes| contains(&bytes, text.as_bytes())) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_token_is_sent_and_written_nowhere() {
    let project = Sandbox::with_service(&config(&[PRIVATE], &[SESSION, SHORT, TOLERANT]));

    let check = project.run(&["check", "--format", "json"]);

    check.exits(0);
    let responses = &check.run_file()["head"]["responses"]["private"];
    assert!(responses["good"].as_u64() > Some(0), "{responses}");
    assert_eq!(responses["wrong"], serde_json::json!({}), "{responses}");
    assert!(!check.stdout.contains(TOKEN), "{check}");
    assert!(!check.stderr.contains(TOKEN), "{check}");
    let found = files_with(&project.result(""), TOKEN);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_token_in_a_wrong_answer_is_not_quoted() {
    let log_in = "  - name: log in
    service: app
    request: POST /login
    expect: { status: 201 }
";
    let endpoints = &[PRIVATE, log_in];
    let project = Sandbox::with_service(&config(endpoints, &[SESSION, SHORT, TOLERANT]));

    let check = project.check();

    check.exits(5).prints("status 200 instead of 201");
    assert!(!check.stdout.contains(TOKEN), "{check}");
    let found = files_with(&project.result(""), TOKEN);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_login_that_is_refused_in_head_could_not_be_measured() {
    let project = Sandbox::with_service(&config(&[PRIVATE], &[SESSION, SHORT, TOLERANT]));
    project.edit(
        "service.py",
        "self.path == \"/login\"",
        "self.path == \"/sign-in\"",
    );

    let check = project.check();

    check.exits(3).says("session `ada`: the login answered 404");
}

#[test]
fn a_wrong_token_is_a_wrong_answer() {
    let project = Sandbox::with_service(&config(&[PRIVATE], &[SESSION, SHORT, TOLERANT]));
    project.edit(
        "service.py",
        "{\"token\": new_token()}",
        "{\"token\": \"stale\"}",
    );

    let check = project.check();

    check.exits(1).prints("status 401 instead of 200");
}

#[test]
fn a_token_that_runs_out_is_renewed_and_nobody_is_timed_for_it() {
    let others = [SESSION, SHORT, TOLERANT];
    let project = Sandbox::with_service(&config(&[PRIVATE], &others));
    project.edit("service.py", "TOKEN_LASTS = 0", "TOKEN_LASTS = 15");
    project.commit("tokens that run out");

    let check = project.check();

    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        let responses = &arm["responses"]["private"];
        assert!(responses["good"].as_u64() > Some(15), "{responses}");
        assert_eq!(responses["wrong"], serde_json::json!({}), "{responses}");
    }
    let found = files_with(&project.result(""), TOKEN);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_session_can_be_a_cookie_or_a_header() {
    let session = |proof: &str| SESSION.replace("token: $.token", proof);
    for (proof, path) in [
        ("cookie: sid", "/with-cookie"),
        ("header: X-Pass", "/with-header"),
    ] {
        let endpoint = PRIVATE
            .replace("GET /private", &format!("GET {path}"))
            .replace(
                "session: ada",
                "session: ada\n    headers: { Cookie: lang=en }",
            );
        let others = [&session(proof), SHORT, TOLERANT];
        let project = Sandbox::with_service(&config(&[&endpoint], &others));

        let check = project.check();

        let responses = &check.run_file()["head"]["responses"]["private"];
        assert!(responses["good"].as_u64() > Some(0), "{proof}: {check}");
        assert_eq!(responses["wrong"], serde_json::json!({}), "{responses}");
        let found = files_with(&project.result(""), TOKEN);
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_session_that_the_login_does_not_give_is_named() {
    for (proof, said) in [
        (
            "cookie: session",
            "the answer to the login sets no cookie `session`",
        ),
        (
            "header: X-Token",
            "the answer to the login has no header `X-Token`",
        ),
    ] {
        let session = SESSION.replace("token: $.token", proof);
        let project = Sandbox::with_service(&config(&[PRIVATE], &[&session, SHORT, TOLERANT]));

        project
            .check()
            .exits(3)
            .says(&format!("session `ada`: {said}"));
    }
}
