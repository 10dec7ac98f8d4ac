//! The same, slower, and under load.

use serde_json::Value;

use crate::support::{FAST, SHORT, SLOW, SURE, Sandbox, TOLERANT, config};

/// The sections of a comment, in the order a reader expects them.
const HEADINGS: [&str; 4] = [
    "### 📊 Current Metrics",
    "### 🐌 Bottlenecks Identified",
    "### ⚡ Optimization Recommendations",
    "### ✅ Quick Wins",
];

#[test]
fn an_unchanged_service_passes_and_leaves_three_results() {
    let project = Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]));

    let check = project.run(&["check", "--format", "json"]);

    check.exits(0);
    let printed: Value = serde_json::from_str(&check.stdout).expect("only JSON is printed");
    assert_eq!(printed, check.report());
    let comment = check.comment();
    let places: Vec<_> = HEADINGS.iter().map(|one| comment.find(one)).collect();
    assert!(places.iter().all(Option::is_some), "{comment}");
    assert!(places.is_sorted(), "the sections are in order\n{comment}");
    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        for endpoint in ["fast", "slow"] {
            let samples = &arm["samples"][format!("endpoint/{endpoint}/cpu")];
            let blocks = samples.as_array().map(Vec::len);
            assert_eq!(blocks, Some(3), "one number for each block: {arm:#}");
            let latencies = &arm["samples"][format!("endpoint/{endpoint}/p50")];
            let latencies = latencies.as_array().map_or(0, Vec::len);
            let contention = arm["contention"][endpoint].as_array().expect("each block");
            // On a busy machine a suspicion needs fresh blocks, which are counted apart.
            let is_first = |one: &&Value| one["fresh"] != true;
            let contention: Vec<_> = contention.iter().filter(is_first).collect();
            let numbers: Vec<_> = contention.iter().map(|one| one["block"].as_u64()).collect();
            assert_eq!(numbers, [Some(1), Some(2), Some(3)], "{arm:#}");
            let counts = |one: &&&Value| one["disturbed"] != true;
            let counted = contention.iter().filter(counts).count();
            assert_eq!(
                latencies, counted,
                "one for each block that counts: {arm:#}"
            );
        }
    }
    let regressed = |(_, verdict): &(String, String)| verdict == "regressed";
    assert!(!check.verdicts().iter().any(regressed), "{check}");
}

#[test]
fn each_format_prints_what_it_is_called_after() {
    let project = Sandbox::with_frontend("", "");

    let text = project.run(&["check", "--format", "text"]);
    text.exits(0).prints("PASS  sandbox: ");

    let markdown = project.run(&["check", "--format", "markdown"]);
    markdown.exits(0);
    assert_eq!(markdown.stdout, markdown.comment());
}

#[test]
fn a_slower_endpoint_fails_and_the_changed_line_is_named() {
    let project = Sandbox::with_service(&config(&[FAST, SLOW], &[SURE, TOLERANT]));
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 6.0");

    let check = project.check();

    check.exits(1);
    // On a busy machine latencies may be too noisy to judge; the processor time tells.
    assert_eq!(check.verdict("endpoint/slow/cpu"), "regressed", "{check}");
    let p50 = check.verdict("endpoint/slow/p50");
    assert!(
        p50 == "regressed" || p50 == "inconclusive",
        "{p50}\n{check}"
    );
    assert_ne!(check.verdict("endpoint/fast/p50"), "regressed", "{check}");
    let place = format!("service.py:{}", project.line_of("service.py", "SLOW_MS"));
    check
        .prints("FAIL  sandbox: ")
        .prints("slow")
        .prints(&place);
    let comment = check.comment();
    for text in [place.as_str(), "`slow`", "changed in this pull request"] {
        assert!(comment.contains(text), "`{text}` is not in\n{comment}");
    }
}

#[test]
fn a_faster_endpoint_is_an_improvement_and_passes() {
    let project = Sandbox::with_service(&config(&[SLOW], &[SURE, TOLERANT]));
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 0.2");

    let check = project.check();

    check.exits(0);
    assert_eq!(check.verdict("endpoint/slow/cpu"), "improved", "{check}");
}

