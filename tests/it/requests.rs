//! What is sent: variables, folders of files, batches; and over what.

use std::path::Path;

use serde_json::Value;

use crate::support::{FAST, SHORT, SURE, Sandbox, TOLERANT, config};

/// A configuration whose service is started like this.
fn with_service_as(service: &str, endpoints: &[&str]) -> String {
    let endpoints = endpoints.concat();
    format!(
        "project: sandbox\nservices:\n  app:\n{service}endpoints:\n{endpoints}{SHORT}\n{TOLERANT}\n"
    )
}

fn answers<'a>(run: &'a Value, endpoint: &str) -> &'a Value {
    &run["head"]["evidence"]["answers"][endpoint]
}

fn is_all_good(run: &Value, endpoint: &str) {
    for arm in [&run["base"]["measured"], &run["head"]] {
        let responses = &arm["responses"][endpoint];
        assert!(responses["good"].as_u64() > Some(10), "{responses}");
        assert_eq!(responses["wrong"], serde_json::json!({}), "{responses}");
    }
}

const ITEM: &str = "  - name: item
    service: app
    request: GET /items/{{ id }}
    headers: { X-Kind: \"{{ kind }}\" }
    variables: { id: 1..500, kind: [cell, nucleus] }
    expect: { contains: /items/, same-as-base: true }
";

#[test]
fn both_arms_are_sent_the_same_requests_that_differ() {
    let project = Sandbox::with_service(&config(&[ITEM], &[SHORT, TOLERANT]));

    let check = project.check();

    check.exits(0);
    let run = check.run_file();
    is_all_good(&run, "item");
    let answers = answers(&run, "item");
    // Hundreds were sent, of which the first are remembered.
    assert!(answers["compared"].as_u64() > Some(20), "{answers}");
    assert_eq!(answers["different"], 0, "{answers}");
    assert_eq!(
        check.verdict("endpoint/item/different-answers"),
        "unchanged"
    );
}

#[test]
fn a_head_that_answers_otherwise_fails_where_it_must_be_the_same() {
    let project = Sandbox::with_service(&config(&[ITEM], &[SHORT, TOLERANT]));
    project.edit(
        "service.py",
        "ITEM_SAYS = \"item\"",
        "ITEM_SAYS = \"thing\"",
    );

    let check = project.check();

    check
        .exits(1)
        .prints("different answers")
        .prints("otherwise than base does");
    assert_eq!(
        check.verdict("endpoint/item/different-answers"),
        "regressed"
    );
}

#[test]
fn what_changes_with_every_answer_cannot_be_compared_but_a_part_of_it_can() {
    let clock = |same: &str| {
        format!(
            "  - {{ name: clock, service: app, request: GET /clock, expect: {{ same-as-base: {same} }} }}\n"
        )
    };
    let project = Sandbox::with_service(&config(&[&clock("true")], &[SHORT, TOLERANT]));
    let check = project.check();
    check.exits(5).prints("name the part that must be the same");

    let project = Sandbox::with_service(&config(&[&clock("$.always")], &[SHORT, TOLERANT]));
    let check = project.check();
    check.exits(0);
    assert_eq!(
        check.verdict("endpoint/clock/different-answers"),
        "unchanged"
    );
    project.edit(
        "service.py",
        "ITEM_SAYS = \"item\"",
        "ITEM_SAYS = \"thing\"",
    );
    let check = project.check();
    check.exits(1);
    assert_eq!(
        check.verdict("endpoint/clock/different-answers"),
        "regressed"
    );
}

#[test]
fn the_files_of_a_folder_are_sent_one_after_the_other() {
    let names = "  - name: names
    service: app
    request: POST /names
    multipart: { image: \"@images/\", note: a cell }
    expect: { json: \"$.names[0]\", same-as-base: true }
";
    let project = Sandbox::empty();
    project.write("service.py", crate::support::SERVICE);
    for name in ["b.png", "a.png", "c.png", ".hidden"] {
        project.write(&format!("images/{name}"), name);
    }
    project.write("tollgate.yml", &config(&[names], &[SHORT, TOLERANT]));
    project.commit("a folder of images");

    let check = project.check();

    check.exits(0);
    let run = check.run_file();
    is_all_good(&run, "names");
    let answers = answers(&run, "names");
    assert_eq!(
        (&answers["compared"], &answers["different"]),
        (&3.into(), &0.into())
    );

    project.write(
        "tollgate.yml",
        &config(&[&names.replace("@images/", "@none/")], &[SHORT]),
    );
    let check = project.check();
    check
        .exits(3)
        .says("endpoint `names`: file `none/` cannot be read");
}

#[test]
fn a_batch_is_compared_with_as_many_single_requests() {
    let endpoints = "  - { name: single, service: app, request: POST /single }
  - name: batch
    service: app
    request: POST /batch
    batch: { size: 4, of: single }
    budgets: { batch-gain: 1.2, throughput: 60/min }
";
    // Longer than elsewhere: the sizes themselves are looked at, on machines that do other work.
    let long = "measure: { blocks: 4, confirmation-blocks: 6, block: 1 s, warm-up: 50 ms, contention-limit: 100% }";
    let project = Sandbox::with_service(&config(&[endpoints], &[long, TOLERANT]));

    let check = project.check_alone();

    check.exits(0);
    let run = check.run_file();
    let mean = |name: &str, metric: &str| {
        let values = &run["head"]["samples"][format!("endpoint/{name}/{metric}")];
        let values: Vec<f64> = values
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect();
        assert!(!values.is_empty(), "{name} {metric}");
        values.iter().sum::<f64>() / values.len() as f64
    };
    // Four take twice as long as one.
    let gain = mean("batch", "batch-gain");
    assert!((1.2..2.8).contains(&gain), "{gain}");
    // Four a request, at half the rate of requests.
    let ratio = mean("batch", "throughput") / mean("single", "throughput");
    assert!((1.2..2.8).contains(&ratio), "{ratio}");

    project.edit(
        "service.py",
        "spin(BATCH_OF_FOUR_MS)\n",
        "spin(BATCH_OF_FOUR_MS * 3)\n",
    );
    let check = project.check_alone();
    check.exits(1).prints("batch gain");
}

#[test]
fn the_first_answer_of_a_fresh_process_is_timed_apart() {
    let cold =
        "  - { name: cold, service: app, request: GET /cold, budgets: { cold-start: 300 ms } }\n";
    let project = Sandbox::with_service(&config(&[cold], &[SHORT, TOLERANT]));
    project.check().exits(0);

    project.edit("service.py", "COLD_MS = 0.0", "COLD_MS = 400.0");
    let check = project.check();

    check.exits(1).prints("cold start");
    // What comes after is as fast as before.
    assert_ne!(check.verdict("endpoint/cold/p50"), "regressed", "{check}");
}

#[test]
fn a_time_limit_ends_measuring_and_what_is_missing_is_no_pass() {
    let long = "measure: { blocks: 8, block: 1 s, warm-up: 50 ms, time-limit: 2 s, contention-limit: 100% }";
    let project = Sandbox::with_service(&config(&[FAST], &[long, TOLERANT]));

    let check = project.check();

    check
        .exits(5)
        .says("measuring ended at its time limit of 2 s, in block ");
    let comment = check.comment();
    assert!(
        comment.contains("measuring ended at its time limit"),
        "{comment}"
    );
}

#[test]
fn an_endpoint_may_have_a_time_limit_of_its_own() {
    let slow = "  - { name: slow, service: app, request: GET /slow, time-limit: 500 ms }\n";
    let project = Sandbox::with_service(&config(&[FAST, slow], &[SURE, TOLERANT]));

    let check = project.check();

    check
        .exits(5)
        .says("slow: measuring ended at its time limit of 0.5 s, in block ");
    let run = check.run_file();
    let blocks = |name: &str| {
        let samples = &run["head"]["samples"][format!("endpoint/{name}/p50")];
        samples.as_array().map_or(0, Vec::len)
    };
    assert!(blocks("slow") < blocks("fast"), "{check}");
}

#[test]
fn a_rate_above_what_base_can_do_says_nothing_about_head() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { rate: 2000/s, connections: 20 } }\n";
    let project = Sandbox::with_service(&config(&[slow], &[SHORT, TOLERANT]));

    let check = project.check();

    check
        .exits(5)
        .prints("requests a second: above what it can do");
    assert_eq!(check.verdict("endpoint/slow/p50"), "inconclusive");
}

#[test]
fn a_head_that_does_not_keep_up_with_the_rate_is_named() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { rate: 60/s } }\n";
    let project = Sandbox::with_service(&config(&[slow], &[SURE, TOLERANT]));
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 40.0");

    let check = project.check_alone();

    check
        .exits(1)
        .prints("requests a second, where base answers");
    assert_eq!(check.verdict("endpoint/slow/p50"), "regressed");
}

