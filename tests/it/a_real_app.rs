//! The sample app: PostgreSQL, Redis, Node and Python.
//!
//! One test for each way to run it, because its checks share what npm and pip install: minutes
//! otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::containers::base_image;
use crate::support::{Finished, Sandbox, needs};

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
const FOLDERS: [&str; 7] = [
    "api",
    "compose.yaml",
    "db",
    "fixtures",
    "frontend",
    "ml",
    "regressions",
];
/// What the reduced configuration keeps of the endpoints.
const ENDPOINTS: [&str; 2] = ["list projects", "segment one image"];
/// Few and short blocks: what is looked for is counted, not timed.
const SETTINGS: &str = "
measure: { blocks: 3, confirmation-blocks: 4, block: 400 ms, warm-up: 400 ms, contention-limit: 100% }
gate: { tolerance: { latency: 25%, p95: 50%, cpu: 25%, memory: 50% } }
";
/// The endpoints that faults are counted on.
const COUNTED: [&str; 5] = [
    "project",
    "search images",
    "statistics",
    "segment one image",
    "segment a batch",
];
/// Blocks so short that only what is counted can be judged; times and memory only show.
const ONLY_COUNTS: &str = "
measure: { blocks: 3, confirmation-blocks: 3, block: 300 ms, warm-up: 200 ms, contention-limit: 100% }
gate:
  tolerance: { latency: 90%, p95: 90%, cpu: 90%, memory: 90% }
  severity: { latency: show, p95: show, cpu: show, memory: show }
";

/// The API alone, with allocators that give back what is free: garbage would hide what never is.
/// Hardly anything but memory is in doubt, so that nearly all the certainty there is goes to it.
const LEAKS: &str = "
project: spheroid
compose: { file: compose.yaml, services: [postgres, redis, api] }
services:
  postgres:
    connection: postgresql://postgres@{{ address }}/app
    ready: { postgres: select 1, within: 60 s }
    seed: db/load {{ host }} {{ port }}
  redis: { ready: { redis: true } }
  api:
    environment:
      NODE_OPTIONS: --max-semi-space-size=1 --max-old-space-size=384
      MALLOC_ARENA_MAX: '2'
      MALLOC_MMAP_THRESHOLD_: '131072'
      MALLOC_TRIM_THRESHOLD_: '131072'
    ready: { http: /health, within: 30 s }
endpoints:
  - name: statistics
    service: api
    request: GET /api/statistics
    load: { concurrency: 4 }
    expect: { status: 200, json: \"$.byStatus[0].images\" }
measure: { blocks: 3, confirmation-blocks: 7, block: 7 s, warm-up: 300 ms, contention-limit: 100% }
gate:
  tolerance: { latency: 99%, p95: 99%, cpu: 99%, memory: 10% }
  severity: { latency: show, p95: show, cpu: show }
";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/spheroid")
}

/// The services, some endpoints and short blocks, taken from one of the app's own configurations.
fn reduced(config: &str, endpoints: &[&str], settings: &str) -> String {
    let whole = fs::read_to_string(example().join(config)).expect("the configuration");
    let between = |from: &str, to: &str| {
        let start = whole.find(from).expect("a key of the file");
        let length = whole[start..].find(to).expect("the next key of the file");
        &whole[start..start + length]
    };
    let compose = whole.lines().find(|line| line.starts_with("compose: "));
    let mut text = format!(
        "project: spheroid\n{}\n\n{}",
        compose.unwrap_or_default(),
        between("\nservices:\n", "sessions:\n")
    );
    text.push_str("endpoints:\n");
    for item in between("endpoints:\n", "\n# ").split("  - name: ").skip(1) {
        if endpoints
            .iter()
            .any(|name| item.starts_with(&format!("{name}\n")))
        {
            text.push_str("  - name: ");
            text.push_str(item);
        }
    }
    text + settings
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
    sandbox.write(
        "app/tollgate.yml",
        &reduced("tollgate.yml", &ENDPOINTS, SETTINGS),
    );
    sandbox.write(
        "app/containers.yml",
        &reduced("tollgate.containers.yml", &COUNTED, ONLY_COUNTS),
    );
    sandbox.write("app/leaks.yml", LEAKS);
    sandbox.commit("the app");
    sandbox
}

/// Checks the app in containers with these regressions, which blocks; what regressed, and all that
/// was said.
fn blocked(app: &Sandbox, config: &str, patches: &[&str]) -> (Vec<String>, String) {
    blocked_by(Sandbox::run_with, app, config, patches)
}

