//! Whole configurations in, plans or the exact words of an error out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::measure::plan::{
    Arrivals, Body, Fresh, Load, OpenLoad, Part, Rate, Ready, ServiceKind, Variable,
};
use crate::model::{Metric, MetricId, Outcome, Weight};

use super::*;

/// A service and an endpoint: what follows continues the endpoint, or starts another key.
const ENDPOINT: &str = "\
project: p
services:
  api: { command: x }
endpoints:
  - name: a
    service: api
    request: GET /
";

fn read(text: &str) -> Result<Config, ConfigError> {
    let text = text.trim_start_matches('\n');
    parse(text, "tollgate.yml", Path::new("/project"))
}

fn error(text: &str) -> String {
    let error = read(text).expect_err("a configuration that is wrong");
    format!("error: {error}")
}

fn error_after_endpoint(text: &str) -> String {
    let text = text.trim_start_matches('\n');
    error(&format!("{ENDPOINT}{text}"))
}

/// The example of the design, as far as this version goes.
const SPHEROID: &str = r#"
project: spheroid
frontend:
  - name: web
    directory: frontend
    install: { run: npm ci, inputs: [package.json, package-lock.json] }
    build: npm run build
    output: dist
    budgets: { initial-js: 500 KB, total: 2 MB }
services:
  api:
    directory: api
    install: npm ci
    command: node server.js
    needs: [redis]
    environment:
      PORT: "{{ port }}"
      WORKERS: 2
      DATABASE_URL: "postgresql://postgres@{{ services.postgres.address }}/app"
    ready: { http: /health, within: 40 s }
    budgets: { memory: 512 MB, peak-memory: 1 GiB }
  postgres:
    prepare: db/postgres init {{ data }}
    command: db/postgres start {{ data }} {{ port }}
    connection: postgresql://postgres@{{ address }}/app
    seed: db/load {{ host }} {{ port }}
    ready: { postgres: "select 1" }
  redis:
    command: redis-server --port {{ port }}
    ready: { redis: true }
    fresh: per-run
  ml:
    url: http://127.0.0.1:9000
sessions:
  user:
    service: api
    request: POST /api/login
    json: { email: a@example.com, attempts: 1, note: null }
    token: $.token
endpoints:
  - name: list projects
    service: api
    request: GET /api/projects?page=1
    headers: { Accept: application/json }
    session: user
    expect: { status: 200, json: "$.items[0].id", contains: id }
    budgets: { mean: 200 ms, query-mean: 50 ms, queries-per-request: 5, error-rate: 0% }
  - name: segment
    service: ml
    request: POST /segment
    multipart: { image: ["@fixtures/a.png", "@fixtures/b.png"], note: text }
    load: { concurrency: 4 }
    time-out: 1 min
    budgets: { throughput: 10/min }
measure: { blocks: 6, seed: 7 }
gate:
  tolerance: { latency: 4%, count: 0% }
  inconclusive: fail
"#;

#[test]
fn the_example_has_its_frontend_and_its_sampling() {
    let plan = read(SPHEROID).expect("the example").plan;
    assert_eq!(plan.project, "spheroid");
    let web = &plan.frontends[0];
    assert_eq!(web.directory, Path::new("frontend"));
    assert_eq!(web.within, Duration::from_secs(600));
    let install = web.install.as_ref().expect("an install step");
    assert_eq!(install.run, "npm ci");
    assert_eq!(install.inputs.len(), 2);

    let sampling = plan.sampling;
    assert_eq!((sampling.blocks, sampling.confirmation_blocks), (6, 16));
    assert_eq!(sampling.block, Duration::from_secs(2));
    assert_eq!(sampling.warm_up, Duration::from_secs(1));
    assert_eq!(sampling.seed, 7);
}

#[test]
fn the_example_starts_its_services_in_order() {
    let plan = read(SPHEROID).expect("the example").plan;
    let names: Vec<&str> = plan.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["postgres", "redis", "api", "ml"]);
    let [postgres, redis, api, ml] = plan.services.as_slice() else {
        panic!("four services");
    };
    assert_eq!(api.needs, ["redis", "postgres"]);
    assert_eq!(api.within, Duration::from_secs(40));
    assert_eq!(api.fresh, Fresh::PerBlock);
    let ServiceKind::Process(process) = &api.kind else {
        panic!("a process");
    };
    assert_eq!(process.environment["WORKERS"], "2");
    assert_eq!(postgres.fresh, Fresh::PerRun);
    assert_eq!(postgres.within, Duration::from_secs(30));
    assert_eq!((&redis.ready, redis.fresh), (&Ready::Redis, Fresh::PerRun));
    let url = "http://127.0.0.1:9000".to_owned();
    assert_eq!(ml.kind, ServiceKind::External { url });
}

