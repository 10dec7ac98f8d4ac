//! Where Tollgate is started: a workflow, a git hook, a shallow clone, a dirty working tree.

use std::fs;

use crate::support::Sandbox;

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