#[test]
fn a_larger_response_is_counted_and_needs_no_statistics() {
    let project = Sandbox::with_service(&config(&[FAST], &[SHORT, TOLERANT]));
    project.edit("service.py", "\"x\" * 200", "\"x\" * 20000");

    let check = project.check();

    check.exits(1);
    let id = "endpoint/fast/response-bytes";
    assert_eq!(check.verdict(id), "regressed", "{check}");
    check.prints("fast");
}

#[test]
fn an_earlier_commit_can_be_judged_against_a_named_base() {
    let project = Sandbox::with_frontend("", "");
    let first = project.git(&["rev-parse", "HEAD"]);
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");
    let second = project.commit("grow");
    project.edit("build.sh", "extra_kilobytes=50", "extra_kilobytes=0");
    project.commit("shrink");

    let check = project.run(&["check", "--base", &first, "--head", &second]);

    check.exits(1).prints(&first[..10]).prints(&second[..10]);
}

#[test]
fn several_requests_at_once_are_measured_in_slices() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { concurrency: 4 } }\n";
    let project = Sandbox::with_service(&config(&[slow, FAST], &[SURE, TOLERANT]));
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 6.0");

    let check = project.check();

    check.exits(1);
    assert_eq!(check.verdict("endpoint/slow/cpu"), "regressed", "{check}");
    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        let responses = &arm["responses"]["slow"];
        // Each arm was driven, and no answer of a frozen service counts as wrong.
        assert!(responses["good"].as_u64() > Some(20), "{responses}");
        assert_eq!(responses["wrong"], serde_json::json!({}), "{responses}");
    }
}

#[test]
fn requests_at_a_rate_are_timed_from_when_they_were_due() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { rate: 100/s } }\n";
    let project = Sandbox::with_service(&config(&[slow, FAST], &[SURE, TOLERANT]));
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 6.0");

    let check = project.check();

    check.exits(1);
    assert_eq!(check.verdict("endpoint/slow/cpu"), "regressed", "{check}");
    let run = check.run_file();
    let loops = |arm: &str| run.pointer(&format!("{arm}/open-loops/slow")).cloned();
    let (base, head) = (loops("/base/measured"), loops("/head"));
    let (base, head) = (base.expect("blocks"), head.expect("blocks"));
    let all = |blocks: &serde_json::Value| blocks.as_array().cloned().unwrap_or_default();
    assert_eq!(all(&base).len(), all(&head).len());
    for (base, head) in all(&base).iter().zip(all(&head)) {
        assert_eq!(base["asked"], head["asked"], "both get the same traffic");
        assert!(base["send-lag-p50"].as_f64() >= Some(0.0), "{base}");
        assert!(base["service-times"].is_string(), "{base}");
    }
    let fast = run.pointer("/head/open-loops/fast");
    assert!(fast.is_none(), "a closed loop has no rate: {fast:?}");
}

#[test]
fn a_rate_can_be_found_out_from_what_base_answers() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { rate: auto } }\n";
    let project = Sandbox::with_service(&config(&[slow], &[SHORT, TOLERANT]));

    let check = project.check();

    check
        .says("slow: base answers ")
        .says(" requests a second, so both get ");
    let run = check.run_file();
    let asked = run["head"]["open-loops"]["slow"][0]["asked"].as_f64();
    // 2 ms each on one core are 500 a second at the very most; a tenth where the machine is busy.
    assert!(
        (5.0..400.0).contains(&asked.unwrap_or_default()),
        "{asked:?}"
    );
}

#[test]
fn an_answer_without_its_header_or_with_another_body_is_wrong() {
    let fast = "  - name: fast
    service: app
    request: GET /fast
    expect: { headers: { content-type: application/json }, contains: items }
  - name: kind
    service: app
    request: GET /fast
    expect: { headers: { content-type: text/html } }
";
    let project = Sandbox::with_service(&config(&[fast], &[SHORT, TOLERANT]));

    let check = project.check();

    let run = check.run_file();
    let wrong = |name: &str| run["head"]["responses"][name]["wrong"].clone();
    assert_eq!(wrong("fast"), serde_json::json!({}), "{check}");
    assert!(
        wrong("kind")["header content-type"].as_u64() > Some(0),
        "{check}"
    );
}
