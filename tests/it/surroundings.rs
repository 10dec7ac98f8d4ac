//! Where Tollgate is started: a workflow, a git hook, a shallow clone, a dirty working tree.

use std::fs;
use std::path::Path;

use crate::support::{FAST, SHORT, Sandbox, TOLERANT, config};

#[test]
fn in_a_workflow_the_comment_is_the_summary_and_the_outcome_an_output() {
    let project = Sandbox::with_frontend("", "");
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");
    let (summary, output) = (project.outside("summary.md"), project.outside("outputs"));
    fs::write(&summary, "## What another step wrote\n").unwrap();

    let variables = [
        ("GITHUB_STEP_SUMMARY", summary.as_path()),
        ("GITHUB_OUTPUT", output.as_path()),
    ];
    let check = project.run_with(&variables, &["check"]);

    check.exits(1);
    let written = fs::read_to_string(summary).unwrap();
    assert!(
        written.starts_with("## What another step wrote\n"),
        "{written}"
    );
    assert!(written.contains(check.comment().trim()), "{written}");
    let outputs = fs::read_to_string(output).unwrap();
    assert!(outputs.contains("outcome<<"), "{outputs}");
    assert!(outputs.lines().any(|line| line == "fail"), "{outputs}");
}

/// What is in the environment of a workflow and for nobody else.
const SECRETS: [&str; 9] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_RUNTIME_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_TOKEN",
    "PGPASSWORD",
    "TOLLGATE_STORE_PASSWORD",
];

fn with_secrets() -> Vec<(&'static str, &'static Path)> {
    let all = SECRETS.into_iter();
    all.map(|name| (name, Path::new("hush-hush"))).collect()
}