#[test]
fn a_service_may_listen_on_a_unix_socket() {
    let service = "    command: exec python3 -I service.py /tmp/tollgate-test-{{ port }}.sock
    socket: /tmp/tollgate-test-{{ port }}.sock
    ready: { http: /health, within: 20 s }
";
    let project = Sandbox::with_service(&with_service_as(service, &[FAST]));

    let check = project.check();

    check.exits(0);
    is_all_good(&check.run_file(), "fast");
}

#[test]
fn a_service_may_speak_tls_with_a_certificate_of_its_own() {
    let service = "    command: exec python3 -I service.py {{ port }} server.pem
    tls: { ca: ca.pem, name: localhost }
    ready: { http: /health, within: 20 s }
";
    let project = Sandbox::with_service(&with_service_as(service, &[FAST]));
    let (ca, server) = certificates();
    project.write("ca.pem", &ca);
    project.write("server.pem", &server);
    project.commit("certificates");

    let check = project.check();

    check.exits(0);
    is_all_good(&check.run_file(), "fast");

    project.write("ca.pem", &certificates().0);
    let check = project.check();
    check
        .exits(3)
        .says("service `app` was not ready within 20 s")
        .says("certificate");
}

/// A CA, and a certificate that it signed with its key.
fn certificates() -> (String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = authority.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&own, &issuer).expect("a certificate");
    (ca, format!("{}{}", own.serialize_pem(), certificate.pem()))
}

