//! `tollgate explain`: the numbers behind a verdict.

use std::fs;

use serde_json::json;

use crate::support::{FAST, SHORT, SLOW, Sandbox, TOLERANT, config, scale};

#[test]
fn after_a_check_every_metric_is_listed_and_can_be_explained() {
    let project = Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]));
    project.edit("service.py", "\"x\" * 200", "\"x\" * 20000");
    let check = project.check();
    check.exits(1);

    let list = project.run(&["explain"]);

    list.exits(0);
    assert_eq!(list.stderr, "");
    let listed: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(listed.len(), check.verdicts().len());
    assert!(listed[0].starts_with("regressed"), "{list}");
    for (id, verdict) in check.verdicts() {
        let line = listed.iter().find(|line| line.ends_with(&id));
        let line = line.unwrap_or_else(|| panic!("`{id}` is not listed\n{list}"));
        if ["regressed", "improved", "unchanged", "inconclusive"].contains(&verdict.as_str()) {
            let shown = ["shown only", "target met", "new"];
            let said =
                line.starts_with(&verdict) || shown.iter().any(|word| line.starts_with(word));
            assert!(said, "{verdict}: {line}");
        }
        project.run(&["explain", &id]).exits(0).prints(&id);
    }
    let size = project.run(&["explain", "fast", "response-bytes"]);
    size.exits(0)
        .prints("response size of fast  (endpoint/fast/response-bytes)")
        .prints("REGRESSED")
        .prints("The gate fails because of it.")
        .prints("→ regressed: both hold");
    let latency = project.run(&["explain", "slow p50"]);
    latency
        .exits(0)
        .prints("latency p50 of slow  (endpoint/slow/p50)")
        .prints("block")
        .prints("First stage: is it plainly unchanged? (3 of 3 blocks)")
        .prints("±50.0 %");
}

#[test]
fn a_metric_is_found_by_what_people_call_it() {
    let folder = Sandbox::for_runs();
    folder.record("run.json", |_| ());
    let p50 = "(endpoint/list projects/p50)";

    for name in [
        "endpoint/list projects/p50",
        "Endpoint/List Projects/P50",
        "list projects/p50",
        "list p50",
        "p50 projects",
        "list projects: latency p50",
        "latency p50 of list projects",
        "p50",
    ] {
        let explain = folder.run_there(&["explain", "--run", "run.json", name]);
        explain.exits(0).prints(p50);
    }
    let memory = folder.run_there(&["explain", "--run", "run.json", "api", "memory"]);
    memory.exits(0).prints("(service/api/memory)");
}

#[test]
fn an_ambiguous_or_unknown_name_lists_what_may_be_meant() {
    let folder = Sandbox::for_runs();
    folder.record("run.json", |_| ());
    let error = |name: &str| {
        let explain = folder.run_there(&["explain", "--run", "run.json", name]);
        explain.exits(2);
        assert_eq!(explain.stdout, "", "{explain}");
        explain.error()
    };

    let errors = ["list quer", "lsit projects p5O", "\u{1b}[31m"].map(error);

    insta::assert_snapshot!(errors.join("\n\n"), @"
    error: `list quer` may be any of 2 metrics; name one of them:
      endpoint/list projects/queries-per-request
      endpoint/list projects/query-mean

    error: the run has no metric `lsit projects p5O`; did you mean `endpoint/list projects/p50`?

    It has:
      endpoint/list projects/p50
      endpoint/list projects/cpu
      endpoint/list projects/mean
      endpoint/list projects/throughput
      endpoint/list projects/error-rate
      endpoint/list projects/query-mean
      endpoint/list projects/response-bytes
      endpoint/list projects/rows-per-request
      endpoint/list projects/queries-per-request
      service/api/peak-memory
      bundle/web/initial-js
      bundle/web/initial-css
      bundle/web/total
      service/api/memory

    error: the run has no metric `[31m`

    It has:
      service/api/memory
      service/api/peak-memory
      endpoint/list projects/mean
      endpoint/list projects/query-mean
      bundle/web/initial-js
      bundle/web/initial-css
      bundle/web/total
      endpoint/list projects/p50
      endpoint/list projects/cpu
      endpoint/list projects/throughput
      endpoint/list projects/error-rate
      endpoint/list projects/queries-per-request
      endpoint/list projects/rows-per-request
      endpoint/list projects/response-bytes
    ");
}

#[test]
fn without_a_check_it_says_what_to_do() {
    let project = Sandbox::with_frontend("", "");

    let explain = project.run(&["explain"]);
    explain
        .exits(2)
        .says("error: there is no `.tollgate/run.json`")
        .says("hint: run `tollgate check` first, or name a run file with `--run`");
    assert!(!project.result("").exists(), "nothing is written");

    let config = project.project().join("tollgate.yml").display().to_string();
    let elsewhere = project.start_in(&project.marks(), &["explain", "--config", &config]);
    elsewhere
        .finish()
        .exits(2)
        .says("there is no `PROJECT/.tollgate/run.json`");
}

#[test]
fn a_missing_base_is_said_with_its_reason() {
    let folder = Sandbox::for_runs();
    folder.record("run.json", |file| {
        file["base"] = json!({ "missing": "the build ended with status 1" });
    });

    let explain = folder.run_there(&["explain", "--run", "run.json", "p50"]);

    explain
        .exits(0)
        .prints("INCONCLUSIVE")
        .prints("base could not be measured: the build ended with\n  status 1")
        .prints("  base       no number")
        .prints("Make base measurable");
}

#[test]
fn several_runs_give_the_range_of_what_is_usual() {
    let folder = Sandbox::for_runs();
    let mut arguments = vec!["explain".to_owned(), "p50".to_owned()];
    for night in 1..=6 {
        let name = format!("{night}.json");
        folder.record(&name, |file| {
            file["head"]["measured-at"] = format!("2026-11-0{night}T02:00:00Z").into();
            let factor = if night == 6 {
                1.5
            } else {
                1.0 + 0.002 * f64::from(night)
            };
            scale(file, "endpoint/list projects/p50", factor);
        });
        arguments.extend(["--run".to_owned(), name]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

    let explain = folder.run_there(&arguments);

    explain
        .exits(0)
        .prints("WORSE, ONLY WARNS")
        .prints("against 5 earlier runs, the newest of\n")
        .prints("2026-11-05 02:00")
        .prints("Student's t, 99.9 %, 4 degrees of freedom");
}

#[test]
fn every_line_fits_a_terminal_and_no_name_can_act_in_it() {
    let folder = Sandbox::for_runs();
    let name = format!("\u{1b}[31m{}", "a long name of an endpoint ".repeat(8));
    folder.record("run.json", |file| {
        for arm in ["/head", "/base/measured"] {
            let samples = file.pointer_mut(&format!("{arm}/samples")).unwrap();
            let samples = samples.as_object_mut().unwrap();
            let p50 = samples.remove("endpoint/list projects/p50").unwrap();
            samples.insert(format!("endpoint/{name}/p50"), p50);
        }
        file["head"]["revision"]["label"] = "x\u{1b}[2J".into();
    });

    let explain = folder.run_there(&["explain", "--run", "run.json", "p50"]);

    explain.exits(0);
    assert!(!explain.stdout.contains('\u{1b}'), "{explain}");
    for line in explain.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    fs::remove_file(folder.runs().join("run.json")).unwrap();
}
