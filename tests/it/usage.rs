//! Wrong usage: message, hint, exit code.

use std::fs;

use crate::support::Sandbox;

#[test]
fn a_folder_without_repository_is_refused_and_left_as_it_is() {
    let sandbox = Sandbox::with_frontend("", "");
    let elsewhere = sandbox.outside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let text = fs::read(sandbox.project().join("tollgate.yml")).unwrap();
    fs::write(elsewhere.join("tollgate.yml"), text).unwrap();

    let check = sandbox.start_in(&elsewhere, &["check"]).finish();

    check.exits(2);
    insta::assert_snapshot!(check.error(), @"
    error: `SANDBOX/elsewhere` is not inside a git repository

    hint: run it inside the repository of the project, or name its configuration with `--config`
    ");
    assert!(!elsewhere.join(".tollgate").exists());
}

#[test]
fn an_unknown_base_is_refused() {
    let project = Sandbox::with_frontend("", "");

    let check = project.run(&["check", "--base", "release/9"]);

    check.exits(2);
    insta::assert_snapshot!(check.error(), @"
    error: `release/9` is not a revision of this repository

    hint: `git log --oneline --all` lists what there is
    ");
}

#[test]
fn an_unknown_head_is_refused_and_nothing_stays_checked_out() {
    let project = Sandbox::with_frontend("", "");

    let check = project.run(&["check", "--head", "--upload-pack=x"]);
    check.exits(2);

    let check = project.run(&["check", "--head", "feature"]);
    check.exits(2).says("`feature` is not a revision");
}

#[test]
fn a_repository_without_a_default_branch_asks_for_the_base() {
    let project = Sandbox::with_frontend("", "");
    project.git(&["branch", "--move", "trunk"]);

    let check = project.check();

    check.exits(2);
    insta::assert_snapshot!(check.error(), @"
    error: no merge base with the default branch was found

    hint: name the base with `--base REVISION`
    ");
}

#[test]
fn a_patch_that_does_not_apply_is_refused() {
    let project = Sandbox::with_frontend("", "");
    let patch = project.outside("other.patch");
    fs::write(
        &patch,
        "--- a/build.sh\n+++ b/build.sh\n@@ -1,1 +1,1 @@\n-no such line\n+a line\n",
    )
    .unwrap();

    let check = project.run(&["check", "--head-patch", &patch.display().to_string()]);

    check
        .exits(2)
        .says("`SANDBOX/other.patch` does not apply to base")
        .says("build.sh")
        .says("hint: paths in the patch are read relative to the folder of the configuration");
}

#[test]
fn a_patch_that_changes_nothing_is_refused() {
    let project = Sandbox::with_frontend("", "");
    project.write(".gitignore", "*.log\n");
    project.commit("ignore logs");
    let patch = project.outside("log.patch");
    fs::write(&patch, "--- /dev/null\n+++ b/x.log\n@@ -0,0 +1 @@\n+x\n").unwrap();

    let check = project.run(&["check", "--head-patch", &patch.display().to_string()]);

    check
        .exits(2)
        .says("it changes nothing in the project; are its paths relative to the project?");
}

#[test]
fn a_patch_that_is_not_there_is_refused() {
    let project = Sandbox::with_frontend("", "");

    let check = project.run(&["check", "--head-patch", "missing.patch"]);

    check.exits(2).says("missing.patch").says("No such file");
}

#[test]
fn a_missing_configuration_is_refused_with_a_hint_that_works() {
    let project = Sandbox::with_frontend("", "");

    let check = project.run(&["check", "--config", "gate/tollgate.yml"]);

    check.exits(2).says("the configuration does not exist");
    let error = check.error();
    assert!(error.contains("gate/tollgate.yml"), "{error}");
    if error.contains("`tollgate init`") {
        project.run(&["init", "--help"]).exits(0);
    }
}

#[test]
fn an_unknown_key_is_shown_where_it_stands() {
    let project = Sandbox::with_frontend("    biuld: npm run build\n", "");

    let check = project.check();

    check.exits(2);
    insta::assert_snapshot!(check.error(), @"
    error: unknown key `biuld`
     --> tollgate.yml:6:5
      |
    6 |     biuld: npm run build
      |     ^^^^^
      = help: did you mean `build`?
    ");
}

#[test]
fn a_configuration_of_more_than_a_megabyte_is_refused() {
    let project = Sandbox::with_frontend("", "");
    let padding = "# twelve and more characters of padding\n".repeat(30_000);
    project.write("tollgate.yml", &padding);

    let check = project.check();

    check
        .exits(2)
        .says("the configuration is larger than 1 MiB");
}

#[test]
fn an_unknown_flag_is_refused() {
    let project = Sandbox::with_frontend("", "");

    project.run(&["check", "--fast"]).exits(2).says("--fast");
}