#[test]
fn what_is_measured_sees_no_password_and_no_token() {
    let lines = "frontend:
  - { name: web, build: sh build.sh, output: dist, install: { run: env > \"$MARKS/installed\", inputs: [build.sh] } }";
    let project = Sandbox::with_service(&config(&[FAST], &[lines, SHORT, TOLERANT]));
    let build = include_str!("../fixtures/build.sh");
    let build = build.replacen('\n', "\nenv > \"$MARKS/built\"\n", 1);
    project.write("build.sh", &build);
    project.edit(
        "tollgate.yml",
        "exec python3",
        "env > $MARKS/ran; exec python3",
    );
    project.edit(
        "tollgate.yml",
        "    ready:",
        "    environment: { PGPASSWORD: the-apps-own }\n    ready:",
    );
    project.commit("what looks around");
    let mut variables = with_secrets();
    let store = project.outside("hush-hush.db");
    variables.push(("TOLLGATE_STORE", &store));

    project.run_with(&variables, &["check"]).exits(0);

    for mark in ["installed", "built", "ran"] {
        let seen = fs::read_to_string(project.marks().join(mark)).unwrap();
        assert!(seen.contains("MARKS="), "{mark}: {seen}");
        assert!(!seen.contains("hush-hush"), "{mark}: {seen}");
        let own = seen.contains("PGPASSWORD=the-apps-own");
        assert_eq!(own, mark == "ran", "{mark}: {seen}");
    }
}

#[test]
fn neither_a_compose_file_nor_a_login_gets_a_password_of_ours() {
    let project = Sandbox::with_service(&config(&[FAST], &[SHORT, TOLERANT]));
    project.write(
        "compose.yml",
        "services: { db: { image: busybox, environment: { A: \"${PGPASSWORD:?is not there}\" } } }",
    );
    project.edit(
        "tollgate.yml",
        "services:\n",
        "compose: compose.yml\nservices:\n",
    );
    project
        .run_with(&with_secrets(), &["check"])
        .exits(2)
        .says("is not there");

    let session = "sessions:
  ada:
    service: app
    request: POST /login
    json: { user: ada, password: \"{{ env.PGPASSWORD }}\" }
    token: $.token";
    let endpoint = FAST.replace("GET /fast\n", "GET /fast\n    session: ada\n");
    let text = config(&[&endpoint], &[session, SHORT, TOLERANT]);
    project.write("tollgate.yml", &text);
    project
        .run_with(&with_secrets(), &["check"])
        .exits(3)
        .says("the environment variable `PGPASSWORD` is kept from what is measured");
}

#[test]
fn in_a_git_hook_the_index_of_the_commit_stays_as_it_is() {
    let install = "    install: { run: mkdir -p lib && echo 1 > lib/one, inputs: [build.sh] }\n";
    let project = Sandbox::with_frontend(install, "");
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");
    let git = project.project().join(".git");
    let index = git.join("index");

    // As git sets them for `pre-commit`.
    let variables = [("GIT_DIR", git.as_path()), ("GIT_INDEX_FILE", &index)];
    let check = project.run_with(&variables, &["check"]);

    check.exits(1);
    assert_eq!(project.git(&["diff", "--cached", "--name-only"]), "");
    assert_eq!(project.git(&["diff", "--name-only"]), "build.sh");
}

#[test]
fn a_shallow_clone_is_told_how_to_fetch_the_rest() {
    let project = Sandbox::with_frontend("", "");
    project.commit("another commit");
    let source = format!("file://{}", project.project().display());
    let clone = project.outside("clone");
    let target = clone.display().to_string();
    project.git(&["clone", "--quiet", "--depth=1", &source, &target]);

    let check = project
        .start_in(&clone, &["check", "--base", "HEAD~1"])
        .finish();

    check.exits(2);
    insta::assert_snapshot!(check.error(), @"
    error: `HEAD~1` is not a revision of this repository (this clone is shallow)

    hint: fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout
    ");
}

#[test]
fn a_file_that_git_does_not_know_yet_belongs_to_head() {
    let project = Sandbox::with_frontend("", "");
    project.edit(
        "build.sh",
        "mkdir -p dist/assets",
        "mkdir -p dist/assets; cp *.png dist || true",
    );
    project.commit("ship pictures");
    let incompressible: String = (0..60_000_u32)
        .map(|number| char::from(b'a' + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 26))
        .collect();
    project.write("large.png", &incompressible);

    let check = project.check();

    check.exits(1);
    assert_eq!(check.verdict("bundle/web/total"), "regressed", "{check}");
}

/// A frontend whose branch `first` is larger than `main`, and `second`, which adds nothing to that.
fn branches() -> Sandbox {
    let project = Sandbox::with_frontend("", "");
    project.git(&["checkout", "--quiet", "-b", "first"]);
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");
    project.commit("a larger script");
    project.git(&["checkout", "--quiet", "-b", "second"]);
    project.write("notes.txt", "nothing that is built\n");
    project.commit("a note");
    project
}

#[test]
fn a_pull_request_is_judged_against_the_branch_it_goes_into() {
    let project = branches();
    // As a checkout on GitHub leaves them: no local branch, and no `origin/HEAD`.
    project.git(&["update-ref", "refs/remotes/origin/release/1", "first"]);
    let into = |branch: &str| {
        let variables = [
            ("GITHUB_EVENT_NAME", Path::new("pull_request")),
            ("GITHUB_BASE_REF", Path::new(branch)),
        ];
        project.run_with(&variables, &["check"])
    };

    let check = into("release/1");
    check.exits(0);
    let run = check.run_file();
    let label = &run["base"]["measured"]["revision"]["label"];
    assert_eq!(label, "merge base with origin/release/1");
    into("main").exits(1);
    let gone = into("release/2");
    gone.exits(2);
    gone.says("no merge base with `release/2` was found");
}

#[test]
fn an_entry_of_a_merge_queue_is_judged_against_the_one_before_it() {
    let project = branches();
    let in_queue_after = |revision: &str| {
        let before = project.git(&["rev-parse", revision]);
        let event = project.outside("event.json");
        let text = format!(r#"{{"merge_group":{{"base_sha":"{before}"}}}}"#);
        fs::write(&event, text).unwrap();
        let variables = [
            ("GITHUB_EVENT_NAME", Path::new("merge_group")),
            ("GITHUB_EVENT_PATH", &event),
        ];
        project.run_with(&variables, &["check"])
    };

    in_queue_after("first").exits(0);
    in_queue_after("main").exits(1);
}

#[test]
fn a_push_to_the_default_branch_is_judged_against_what_was_there() {
    let project = branches();
    project.git(&["checkout", "--quiet", "first"]);
    project.git(&["branch", "--quiet", "--force", "main", "first"]);
    let pushed_over = |before: &str| {
        let event = project.outside("event.json");
        let text = format!(
            r#"{{"ref":"refs/heads/main","before":"{before}","repository":{{"default_branch":"main"}}}}"#
        );
        fs::write(&event, text).unwrap();
        let variables = [
            ("GITHUB_EVENT_NAME", Path::new("push")),
            ("GITHUB_EVENT_PATH", &event),
        ];
        project.run_with(&variables, &["check"])
    };

    pushed_over(&project.git(&["rev-parse", "first~1"])).exits(1);
    // After a push with force it is not in the clone.
    let forced = pushed_over(&"a".repeat(40));
    forced.exits(1);
    forced.says("judged against the last commit");
}
