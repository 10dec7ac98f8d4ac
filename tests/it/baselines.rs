//! What `tollgate baseline` keeps and shows.

use serde_json::Value;

use crate::support::{FAST, SHORT, Sandbox, TOLERANT, config};

/// A project in which Tollgate has run before.
fn project() -> Sandbox {
    let project = Sandbox::with_frontend("", "");
    project.write(".tollgate/.gitignore", "*\n");
    project
}

#[test]
fn looking_at_an_empty_history_changes_nothing_in_the_repository() {
    let project = Sandbox::with_frontend("", "");

    project
        .run(&["baseline", "list"])
        .exits(0)
        .prints("no runs are stored");

    assert_eq!(project.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_stored_run_is_listed_and_shown() {
    let project = project();
    let commit = project.git(&["rev-parse", "HEAD"]);
    project
        .run(&["baseline", "list"])
        .exits(0)
        .prints("no runs are stored");

    let refresh = project.run(&["baseline", "refresh"]);
    refresh
        .exits(0)
        .prints("stored run 1: ")
        .prints(&commit[..10]);

    let list = project.run(&["baseline", "list"]);
    list.exits(0).prints(&commit[..10]);
    assert_eq!(
        list.stdout.lines().count(),
        2,
        "a heading and a run\n{list}"
    );
    let list = project.run(&["baseline", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list[0]["commit"], commit.as_str());
    assert_eq!(list[0]["id"], 1);

    for name in ["1", &commit, &commit[..8]] {
        let show = project.run(&["baseline", "show", name]);
        show.exits(0);
        let run: Value = serde_json::from_str(&show.stdout).expect("only JSON is printed");
        assert_eq!(run["revision"]["commit"], commit.as_str());
        assert!(run["samples"]["bundle/web/total"][0].as_f64() > Some(20_000.0));
    }
}

#[test]
fn the_newest_run_comes_first_and_the_list_can_be_short() {
    let project = Sandbox::with_frontend("", "");
    project.run(&["baseline", "refresh"]).exits(0);
    project
        .run(&["baseline", "refresh"])
        .exits(0)
        .prints("stored run 2: ");

    let list = project.run(&["baseline", "list", "--format", "json", "--limit", "1"]);

    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["id"], 2);
}

#[test]
fn a_history_survives_as_a_file() {
    let project = project();
    project.run(&["baseline", "refresh"]).exits(0);
    project.run(&["baseline", "refresh"]).exits(0);
    // Beside the repository, which must stay as it is.
    let path = project.outside("baselines").join("main.json");
    let file = path.to_str().unwrap();
    let export = |number: usize| {
        let words = format!("{number} runs in `");
        let export = project.run(&["baseline", "export", file]);
        export.exits(0).prints(&words);
        std::fs::read_to_string(&path).unwrap()
    };
    let before = export(2);
    let show = project.run(&["baseline", "show", "1"]).stdout.clone();

    std::fs::remove_file(project.result("baselines.db")).unwrap();
    let import = |number: usize| {
        let words = format!("{number} new runs of `");
        let import = project.run(&["baseline", "import", file]);
        import.exits(0).prints(&words);
    };
    import(2);
    import(0);

    assert_eq!(project.run(&["baseline", "show", "1"]).stdout, show);
    assert_eq!(export(2), before, "the same runs are the same file");
    // Half a file is no shorter history.
    std::fs::write(&path, &before[..before.len() / 2]).unwrap();
    project
        .run(&["baseline", "import", file])
        .exits(2)
        .says("is no snapshot of stored runs: EOF")
        .says("nothing was imported");
    std::fs::write(&path, before.replace("\"sandbox\"", "\"shop\"")).unwrap();
    project
        .run(&["baseline", "import", file])
        .exits(2)
        .says("is a run of project `shop`");
}

/// Commits files to a branch that has nothing else.
fn keep(project: &Sandbox, name: &str, files: &[(&str, &str)]) {
    let index = project.outside("kept.index");
    let _earlier = std::fs::remove_file(&index);
    let git = |arguments: &[&str]| {
        let mut git = project.command("git");
        let output = git.args(arguments).env("GIT_INDEX_FILE", &index).output();
        let output = output.expect("git can be run");
        assert!(output.status.success(), "{arguments:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.trim().to_owned()
    };
    for (file, text) in files {
        let path = project.outside("kept");
        std::fs::write(&path, text).expect("a file");
        let blob = git(&["hash-object", "-w", path.to_str().expect("a path")]);
        let entry = format!("100644,{blob},{file}");
        git(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    let tree = git(&["write-tree"]);
    let commit = git(&["commit-tree", &tree, "-m", "a night"]);
    git(&["update-ref", name, &commit]);
}

#[test]
fn nights_come_out_of_the_clone_without_a_token() {
    let project = project();
    let import = ["baseline", "import", "--from-branch", "tollgate-baselines"];
    project
        .run(&import)
        .exits(0)
        .prints("there is no branch `tollgate-baselines` in this clone");
    project.run(&["baseline", "refresh"]).exits(0);
    let path = project.outside("main.json");
    let file = path.to_str().unwrap();
    project.run(&["baseline", "export", file]).exits(0);
    let runs = std::fs::read_to_string(&path).unwrap();
    let accepted = r#"{"format":1,"project":"sandbox","accepted":[{"commit":"aaaa","metric":
        "bundle/web/total","ceiling":null,"by":"ada","because":"icons","at":"2026-11-23T03:00:00Z"}]}"#;
    let remote = "refs/remotes/origin/tollgate-baselines";

    std::fs::remove_file(project.result("baselines.db")).unwrap();
    keep(&project, remote, &[("other.txt", "x")]);
    project.run(&import).exits(0).prints("0 new runs");
    keep(
        &project,
        remote,
        &[("main.json", &runs), ("main.accepted.json", accepted)],
    );
    project.run(&import).exits(0).prints("1 new runs");
    project.run(&import).exits(0).prints("0 new runs");
    project
        .run(&["baseline", "accepted"])
        .prints("`ada` because icons");
    assert_eq!(project.git(&["status", "--porcelain"]), "");

    // What is damaged is no shorter history.
    for (file, text) in [
        ("main.json", &runs[..runs.len() / 2]),
        ("main.accepted.json", &accepted[..90]),
    ] {
        keep(&project, remote, &[(file, text)]);
        let words = format!("`tollgate-baselines:{file}` is no ");
        project.run(&import).exits(4).says(&words);
    }
}

#[test]
fn a_run_that_is_not_stored_is_wrong_usage() {
    let project = project();

    for name in ["7", "deadbeef"] {
        let show = project.run(&["baseline", "show", name]);
        show.exits(2).says(&format!("no stored run `{name}`"));
        assert_eq!(show.stdout, "");
    }
}

#[test]
fn a_name_too_short_to_be_a_commit_is_wrong_usage() {
    let project = project();

    let show = project.run(&["baseline", "show", "abc"]);

    show.says("`abc` is neither the number of a run nor four characters of a commit");
    show.exits(2);
}

#[test]
fn a_service_is_measured_alone_and_stored() {
    let project = Sandbox::with_service(&config(&[FAST], &[SHORT, TOLERANT]));

    let refresh = project.run_alone(&["baseline", "refresh"]);

    if refresh
        .stderr
        .contains("busy with other work in every block")
    {
        // Somebody builds here at the same time. A run without latencies is no baseline.
        refresh.exits(3).says("the run is not stored");
        project
            .run(&["baseline", "list"])
            .prints("no runs are stored");
        return;
    }
    refresh.exits(0).prints("stored run 1: ");
    let show = project.run(&["baseline", "show", "1"]);
    let run: Value = serde_json::from_str(&show.stdout).unwrap();
    assert!(run["samples"]["endpoint/fast/p50"].is_array(), "{show}");
    let cpu = run["samples"]["endpoint/fast/cpu"].as_array().map(Vec::len);
    assert_eq!(cpu, Some(3), "{show}");
}

#[test]
fn a_run_with_wrong_answers_is_not_stored() {
    let boom = "  - { name: boom, service: app, request: GET /boom }\n";
    let project = Sandbox::with_service(&config(&[FAST, boom], &[SHORT, TOLERANT]));

    let refresh = project.run(&["baseline", "refresh"]);

    refresh
        .exits(3)
        .says("the run is not stored: wrong answers from boom");
    project
        .run(&["baseline", "list"])
        .exits(0)
        .prints("no runs are stored");
}

#[test]
fn an_unknown_revision_is_not_measured() {
    let project = Sandbox::with_frontend("", "");

    let refresh = project.run(&["baseline", "refresh", "--revision", "v9"]);

    refresh.exits(2).says("`v9` is not a revision");
}

#[test]
fn a_damaged_store_is_said_and_never_taken_for_an_empty_one() {
    let project = Sandbox::with_frontend("", "");
    project.write(".tollgate/.gitignore", "*\n");
    project.write(
        ".tollgate/baselines.db",
        "this is no database, and long enough to tell",
    );

    let list = project.run(&["baseline", "list"]);

    list.exits(4).says("baselines.db");
    assert_eq!(list.stdout, "");
}