const LOGIN: &str = "\
sessions:
  ada:
    service: app
    before:
      - { request: GET /csrf, capture: { csrf: $.csrf } }
    request: POST /login
    headers: { X-CSRF: \"{{ csrf }}\" }
    json: { user: ada, password: \"{{ env.ADA_PASSWORD }}\" }
    token: $.token
";
const PRIVATE: &str = "  - { name: private, service: app, request: GET /private, session: ada, expect: { status: 200 } }
";

#[test]
fn a_login_may_take_steps_and_a_password_of_the_environment() {
    let project = Sandbox::with_service(&config(&[PRIVATE], &[LOGIN, SHORT, TOLERANT]));
    project.edit("service.py", "CSRF = \"\"", "CSRF = \"c-1\"");
    project.commit("a login in steps");

    let password = [("ADA_PASSWORD", Path::new("s3cret"))];
    let check = project.run_with(&password, &["check"]);
    check.exits(0);
    is_all_good(&check.run_file(), "private");

    let check = project.check();
    check
        .exits(3)
        .says("session `ada`: the environment variable `ADA_PASSWORD` is not set");

    let wrong = [("ADA_PASSWORD", Path::new("hunter2"))];
    let check = project.run_with(&wrong, &["check"]);
    check.exits(3).says("session `ada`: the login answered 403");
    assert!(!check.stderr.contains("hunter2"), "{check}");
}
