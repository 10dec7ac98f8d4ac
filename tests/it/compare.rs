//! `tollgate compare`: run files judged again.

use std::fs;

use serde_json::{Value, json};

use crate::support::{FAST, FIRST_FORMAT, SHORT, SLOW, Sandbox, TOLERANT, config, scale};

/// The verdict of a metric in printed JSON, as it stands there.
fn verdict(printed: &str, id: &str) -> Value {
    let report: Value = serde_json::from_str(printed).expect("only JSON is printed");
    let all = report["comparisons"].as_array().expect("comparisons");
    let found = all.iter().find(|one| one["id"] == id);
    found.unwrap_or_else(|| panic!("there is no metric `{id}` in {printed}"))["verdict"].clone()
}

#[test]
fn the_run_of_a_check_is_judged_as_the_check_did() {
    let project = Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]));
    project.edit("service.py", "\"x\" * 200", "\"x\" * 20000");
    let check = project.run(&["check", "--format", "json"]);
    check.exits(1);
    let before = fs::metadata(project.result(""))
        .unwrap()
        .modified()
        .unwrap();

    let arguments = ["compare", "--format", "json", ".tollgate/run.json"];
    let first = project.run(&arguments);
    let second = project.run(&arguments);

    first.exits(1);
    assert_eq!(first.stderr, "");
    assert_eq!(first.stdout, check.stdout, "the same report, byte for byte");
    assert_eq!(first.stdout, second.stdout);
    let after = fs::metadata(project.result(""))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after, "it writes nothing");
}

#[test]
fn the_first_format_is_judged_without_repository_and_configuration() {
    let folder = Sandbox::for_runs();
    folder.record("run.json", |_| ());

    let compare = folder.run_there(&["compare", "run.json"]);

    compare
        .exits(1)
        .prints("FAIL  spheroid: 3 regressions: list projects\n")
        .prints("c3bb930c76 (c3bb930c76 + n-plus-one.patch) against c3bb930c76 (HEAD)")
        .says(
            "note: there is no tollgate.yml here and no `--config`: the default tolerances apply",
        );
    let left: Vec<_> = fs::read_dir(folder.runs()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "it writes nothing: {left:?}");
}

#[test]
fn targets_and_what_is_expected_come_from_the_configuration() {
    let folder = Sandbox::for_runs();
    folder.record("run.json", |_| ());
    let text = "project: spheroid
frontend:
  - { name: web, build: make, output: dist, budgets: { initial-js: 50 KB } }
  - { name: admin, build: make, output: dist }
";
    fs::write(folder.runs().join("gate.yml"), text).unwrap();

    let compare = folder.run_there(&["compare", "--config", "gate.yml", "run.json"]);

    compare
        .exits(1)
        .does_not_say("note:")
        .prints("≤ 50 KB")
        .prints("over by 49 KB (98 %)")
        .prints("admin: initial JS (gzip)")
        .prints("not measured: the run has no number for it");
}

#[test]
fn without_base_the_reason_is_said_and_nothing_passes_as_unchanged() {
    let folder = Sandbox::for_runs();
    folder.record("run.json", |file| {
        file["base"] = json!({ "missing": "the build ended with status 1\n  | oops" });
    });

    let compare = folder.run_there(&["compare", "run.json"]);

    compare
        .exits(0)
        .prints("WARN  spheroid")
        .prints(
            "the targets only: base could not be measured: the build ended with status 1 · oops",
        )
        .does_not_print("unchanged");
}

#[test]
fn the_last_of_several_files_is_judged_against_the_earlier_ones() {
    let folder = Sandbox::for_runs();
    let p50 = "endpoint/list projects/p50";
    let queries = "endpoint/list projects/queries-per-request";
    let nights = ["a.json", "b.json", "c.json", "d.json", "e.json"];
    for (night, name) in (1..).zip(nights) {
        folder.record(name, |file| {
            file["head"]["measured-at"] = format!("2026-11-0{night}T02:00:00Z").into();
            scale(file, p50, 1.0 + 0.002 * f64::from(night));
            // The newest has fewer queries than the others.
            scale(file, queries, if night == 5 { 0.5 } else { 1.0 });
        });
    }
    folder.record("head.json", |file| scale(file, p50, 1.5));
    let all = [
        "b.json",
        "e.json",
        "a.json",
        "d.json",
        "c.json",
        "head.json",
    ];

    let compare = folder.run_there(&[&["compare", "--format", "json"], &all[..]].concat());

    compare.exits(1);
    let judged = |id| verdict(&compare.stdout, id);
    assert!(judged(p50)["regressed"].is_object(), "{compare}");
    assert!(judged(queries)["regressed"].is_object(), "{compare}");
    let size = judged("bundle/web/total");
    assert!(size["unchanged"].is_object(), "{compare}");
    // What only warns does not fail: without the count, the latency alone.
    folder.record("e.json", |file| {
        file["head"]["measured-at"] = "2026-11-05T02:00:00Z".into();
    });
    let compare = folder.run_there(&[&["compare"], &all[..]].concat());
    compare
        .exits(0)
        .prints("worse, only warns")
        .prints("against 5 earlier runs, the newest of c3bb930c76");
    let again = folder.run_there(&[&["compare"], &all[..]].concat());
    assert_eq!(compare.stdout, again.stdout);
}