/// How Tollgate is run.
type Run = for<'s> fn(&'s Sandbox, &[(&str, &Path)], &[&str]) -> Finished<'s>;

fn blocked_by(run: Run, app: &Sandbox, config: &str, patches: &[&str]) -> (Vec<String>, String) {
    let mut patch = String::new();
    for name in patches {
        let file = example().join(format!("regressions/{name}.patch"));
        let text = fs::read_to_string(file).expect("a patch");
        let start = text.find("--- a/").expect("what it changes");
        patch.push_str(&text[start..]);
    }
    let file = app.outside("faults.patch");
    fs::write(&file, patch).expect("a file");
    let file = file.to_string_lossy().into_owned();
    let base = [("SPHEROID_BASE", Path::new(base_image()))];
    let check = run(
        app,
        &base,
        &["check", "--config", config, "--head-patch", &file],
    );
    check.exits(1);
    let comparisons = report(app)["comparisons"].clone();
    let all = comparisons.as_array().expect("comparisons");
    let regressed = all
        .iter()
        .filter(|one| one["verdict"]["regressed"].is_object() && one["weight"] == "gates");
    let ids = regressed.filter_map(|one| one["id"].as_str());
    (ids.map(str::to_owned).collect(), check.to_string())
}

/// The reports of the app's last check.
fn report(app: &Sandbox) -> Value {
    let file = app.project().join("app/.tollgate/report.json");
    serde_json::from_slice(&fs::read(file).expect("the report")).expect("JSON")
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
    let found = report(&app);
    let comparisons = found["comparisons"].as_array().expect("comparisons");
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
    let found = report(&app);
    let comparisons = found["comparisons"].as_array().expect("comparisons");
    for one in comparisons {
        assert!(one["verdict"]["regressed"].is_null(), "{one:#}\n{same}");
    }
    let queries = comparisons
        .iter()
        .find(|one| one["id"] == "endpoint/list projects/queries-per-request");
    let queries = queries.expect("queries were counted");
    assert!(queries["verdict"]["unchanged"].is_object(), "{queries:#}");
}

#[test]
fn in_containers_what_is_counted_blocks_without_any_clock() {
    let app = app();
    let four = [
        "over-fetch",
        "unbounded-list",
        "cache-key",
        "model-per-request",
    ];
    let (found, said) = blocked(&app, "app/containers.yml", &four);
    assert!(found.iter().all(|id| !is_noisy(id)), "{found:#?}\n{said}");
    for id in [
        "endpoint/project/bytes-read-per-request",
        "endpoint/project/pages-per-request",
        "endpoint/search images/rows-per-request",
        "endpoint/statistics/cache-misses-per-request",
        "endpoint/statistics/queries-per-request",
        "endpoint/segment one image/model-loads-per-request",
    ] {
        assert!(found.contains(&id.to_owned()), "{id}: {found:#?}\n{said}");
    }
    assert!(said.contains("ml/app.py:32"), "{said}");

    // Nothing but what the faults touch is accused.
    let two = ["missing-index", "no-batching"];
    let (found, said) = blocked(&app, "app/containers.yml", &two);
    let only = [
        "endpoint/search images/pages-per-request",
        "endpoint/segment a batch/model-runs-per-request",
    ];
    assert_eq!(found, only, "{said}");
    for place in ["db/schema.sql:39", "ml/app.py:101"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    let runs = report(&app)["findings"].to_string();
    let times = "runs its models 4.0 times a request (base 1.0 times)";
    assert!(runs.contains(times), "{runs}");
    let counted = "% of the scans of `image` read it from end to end (base";
    let found = report(&app)["findings"].to_string();
    assert!(found.contains(counted), "{found}");
    assert!(
        found.contains("its index `image_status_cells` is gone"),
        "{found}"
    );
}

#[test]
fn in_containers_memory_that_is_never_freed_blocks_without_any_latency() {
    let app = app();

    // Alone: what another test leaves of the cores decides how many requests there are to remember.
    let alone = Sandbox::run_alone_with;
    let (found, said) = blocked_by(alone, &app, "app/leaks.yml", &["memory-leak"]);
    assert_eq!(found, ["service/api/memory"], "{said}");
}

/// Whether a clock or the memory of a process decides it.
fn is_noisy(id: &str) -> bool {
    let metric = id.rsplit('/').next().unwrap_or(id);
    ["p50", "p95", "cpu", "memory", "mean"].contains(&metric)
}
