//! The sample app: PostgreSQL, Redis, Node and Python.
//!
//! One test, because both checks share what npm and pip install: minutes otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, needs};

/// Programs the app needs, each with the Debian package that has it.
const PROGRAMS: [(&str, &str); 9] = [
    ("initdb", "postgresql"),
    ("postgres", "postgresql"),
    ("psql", "postgresql-client"),
    ("setpriv", "util-linux"),
    ("redis-server", "redis-server"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("git", "git"),
];
/// The parts of the app that the services, the requests and the patches are made of.
const FOLDERS: [&str; 6] = ["api", "db", "fixtures", "frontend", "ml", "regressions"];
/// What the reduced configuration keeps of the endpoints.
const ENDPOINTS: [&str; 2] = ["list projects", "segment one image"];
/// Few and short blocks: what is looked for is counted, not timed.
const SETTINGS: &str = "
measure: { blocks: 3, confirmation-blocks: 4, block: 400 ms, warm-up: 400 ms, contention-limit: 100% }
gate: { tolerance: { latency: 25%, p95: 50%, cpu: 25%, memory: 50% } }
";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/spheroid")
}

/// The services, two endpoints and short blocks, taken from the app's own configuration.
fn reduced() -> String {
    let whole = fs::read_to_string(example().join("tollgate.yml")).expect("the configuration");
    let between = |from: &str, to: &str| {
        let start = whole.find(from).expect("a key of the file");
        let length = whole[start..].find(to).expect("the next key of the file");
        &whole[start..start + length]
    };
    let mut text = format!(
        "project: spheroid\n\n{}",
        between("services:\n", "sessions:\n")
    );
    text.push_str("endpoints:\n");
    for item in between("endpoints:\n", "\n# ").split("  - ").skip(1) {
        if ENDPOINTS
            .iter()
            .any(|name| item.starts_with(&format!("name: {name}\n")))
        {
            text.push_str("  - ");
            text.push_str(item);
        }
    }
    text + SETTINGS
}

/// The app in a folder of a repository of its own: only files that git knows, so nothing that
/// was installed.
fn app() -> Sandbox {
    for (program, package) in PROGRAMS {
        needs(program, package);
    }
    let sandbox = Sandbox::empty();
    for file in tracked() {
        let text = fs::read(example().join(&file)).expect("a file of the app");
        let target = sandbox.project().join("app").join(&file);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::write(&target, text).expect("a file");
        let mode = fs::metadata(example().join(&file)).expect("a file");
        fs::set_permissions(&target, mode.permissions()).expect("its mode");
    }
    sandbox.write("app/tollgate.yml", &reduced());
    sandbox.commit("the app");
    sandbox
}

fn tracked() -> Vec<String> {
    let output = std::process::Command::new("git")
        .arg("ls-files")
        .args(FOLDERS)
        .current_dir(example())
        .output()
        .expect("git can be run");
    let list = String::from_utf8_lossy(&output.stdout);
    assert!(!list.is_empty(), "the app is not in a repository");
    list.lines().map(str::to_owned).collect()
}

#[test]
fn one_query_for_each_row_is_blocked_and_a_comment_is_not() {
    let app = app();
    let check = |patch: &str| {
        let config = "app/tollgate.yml";
        let patch = format!("app/regressions/{patch}.patch");
        app.run(&["check", "--config", config, "--head-patch", &patch])
    };

    let slower = check("n-plus-one");
    slower.exits(1);
    let project = app.project().join("app/.tollgate");
    let comment = fs::read_to_string(project.join("report.md")).expect("the comment");
    for text in ["api/src/projects.js:", "`list projects`", "select count"] {
        let found = comment.to_lowercase().contains(text);
        assert!(found, "`{text}` is not in\n{comment}");
    }
    let report = fs::read(project.join("report.json")).expect("the report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let comparisons = report["comparisons"].as_array().expect("comparisons");
    let queries = comparisons
        .iter()
        .find(|one| one["id"] == "endpoint/list projects/queries-per-request")
        .unwrap_or_else(|| panic!("no queries were counted\n{slower}"));
    assert!(queries["verdict"]["regressed"].is_object(), "{queries:#}");
    for (arm, expected) in [("before", 5.0), ("now", 43.0)] {
        let counted = queries[arm]["point"].as_f64().unwrap_or_default();
        assert!((counted - expected).abs() < 0.5, "{arm}: {queries:#}");
    }

    let same = check("none");
    same.exits(0);
    let report = fs::read(project.join("report.json")).expect("the report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let comparisons = report["comparisons"].as_array().expect("comparisons");
    for one in comparisons {
        assert!(one["verdict"]["regressed"].is_null(), "{one:#}\n{same}");
    }
    let queries = comparisons
        .iter()
        .find(|one| one["id"] == "endpoint/list projects/queries-per-request");
    let queries = queries.expect("queries were counted");
    assert!(queries["verdict"]["unchanged"].is_object(), "{queries:#}");
}