#[test]
fn runs_of_another_machine_are_named_and_not_judged() {
    let folder = Sandbox::for_runs();
    folder.record("base.json", |file| {
        file["head"]["measured-at"] = "2026-11-23T02:00:00Z".into();
        file["head"]["machine"]["cpu"] = "Another CPU".into();
    });
    folder.record("head.json", |_| ());

    let compare = folder.run_there(&["compare", "base.json", "head.json"]);

    compare
        .exits(0)
        .prints("stored runs are from another machine (2 × Another CPU, 24 GiB)")
        .says("note: `base.json` was measured after `head.json`, which is judged against it");
}

#[test]
fn what_an_earlier_run_has_and_the_last_lacks_never_passes() {
    let folder = Sandbox::for_runs();
    folder.record("base.json", |_| ());
    folder.record("head.json", |file| {
        let samples = file["head"]["samples"].as_object_mut().unwrap();
        samples.remove("endpoint/list projects/error-rate");
    });

    let compare = folder.run_there(&["compare", "base.json", "head.json"]);

    compare
        .exits(5)
        .prints("list projects: error rate")
        .prints("base has it, head does not");
}

#[test]
fn what_is_no_run_file_is_refused() {
    let folder = Sandbox::for_runs();
    folder.record("good.json", |_| ());
    folder.record("newer.json", |file| file["format"] = 99.into());
    folder.record("empty.json", |file| file["head"]["samples"] = json!({}));
    folder.record("baseless.json", |file| {
        file["base"]["measured"]["samples"] = json!({});
    });
    folder.record("no-time.json", |file| {
        file["head"]["measured-at"] = "yesterday".into();
    });
    folder.record("zero.json", |file| {
        file["head"]["samples"]["endpoint/list projects/p50"] = json!([]);
    });
    let report = json!({ "format": 1, "decision": { "outcome": "pass" } });
    let files = [
        ("text.json", "{\n  \"format\": 1,\n  oops\n}"),
        ("half.json", &FIRST_FORMAT[..1000]),
        ("nothing.json", ""),
        ("list.json", "[1]"),
        ("report.json", &report.to_string()),
    ];
    for (name, text) in files {
        fs::write(folder.runs().join(name), text).unwrap();
    }
    let error = |name: &str| {
        let compare = folder.run_there(&["compare", "good.json", name]);
        compare.exits(2);
        assert_eq!(compare.stdout, "", "{compare}");
        compare.error()
    };
    let errors = [
        "text.json",
        "half.json",
        "nothing.json",
        "list.json",
        "report.json",
        "zero.json",
        "newer.json",
        "empty.json",
        "baseless.json",
        "no-time.json",
        "missing.json",
        ".",
    ]
    .map(error);
    insta::assert_snapshot!(errors.join("\n\n"), @"
    error: `text.json` is not JSON: key must be a string at line 3 column 3

    hint: `tollgate check` writes its run file to `.tollgate/run.json`

    error: `half.json` is not JSON: EOF while parsing an object at line 49 column 5

    hint: `tollgate check` writes its run file to `.tollgate/run.json`

    error: `nothing.json` is not JSON: EOF while parsing a value at line 1 column 0

    hint: `tollgate check` writes its run file to `.tollgate/run.json`

    error: `list.json` is JSON, but no run file: invalid length 1, expected struct RunFile with 8 elements at line 1 column 3

    hint: `tollgate check` writes its run file to `.tollgate/run.json`

    error: `report.json` is JSON, but no run file: unknown field `decision`, expected one of `format`, `tool`, `project`, `seed`, `shard`, `base`, `head`, `phases` at line 1 column 11

    hint: `tollgate check` writes its run file to `.tollgate/run.json`

    error: `zero.json` is JSON, but no run file: no samples at line 1 column 12212

    hint: `tollgate check` writes its run file to `.tollgate/run.json`

    error: `newer.json` has format 99; this version reads up to 6

    hint: update Tollgate to at least the version that wrote it

    error: `empty.json` has no samples of head: nothing was measured

    hint: leave it out, or measure again with `tollgate check`

    error: `baseless.json` has no samples of base: nothing was measured

    hint: leave it out, or measure again with `tollgate check`

    error: `no-time.json` was measured at `yesterday`, which is no time

    error: `missing.json` cannot be read: No such file or directory (os error 2)

    error: `.` cannot be read: Is a directory (os error 21)
    ");
}

#[test]
fn a_run_given_twice_is_refused() {
    let folder = Sandbox::for_runs();
    folder.record("a.json", |_| ());
    folder.record("copy.json", |_| ());
    folder.record("b.json", |file| file["seed"] = 2.into());

    for (first, second) in [("a.json", "./a.json"), ("a.json", "copy.json")] {
        let compare = folder.run_there(&["compare", first, "b.json", second]);
        let message = format!("`{second}` and `{first}` are the same run");
        compare
            .exits(2)
            .says(&message)
            .says("hint: name each run once");
    }
}

#[test]
fn runs_of_two_projects_are_refused() {
    let folder = Sandbox::for_runs();
    folder.record("a.json", |_| ());
    folder.record("b.json", |file| file["project"] = "\u{1b}[31mshop".into());
    let text = "project: shop\nfrontend: [{ name: web, build: make, output: dist }]\n";
    fs::write(folder.runs().join("tollgate.yml"), text).unwrap();

    let files = folder.run_there(&["compare", "a.json", "b.json"]);
    files
        .exits(2)
        .says("`b.json` is a run of project `[31mshop`, but `a.json` is of project `spheroid`");

    let config = folder.run_there(&["compare", "a.json"]);
    config
        .exits(2)
        .says("`a.json` is a run of project `spheroid`, but `tollgate.yml` is of project `shop`");
}

#[test]
fn a_run_must_be_named() {
    let folder = Sandbox::for_runs();

    folder.run_there(&["compare"]).exits(2).says("<RUN>...");
}