#[test]
fn the_example_has_its_requests() {
    let plan = read(SPHEROID).expect("the example").plan;
    let body = r#"{"attempts":1,"email":"a@example.com","note":null}"#;
    assert_eq!(plan.sessions[0].request.body, Body::Json(body.to_owned()));
    let [list, segment] = plan.endpoints.as_slice() else {
        panic!("two endpoints");
    };
    assert_eq!(list.request.path, "/api/projects?page=1");
    assert_eq!(list.session.as_deref(), Some("user"));
    assert_eq!(list.expect.status, Some(200));
    assert_eq!(list.time_out, Duration::from_secs(10));
    let file = |path: &str| ("image".to_owned(), Part::File(PathBuf::from(path)));
    let parts = vec![
        file("fixtures/a.png"),
        file("fixtures/b.png"),
        ("note".to_owned(), Part::Text("text".to_owned())),
    ];
    assert_eq!(segment.request.body, Body::Multipart(parts));
    assert_eq!(segment.load, Load::Closed { concurrency: 4 });
    assert_eq!(segment.time_out, Duration::from_secs(60));
}

#[test]
fn the_example_has_its_budgets_in_the_units_of_the_metrics() {
    let policy = read(SPHEROID).expect("the example").policy;
    let list = |metric| MetricId::endpoint("list projects", metric);
    let segment = |metric| MetricId::endpoint("segment", metric);
    assert_eq!(
        policy.budgets,
        BTreeMap::from([
            (MetricId::bundle("web", Metric::InitialJs), 500_000.0),
            (MetricId::bundle("web", Metric::Total), 2_000_000.0),
            (list(Metric::LatencyMean), 200.0),
            (list(Metric::QueryMean), 50.0),
            (list(Metric::QueriesPerRequest), 5.0),
            (list(Metric::ErrorRate), 0.0),
            (segment(Metric::Throughput), 10.0),
            (MetricId::service("api", Metric::Memory), 512_000_000.0),
            (
                MetricId::service("api", Metric::PeakMemory),
                1_073_741_824.0
            ),
        ])
    );
}

