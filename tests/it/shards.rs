//! `tollgate check --shard` and `merge`: one run on several machines.

use std::fs;

use serde_json::Value;

use crate::support::{BUILD, FAST, SHORT, SLOW, Sandbox, TOLERANT, config};

/// Two endpoints of one service, and a frontend.
fn project() -> Sandbox {
    let frontend = "frontend: [{ name: web, build: sh build.sh, output: dist }]";
    let project = Sandbox::with_service(&config(&[FAST, SLOW], &[frontend, SHORT, TOLERANT]));
    project.write("build.sh", BUILD);
    project.commit("a frontend");
    project
}

fn ids(run: &Value, arm: &str) -> Vec<String> {
    let samples = match arm {
        "base" => &run["base"]["measured"]["samples"],
        _ => &run["head"]["samples"],
    };
    let samples = samples.as_object().expect("samples");
    samples.keys().cloned().collect()
}

#[test]
fn two_machines_measure_what_one_does() {
    let project = project();
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=90");
    let mut files = Vec::new();
    for shard in ["1/2", "2/2"] {
        let done = project.run(&["check", "--shard", shard, "--base", "HEAD"]);
        done.exits(0).prints("`tollgate merge` judges");
        let name = format!("shard-{}.json", &shard[..1]);
        let kept = project.outside(&name);
        fs::copy(project.result("run.json"), &kept).expect("a copy");
        files.push(kept.display().to_string());
    }
    let parts: Vec<Value> = files
        .iter()
        .map(|file| serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON"))
        .collect();
    assert_eq!(parts[0]["shard"]["number"], 1);
    let (one, two) = (ids(&parts[0], "head"), ids(&parts[1], "head"));
    assert!(one.iter().any(|id| id == "endpoint/fast/p50"), "{one:?}");
    assert!(one.iter().any(|id| id == "bundle/web/total"), "{one:?}");
    assert!(two.iter().any(|id| id == "endpoint/slow/p50"), "{two:?}");
    // Both run the service; its memory is the first shard's.
    assert!(one.iter().any(|id| id == "service/app/memory"), "{one:?}");
    assert!(one.iter().all(|id| !two.contains(id)), "{one:?} {two:?}");

    // Neither can be judged alone, nor merged without the other or with another run.
    project
        .run(&["compare", &files[0]])
        .exits(2)
        .says("shard 1 of 2, not a whole run");
    project
        .run(&["merge", &files[0]])
        .exits(3)
        .says("these are missing: 2");

    // One of them lies where results do, as the last check leaves it.
    fs::copy(&files[1], project.result("run.json")).expect("a copy");
    let merged = project.run(&["merge", ".tollgate/run.json", &files[0]]);
    merged.exits(1);
    assert_eq!(merged.verdict("bundle/web/total"), "regressed");
    let run = merged.run_file();
    assert!(run["shard"].is_null());
    let mut all = [one, two].concat();
    all.sort();
    let mut found = ids(&run, "head");
    found.sort();
    assert_eq!(found, all);
    assert_eq!(ids(&run, "base"), ids(&run, "head"));
    // What was merged is a run file like any other.
    let again = project.result("run.json").display().to_string();
    project.run(&["compare", &again]).exits(1);

    project.write("tollgate.yml", &config(&[FAST, SLOW], &[SHORT, TOLERANT]));
    let done = project.run(&["check", "--shard", "2/2", "--base", "HEAD"]);
    done.exits(0);
    let other = project.result("run.json");
    let kept = project.outside("other.json");
    fs::copy(other, &kept).expect("a copy");
    let kept = kept.display().to_string();
    project
        .run(&["merge", &files[0], &kept])
        .exits(3)
        .says("are not of one run");
}

#[test]
fn more_shards_than_work_are_refused() {
    let project = project();
    project
        .run(&["check", "--shard", "4/4", "--base", "HEAD"])
        .exits(2)
        .says("3 at most");
    for wrong in ["0/2", "3/2", "2", "a/b", "1/0"] {
        project.run(&["check", "--shard", wrong]).exits(2);
    }
}