#[test]
fn the_example_asks_for_these_metrics() {
    let policy = read(SPHEROID).expect("the example").policy;
    let expected: Vec<String> = policy.expected.iter().map(MetricId::to_string).collect();
    insta::assert_snapshot!(expected.join("\n"), @r"
    bundle/web/initial-js
    bundle/web/total
    endpoint/list projects/p50
    endpoint/list projects/error-rate
    endpoint/list projects/response-bytes
    endpoint/list projects/cpu
    endpoint/list projects/queries-per-request
    endpoint/segment/p50
    endpoint/segment/error-rate
    endpoint/segment/response-bytes
    service/postgres/memory
    service/redis/memory
    service/api/memory
    endpoint/list projects/mean
    endpoint/list projects/query-mean
    endpoint/segment/throughput
    service/api/peak-memory
    ");
}

#[test]
fn the_example_is_judged_as_it_says() {
    let config = read(SPHEROID).expect("the example");
    let tolerances = compare::policy::Tolerances {
        latency: 0.04,
        count: 0.0,
        ..Default::default()
    };
    assert_eq!(config.policy.tolerances, tolerances);
    assert_eq!(config.policy.blocks, 6);
    assert_eq!(config.gate.inconclusive, Outcome::Inconclusive);
    assert_eq!(config.gate.missed_by_base, Outcome::Warn);
    let store = PathBuf::from("/project/.tollgate/baselines.db");
    assert_eq!(config.store, store::Location::Sqlite(store));
}

#[test]
fn runs_are_kept_in_a_file_or_on_a_server() {
    let stored = |place: &str| {
        let text = format!(
            "project: a\nfrontend: [{{ name: web, build: make, output: dist }}]\nstore: {place}\n"
        );
        parse(&text, "tollgate.yml", Path::new("/project"))
    };
    let address = "postgres://ada@db.example.com/perf?sslmode=require";
    let expected = store::Location::Postgres(store::Address::parse(address).unwrap());
    assert_eq!(stored(address).unwrap().store, expected);
    let told = stored("mysql://db/perf").unwrap_err().to_string();
    assert!(told.contains("a SQLite file or in PostgreSQL"), "{told}");
}

#[test]
fn an_endpoint_alone_is_enough() {
    let config = read(ENDPOINT).expect("the smallest configuration");
    assert_eq!(config.plan.sampling.blocks, 8);
    assert_eq!(config.plan.services[0].ready, Ready::Tcp);
    assert_eq!(config.gate, gate::Policy::default());
}

#[test]
fn lines_may_end_as_on_windows_and_start_with_a_byte_order_mark() {
    let text = format!("\u{feff}{}", ENDPOINT.replace('\n', "\r\n"));
    assert!(read(&text).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = |name: &str| {
        let error = load(&folder.path().join(name), folder.path()).expect_err(name);
        format!("error: {error}").replace(&folder.path().display().to_string(), "")
    };
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    };
    write("latin.yml", b"project: p\nfrontend: # f\xfcr\n");
    write("big.yml", &b"#\n".repeat(1024 * 1024));
    insta::assert_snapshot!(load("none.yml"), @r"
    error: the configuration does not exist
      --> /none.yml
       = help: write one; the README of Tollgate has an example to start from
    ");
    insta::assert_snapshot!(load(""), @r"
    error: the configuration is a directory
      --> /
       = help: name the YAML file itself
    ");
    insta::assert_snapshot!(load("latin.yml"), @r"
    error: the configuration is not UTF-8
     --> /latin.yml:2:14
      |
    2 | frontend: # f�r
      |              ^
      = help: save the file as UTF-8
    ");
    insta::assert_snapshot!(load("big.yml"), @r#"
    error: the configuration is larger than 1 MiB
      --> /big.yml
       = help: request bodies of that size belong in a file: `multipart: { field: "@path" }`
    "#);
}

#[test]
fn a_text_of_more_than_a_megabyte_is_refused_before_it_is_parsed() {
    let text = "[".repeat(1024 * 1024 + 1);
    assert!(error(&text).contains("larger than 1 MiB"));
}

#[test]
fn aliases_that_grow_without_end_are_refused() {
    let levels = (1..12).map(|level| {
        let before = format!("*a{}, ", level - 1).repeat(10);
        format!("  - &a{level} [{before}]\n")
    });
    let text = format!("project: &a0 p\nendpoints:\n{}", levels.collect::<String>());
    assert!(error(&text).contains("repetition limit exceeded"));
}

#[test]
fn an_unknown_key_at_the_top() {
    let text = "
project: p
endpoint:
  - name: a
";
    insta::assert_snapshot!(error(text), @r"
    error: unknown key `endpoint`
     --> tollgate.yml:2:1
      |
    2 | endpoint:
      | ^^^^^^^^
      = help: did you mean `endpoints`?
    ");
}

#[test]
fn an_unknown_key_like_no_other_is_answered_with_all_there_are() {
    let all = error::list(&raw::TOP_LEVEL);
    let error = error("project: p\nxyz: 1\n");
    assert!(
        error.ends_with(&format!("the keys here are: {all}")),
        "{error}"
    );
}

#[test]
fn queues_are_named_and_asked_over_amqp() {
    let of = |keys: &str| {
        let endpoint = "endpoints: [{ name: e, service: mq, request: GET / }]";
        format!("project: p\nservices:\n  mq: {{ command: mq, {keys} }}\n{endpoint}\n")
    };
    for keys in [
        "queues: [jobs]",
        "queues: [jobs], connection: 'redis://{{ address }}'",
    ] {
        let error = error(&of(keys));
        assert!(error.contains("there is no address for it"), "{error}");
        assert!(error.contains("connection: amqp://"), "{error}");
    }
    let unnamed = "connection: 'amqp://{{ address }}', queues: ['']";
    let error = error(&of(unnamed));
    assert!(error.contains("a queue without a name"), "{error}");
}

#[test]
fn a_counter_of_model_runs_is_named_as_it_is_exposed() {
    let of = |keys: &str| {
        let endpoint = "endpoints: [{ name: e, service: ml, request: GET / }]";
        format!("project: p\nservices:\n  ml: {{ {keys} }}\n{endpoint}\n")
    };
    for (counter, said) in [
        ("'runs{model=\"unet\"}'", "no name of a counter"),
        ("''", "no name of a counter"),
        ("2runs", "no name of a counter"),
    ] {
        let keys = format!("command: ml, model-runs: {{ path: /metrics, counter: {counter} }}");
        let error = error(&of(&keys));
        assert!(
            error.contains(said) && error.contains("model_runs_total"),
            "{error}"
        );
    }
    let shared = "url: 'http://127.0.0.1:1', model-runs: { path: /m, counter: runs }";
    let error = error(&of(shared));
    assert!(
        error.contains("no effect on a service with a `url`"),
        "{error}"
    );
}

#[test]
fn an_unknown_key_inside() {
    let text = "    budgets: { mean: 1 s, p51: 2 s }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: unknown key `p51`
     --> tollgate.yml:8:27
      |
    8 |     budgets: { mean: 1 s, p51: 2 s }
      |                           ^^^
      = help: did you mean `p50`?
    ");
}

#[test]
fn a_wrong_unit() {
    let text = "    budgets: { mean: 200 KB, p95: 1 s }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `200 KB` is a size, but a time is needed
     --> tollgate.yml:8:22
      |
    8 |     budgets: { mean: 200 KB, p95: 1 s }
      |                      ^^^^^^
      = help: write for example `200 ms`
    ");
}

#[test]
fn a_missing_unit() {
    let text = "
    budgets:
      response-bytes: 500   # bytes
";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `500` has no unit, but a size is needed
     --> tollgate.yml:9:23
      |
    9 |       response-bytes: 500   # bytes
      |                       ^^^
      = help: write for example `500 KB`
    ");
}

#[test]
fn two_endpoints_of_one_name() {
    let text = "
  - name: a
    service: api
    request: GET /b
";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: two of the endpoints are called `a`
     --> tollgate.yml:8:11
      |
    8 |   - name: a
      |           ^
      = help: give this one another name than number 1
    ");
}

#[test]
fn two_services_of_one_name() {
    let text = r#"
project: p
services:
  api: { command: x }
  "api":
    command: y
"#;
    insta::assert_snapshot!(error(text), @r#"
    error: the key `api` is written twice
     --> tollgate.yml:4:3
      |
    4 |   "api":
      |   ^^^^^
      = help: keep one of them
    "#);
}

#[test]
fn a_service_that_does_not_exist() {
    let text = "
project: p
services:
  postgres: { command: x }
endpoints:
  - name: a
    service: postgress
    request: GET /
";
    insta::assert_snapshot!(error(text), @r"
    error: there is no service `postgress`
     --> tollgate.yml:6:14
      |
    6 |     service: postgress
      |              ^^^^^^^^^
      = help: did you mean `postgres`?
    ");
}

#[test]
fn a_session_that_does_not_exist() {
    let text = "
    session: usr
sessions:
  user: { service: api, request: POST /l, token: $.t }
";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: there is no session `usr`
     --> tollgate.yml:8:14
      |
    8 |     session: usr
      |              ^^^
      = help: did you mean `user`?
    ");
}

#[test]
fn an_unknown_expression() {
    let text = r#"
project: p
services:
  api:
    command: x
    environment: { PORT: "{{ prot }}" }
endpoints: [{ name: a, service: api, request: GET / }]
"#;
    insta::assert_snapshot!(error(text), @r#"
    error: unknown expression `{{ prot }}`
     --> tollgate.yml:5:26
      |
    5 |     environment: { PORT: "{{ prot }}" }
      |                          ^^^^^^^^^^^^
      = help: did you mean `{{ port }}`?
    "#);
}

#[test]
fn an_expression_without_quotes() {
    let text = "
project: p
services:
  api:
    command: {{ port }}
";
    insta::assert_snapshot!(error(text), @r"
    error: this cannot be a key
     --> tollgate.yml:4:15
      |
    4 |     command: {{ port }}
      |               ^
      = help: put a value that starts with `{{` in quotes
    ");
}

#[test]
fn services_that_need_each_other() {
    let text = r#"
project: p
services:
  z: { command: x, needs: [a] }
  a: { command: x, needs: [b] }
  b:
    command: "x {{ services.a.port }}"
endpoints: [{ name: a, service: a, request: GET / }]
"#;
    insta::assert_snapshot!(error(text), @r"
    error: services need each other: `a` → `b` → `a`
     --> tollgate.yml:4:3
      |
    4 |   a: { command: x, needs: [b] }
      |   ^
      = help: remove one of them from `needs`, or from an expression `{{ services.… }}`
    ");
}

#[test]
fn a_syntax_error() {
    let text = "
project: p
services:
  api: { command: x
endpoints: []
";
    insta::assert_snapshot!(error(text), @r"
    error: this is not YAML: did not find expected ',' or '}'
     --> tollgate.yml:4:10
      |
    4 | endpoints: []
      |          ^
      = help: this was while parsing a flow mapping at line 3 column 8
    ");
}

#[test]
fn a_value_with_a_colon() {
    let text = "project: p: q";
    insta::assert_snapshot!(error(text), @r"
    error: this is not YAML: mapping values are not allowed in this context
     --> tollgate.yml:1:11
      |
    1 | project: p: q
      |           ^
      = help: check the indentation, and put a value that contains `: ` in quotes
    ");
}

#[test]
fn a_tab() {
    let text = "project: p\nservices:\n\tapi: x\n";
    insta::assert_snapshot!(error(text), @r"
    error: a tab cannot indent YAML
     --> tollgate.yml:3:1
      |
    3 |  api: x
      | ^
      = help: indent with spaces
    ");
}

#[test]
fn two_documents() {
    let text = "
project: p
---
project: q
";
    insta::assert_snapshot!(error(text), @r"
    error: the file holds more than one YAML document
     --> tollgate.yml:2:1
      |
    2 | ---
      | ^^^
      = help: remove this line and what follows it
    ");
}

#[test]
fn nothing_in_the_file() {
    let text = "# nothing";
    insta::assert_snapshot!(error(text), @r"
    error: the configuration is empty
      --> tollgate.yml
       = help: the README of Tollgate has an example to start from
    ");
}

#[test]
fn nothing_to_measure() {
    let text = "project: p";
    insta::assert_snapshot!(error(text), @r"
    error: nothing to measure: there is no frontend and no endpoint
     --> tollgate.yml:1:1
      |
    1 | project: p
      | ^^^^^^^
      = help: add `frontend:` or `endpoints:`
    ");
}

#[test]
fn a_key_without_value() {
    let text = "    expect:";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `expect` has no value
     --> tollgate.yml:8:12
      |
    8 |     expect:
      |            ^
      = help: give it one, or remove the key
    ");
}

#[test]
fn a_missing_key() {
    let text = "
project: p
endpoints:
  - service: a
    request: GET /
";
    insta::assert_snapshot!(error(text), @r"
    error: the key `name` is missing
     --> tollgate.yml:3:5
      |
    3 |   - service: a
      |     ^^^^^^^
      = help: add `name:` to what starts here
    ");
}

#[test]
fn a_wrong_type() {
    let text = "    expect: { status: abc }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: expected a whole number, found `abc`
     --> tollgate.yml:8:23
      |
    8 |     expect: { status: abc }
      |                       ^^^
    ");
}

#[test]
fn a_third_shape() {
    let text = "
project: p
frontend:
  - name: x
    install: [a]
";
    insta::assert_snapshot!(error(text), @r"
    error: expected a shell line such as `npm ci`, or `{ run: npm ci, inputs: [package.json] }`, found a list
     --> tollgate.yml:4:14
      |
    4 |     install: [a]
      |              ^
    ");
}

#[test]
fn a_rate_and_a_concurrency() {
    let text = "    load: { rate: 200/s, concurrency: 4 }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `concurrency` and `rate` are two kinds of load
     --> tollgate.yml:8:39
      |
    8 |     load: { rate: 200/s, concurrency: 4 }
      |                                       ^
      = help: keep one: `concurrency` waits for answers, `rate` does not; `connections` limits how many requests of a rate are under way
    ");
}

#[test]
fn a_rate_of_nothing() {
    let text = "    load: { rate: 0/s }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: no requests are no load
     --> tollgate.yml:8:19
      |
    8 |     load: { rate: 0/s }
      |                   ^^^
      = help: write for example `50/s`
    ");
}

#[test]
fn arrivals_of_a_closed_loop() {
    let text = "    load: { arrivals: uniform }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `arrivals` means nothing without a `rate`
     --> tollgate.yml:8:23
      |
    8 |     load: { arrivals: uniform }
      |                       ^^^^^^^
      = help: write `rate: 50/s` beside it, or leave it out
    ");
}

#[test]
fn a_rate_is_an_open_loop_of_poisson_arrivals() {
    let load = |text: &str| {
        let config = read(&SPHEROID.replace("load: { concurrency: 4 }", text));
        let plan = config.expect("the example").plan;
        let segment = plan.endpoints.iter().find(|one| one.name == "segment");
        segment.expect("an endpoint").load
    };
    let open = OpenLoad {
        rate: Rate::PerSecond(50.0),
        arrivals: Arrivals::Poisson,
        connections: 100,
    };
    assert_eq!(load("load: { rate: 50/s }"), Load::Open(open));
    assert_eq!(load("load: { rate: 3000/min }"), Load::Open(open));
    let other = OpenLoad {
        rate: Rate::Auto,
        arrivals: Arrivals::Uniform,
        connections: 8,
    };
    let text = "load: { rate: auto, arrivals: uniform, connections: 8 }";
    assert_eq!(load(text), Load::Open(other));
}

#[test]
fn pages() {
    let text = "pages: []";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `pages` is not available in this version; measure `frontend` and `endpoints`
     --> tollgate.yml:8:1
      |
    8 | pages: []
      | ^^^^^
    ");
}

#[test]
fn a_tolerance_below_the_noise() {
    let text = "
gate:
  tolerance: { latency: 1% }
";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: a tolerance of 1% is too small for `latency`
     --> tollgate.yml:9:25
      |
    9 |   tolerance: { latency: 1% }
      |                         ^^
      = help: use at least `2%`: two processes of the same code differ by up to 0.3%, which must stay small against the tolerance
    ");
}

#[test]
fn too_few_blocks() {
    let text = "measure: { blocks: 2 }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: 2 blocks are too few for an interval
     --> tollgate.yml:8:20
      |
    8 | measure: { blocks: 2 }
      |                    ^
      = help: write `3` or more; the default is `8`
    ");
}

#[test]
fn a_block_too_short() {
    let text = "measure: { block: 50 ms }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: the block is too short: one stray request would decide it
     --> tollgate.yml:8:19
      |
    8 | measure: { block: 50 ms }
      |                   ^^^^^
      = help: write `100 ms` or more; the default is `2 s`
    ");
}

#[test]
fn a_contention_limit_beyond_everything() {
    let text = "measure: { contention-limit: 130% }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: other work cannot take more than all of a block
     --> tollgate.yml:8:30
      |
    8 | measure: { contention-limit: 130% }
      |                              ^^^^
      = help: write for example `30%`, the default; `100%` counts every block
    ");
}

#[test]
fn a_path_out_of_the_project() {
    let text = r#"    multipart: { image: "@../x.png" }"#;
    insta::assert_snapshot!(error_after_endpoint(text), @r#"
    error: the path `../x.png` leaves the project
     --> tollgate.yml:8:25
      |
    8 |     multipart: { image: "@../x.png" }
      |                         ^^^^^^^^^^^
      = help: write a path relative to the project, without `..`
    "#);
}

#[test]
fn a_request_without_method() {
    let text = "
project: p
services: { api: { command: x } }
endpoints: [{ name: a, service: api, request: /a }]
";
    insta::assert_snapshot!(error(text), @r"
    error: `/a` is no request
     --> tollgate.yml:3:47
      |
    3 | endpoints: [{ name: a, service: api, request: /a }]
      |                                               ^^
      = help: write for example `GET /api/projects?page=1`
    ");
}

#[test]
fn a_bad_json_path() {
    let text = r#"    expect: { json: "$.items[0.id" }"#;
    insta::assert_snapshot!(error_after_endpoint(text), @r#"
    error: `$.items[0.id` is no JSON path: at position 9, in long-hand segment, expected closing ']'
     --> tollgate.yml:8:21
      |
    8 |     expect: { json: "$.items[0.id" }
      |                     ^^^^^^^^^^^^^^
      = help: write for example `$.items[0].id`
    "#);
}

#[test]
fn a_budget_that_cannot_be_measured() {
    let text = "    budgets: { queries-per-request: 5 }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: service `api` reaches no PostgreSQL to count queries of
     --> tollgate.yml:8:16
      |
    8 |     budgets: { queries-per-request: 5 }
      |                ^^^^^^^^^^^^^^^^^^^
      = help: give the database a `connection: postgresql://…`, and name it in `needs`
    ");
}

#[test]
fn a_name_with_a_slash() {
    let text = "
project: p
frontend: [{ name: a/b, build: x, output: dist }]
";
    insta::assert_snapshot!(error(text), @r"
    error: the name `a/b` contains `/`, which separates the parts of a metric's name
     --> tollgate.yml:2:20
      |
    2 | frontend: [{ name: a/b, build: x, output: dist }]
      |                    ^^^
      = help: write a short name such as `list projects`
    ");
}

#[test]
fn a_service_with_two_origins() {
    let text = "
project: p
services:
  api: { command: x, url: http://a }
endpoints: [{ name: a, service: api, request: GET / }]
";
    insta::assert_snapshot!(error(text), @r"
    error: service `api` has a `command` and a `url`
     --> tollgate.yml:3:22
      |
    3 |   api: { command: x, url: http://a }
      |                      ^^^
      = help: keep `command` to start it for each arm, or `url` if it already runs
    ");
}

#[test]
fn a_key_that_a_url_does_not_have() {
    let text = "
project: p
services:
  api: { url: http://a, directory: x }
endpoints: [{ name: a, service: api, request: GET / }]
";
    insta::assert_snapshot!(error(text), @r"
    error: `directory` has no effect on a service with a `url`
     --> tollgate.yml:3:25
      |
    3 |   api: { url: http://a, directory: x }
      |                         ^^^^^^^^^
      = help: remove it, or let `command` start the service
    ");
}

#[test]
fn a_control_character() {
    let text = "project: p\n# \x1b[31m\n";
    insta::assert_snapshot!(error(text), @r"
    error: there is a control character in the file
     --> tollgate.yml:2:3
      |
    2 | # �[31m
      |   ^
      = help: remove it, or write it as `\x1b` in quotes
    ");
}

#[test]
fn a_line_too_long_to_show() {
    let text = "    budgets: {                                                                                                                                                                                                         mena: 1 s }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: unknown key `mena`
     --> tollgate.yml:8:216
      |
    8 |                                                             mena: 1 s }
      |                                                             ^^^^
      = help: did you mean `mean`?
    ");
}

#[test]
fn severities_say_what_gates_and_what_warns() {
    let text = SPHEROID.replace(
        "tolerance: { latency: 4%, count: 0% }",
        "severity: { p95: warn, memory: show, latency: fail }",
    );
    let policy = read(&text).expect("the example").policy;
    let weight = |metric| policy.weight(&MetricId::endpoint("segment", metric));
    assert_eq!(weight(Metric::LatencyP95), Weight::Warns);
    assert_eq!(weight(Metric::LatencyP50), Weight::Gates);
    assert_eq!(weight(Metric::CpuPerRequest), Weight::Gates);
    let memory = MetricId::service("api", Metric::Memory);
    assert_eq!(policy.weight(&memory), Weight::Shown);
}

#[test]
fn how_to_measure_is_only_another_way_where_it_is_asked_for() {
    let usual = read(SPHEROID).expect("the example").plan.sampling;
    assert!(!usual.control);
    assert!((usual.contention_limit - 0.3).abs() < 1e-9);
    let other = "seed: 7, control: true, contention-limit: 100%";
    let other = read(&SPHEROID.replace("seed: 7", other));
    let other = other.expect("the example").plan.sampling;
    assert!(other.control);
    assert!((other.contention_limit - 1.0).abs() < 1e-9);
}

#[test]
fn a_hash_that_is_none() {
    let text = "    expect: { sha256: 12ab }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: `12ab` is no SHA-256: 64 hexadecimal digits
     --> tollgate.yml:8:23
      |
    8 |     expect: { sha256: 12ab }
      |                       ^^^^
      = help: ask for it with `curl -s URL | sha256sum`
    ");
}

#[test]
fn an_answer_can_be_held_to_its_headers_and_its_hash() {
    let hash = "ab".repeat(32);
    let wanted = format!("expect: {{ headers: {{ ETag: W/ }}, sha256: {hash}, status: 200,");
    let text = SPHEROID.replacen("expect: { status: 200,", &wanted, 1);
    assert_ne!(text, SPHEROID);
    let plan = read(&text).expect("the example").plan;
    let expect = plan.endpoints.iter().map(|one| &one.expect);
    let held = expect.clone().find(|expect| expect.sha256.is_some());
    let held = held.expect("an endpoint");
    assert_eq!(held.headers, [("ETag".to_owned(), "W/".to_owned())]);
    assert_eq!(held.sha256, Some([0xab; 32]));
}

#[test]
fn a_session_without_a_proof() {
    let text = "sessions: { ada: { service: api, request: POST /login } }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: the session does not say what proves it
     --> tollgate.yml:8:13
      |
    8 | sessions: { ada: { service: api, request: POST /login } }
      |             ^^^
      = help: add `token: $.token`, `cookie: NAME` or `header: NAME`: where the answer to the login has it
    ");
}

#[test]
fn a_session_with_two_proofs() {
    let text = "sessions: { ada: { service: api, request: POST /login, token: $.t, cookie: sid } }";
    insta::assert_snapshot!(error_after_endpoint(text), @r"
    error: a session is proved by one thing
     --> tollgate.yml:8:13
      |
    8 | sessions: { ada: { service: api, request: POST /login, token: $.t, cookie: sid } }
      |             ^^^
      = help: keep one of `token`, `cookie` and `header`
    ");
}

#[test]
fn requests_may_vary_be_batches_and_be_compared_with_base() {
    let plan = read(
        r#"
project: p
services:
  api: { command: x, http2: true, tls: { ca: certs/ca.pem, name: localhost }, socket: "{{ data }}/a.sock" }
endpoints:
  - { name: one, service: api, request: "GET /x/{{ id }}?q={{ q }}", variables: { id: 1..500, q: [a, 7], n: sequence } }
  - { name: many, service: api, request: POST /x, body: "@images", batch: { size: 4, of: one }, expect: { same-as-base: $.x }, cold-start: true, budgets: { batch-gain: 2 } }
  - { name: text, service: api, request: POST /x, body: plain, expect: { same-as-base: true }, budgets: { cold-start: 5 s } }
measure: { warm-up: 2 s, time-limit: 20 min }
"#,
    )
    .expect("a plan")
    .plan;
    let speaks = &plan.services[0].speaks;
    assert!(speaks.http2);
    assert_eq!(
        speaks.tls.as_ref().unwrap().name.as_deref(),
        Some("localhost")
    );
    let [one, many, text] = &plan.endpoints[..] else {
        panic!("three endpoints")
    };
    let variables = &one.request.variables;
    assert_eq!(variables["id"], Variable::Integers(1..=500));
    assert_eq!(variables["q"], Variable::OneOf(vec!["a".into(), 7.into()]));
    assert_eq!(variables["n"], Variable::Sequence);
    assert_eq!(many.request.body, Body::File("images".into()));
    assert_eq!(many.batch.as_ref().map(|batch| batch.size), Some(4));
    assert!(many.expect.same.as_ref().unwrap().path.is_some());
    assert_eq!(text.request.body, Body::Text("plain".to_owned()));
    assert!(text.expect.same.as_ref().unwrap().path.is_none());
    assert!(!one.cold_start && many.cold_start && text.cold_start);
    assert_eq!(plan.sampling.warm_up_limit, Duration::from_secs(8));
    assert_eq!(plan.sampling.time_limit, Some(Duration::from_secs(1200)));
}

#[test]
fn a_variable_that_is_not_there_or_says_nothing() {
    insta::assert_snapshot!(error_after_endpoint("    headers: { X: \"{{ id }}\" }\n    variables: { ids: 1..5 }\n"), @r#"
    error: there is no variable `id`
     --> tollgate.yml:8:19
      |
    8 |     headers: { X: "{{ id }}" }
      |                   ^^^^^^^^^^
      = help: did you mean `ids`?
    "#);
    let one = |text: &str| error(&ENDPOINT.replace("GET /", text));
    insta::assert_snapshot!(one("GET /x/{{ id }}"), @r"
    error: there is no variable `id`
     --> tollgate.yml:7:14
      |
    7 |     request: GET /x/{{ id }}
      |              ^^^^^^^^^^^^^^^
      = help: add `variables: { id: 1..500 }`
    ");
    insta::assert_snapshot!(error_after_endpoint("    variables: { id: 9..1 }\n"), @r"
    error: there is no number in `9..1`
     --> tollgate.yml:8:22
      |
    8 |     variables: { id: 9..1 }
      |                      ^^^^
      = help: write `1..9`
    ");
    insta::assert_snapshot!(error_after_endpoint("    variables: { id: random }\n"), @r"
    error: `random` is no variable
     --> tollgate.yml:8:22
      |
    8 |     variables: { id: random }
      |                      ^^^^^^
      = help: write for example `1..500`, `sequence` or `[cell, nucleus]`
    ");
    insta::assert_snapshot!(error_after_endpoint("    variables: { id: [] }\n"), @r"
    error: there is nothing to choose from
     --> tollgate.yml:8:22
      |
    8 |     variables: { id: [] }
      |                      ^
      = help: write for example `1..500`, `sequence` or `[cell, nucleus]`
    ");
    insta::assert_snapshot!(error_after_endpoint("    variables: { id: 5 }\n"), @r"
    error: expected a range such as `1..500`, `sequence`, or a list of texts and numbers, found `5`
     --> tollgate.yml:8:22
      |
    8 |     variables: { id: 5 }
      |                      ^
    ");
}

#[test]
fn a_batch_of_nothing_and_a_gain_over_nothing() {
    insta::assert_snapshot!(error_after_endpoint("    batch: { size: 1 }\n"), @r"
    error: a batch of one is no batch
     --> tollgate.yml:8:20
      |
    8 |     batch: { size: 1 }
      |                    ^
      = help: write how many a request does at once
    ");
    insta::assert_snapshot!(error_after_endpoint("    batch: { size: 4, of: b }\n"), @r"
    error: there is no other endpoint `b`
     --> tollgate.yml:8:27
      |
    8 |     batch: { size: 4, of: b }
      |                           ^
      = help: add an endpoint that does one, and name it here
    ");
    insta::assert_snapshot!(error_after_endpoint("    batch: { size: 4 }\n    budgets: { batch-gain: 2 }\n"), @r"
    error: a gain needs single requests to be compared with
     --> tollgate.yml:9:16
      |
    9 |     budgets: { batch-gain: 2 }
      |                ^^^^^^^^^^
      = help: add `batch: { size: 4, of: NAME }` with the endpoint that does one
    ");
}

#[test]
fn tls_without_https_and_a_login_with_an_unknown_step() {
    let text = ENDPOINT.replace("command: x", "url: http://127.0.0.1:80, tls: { name: x }");
    insta::assert_snapshot!(error(&text), @r"
    error: an address that starts with `http://` has no TLS
     --> tollgate.yml:3:41
      |
    3 |   api: { url: http://127.0.0.1:80, tls: { name: x } }
      |                                         ^
      = help: write `https://` in its `url`
    ");
    let session = "sessions:\n  ada: { service: api, before: [{ request: GET /c, capture: { csrf: token } }], request: POST /l, token: $.t }\n";
    insta::assert_snapshot!(error_after_endpoint(session), @r"
    error: `token` says not where to look
     --> tollgate.yml:9:69
      |
    9 |   ada: { service: api, before: [{ request: GET /c, capture: { csrf: token } }], request: POST /l, token: $.t }
      |                                                                     ^^^^^
      = help: write `$.token`, `cookie NAME` or `header NAME`
    ");
    let session = "sessions:\n  ada: { service: api, request: POST /l, headers: { X: \"{{ csfr }}\" }, before: [{ request: GET /c, capture: { csrf: $.x } }], token: $.t }\n";
    insta::assert_snapshot!(error_after_endpoint(session), @r#"
    error: there is no variable `csfr`
     --> tollgate.yml:9:56
      |
    9 |   ada: { service: api, request: POST /l, headers: { X: "{{ csfr }}" }, before: [{ request: GET /c, capture: { csrf: $.x 
      |                                                        ^^^^^^^^^^^^
      = help: did you mean `csrf`?
    "#);
    insta::assert_snapshot!(error_after_endpoint("measure: { warm-up: 2 s, warm-up-limit: 1 s }\n"), @r"
    error: the limit is shorter than every warm-up
     --> tollgate.yml:8:41
      |
    8 | measure: { warm-up: 2 s, warm-up-limit: 1 s }
      |                                         ^^^
      = help: write as much as `warm-up` or more; as much means that nothing is added
    ");
    insta::assert_snapshot!(error_after_endpoint("    body: x\n    json: {}\n"), @r"
    error: a request has one body: `json`, `multipart` or `body`
     --> tollgate.yml:8:5
      |
    8 |     body: x
      |     ^^^^
      = help: keep one
    ");
}
