//! The data that services start with: the same in both arms, and in every block.

use std::fs;
use std::path::Path;

use crate::support::{Finished, Sandbox, needs};

/// Programs these tests use, each with the Debian package that has it.
const PROGRAMS: [(&str, &str); 5] = [
    ("initdb", "postgresql"),
    ("psql", "postgresql-client"),
    ("setpriv", "util-linux"),
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
];
/// Says what it finds when it starts; every request adds a row, changes it, reads it, and keeps a key.
const WRITER: &str = r#"
import os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

database, cache, diary = sys.argv[2:5]

def say(text):
    with open(diary, "a") as file:
        file.write(os.environ["ARM"] + " " + text + "\n")

def ask(*statements):
    words = ["psql", "-X", "-A", "-t", "-q", database]
    for statement in statements:
        words += ["-c", statement]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.strip()

def redis(*words):
    host, port = cache.split(":")
    words = ["redis-cli", "-h", host, "-p", port, *words]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

say("start rows=%s keys=%s" % (ask("select count(*) from note"), redis("dbsize")))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path != "/health":
            say("request")
            for statement in STATEMENTS:
                say("query")
                ask(statement)
            redis("incr", "visits:%d" % os.getpid())
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

STATEMENTS = [
    "insert into note (text) values ('more')",
    "update note set text = 'most' where id = 2",
    "select count(*) from note",
]
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;
const SEED: &str = "create extension pg_stat_statements;
create table note (id serial primary key, text text not null);
insert into note (text) select 'seeded' from generate_series(1, 40);
";

/// A service that writes, on a PostgreSQL and a Redis; `more` are further keys of both.
fn project(more: &str) -> Sandbox {
    for (program, package) in PROGRAMS {
        needs(program, package);
    }
    let sandbox = Sandbox::empty();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/spheroid/db/postgres");
    fs::copy(example, sandbox.project().join("postgres")).expect("the script");
    sandbox.write("seed.sql", SEED);
    sandbox.write("writer.py", WRITER);
    let diary = sandbox.outside("diary");
    let diary = diary.to_string_lossy();
    sandbox.write(
        "tollgate.yml",
        &format!(
            "project: sandbox
services:
  db:
    prepare: ./postgres init {{{{ data }}}}
    command: ./postgres start {{{{ data }}}} {{{{ port }}}}
    connection: postgresql://postgres@{{{{ address }}}}/postgres
    ready: {{ postgres: select 1 }}
    seed: seed.sql
{more}  cache:
    command: redis-server --port {{{{ port }}}} --save '' --dir {{{{ data }}}}
    ready: {{ redis: true }}
    fresh: per-run
{more}  app:
    command: python3 writer.py {{{{ port }}}} postgresql://postgres@{{{{ services.db.address }}}}/postgres {{{{ services.cache.address }}}} '{diary}'
    environment: {{ ARM: '{{{{ data }}}}' }}
    ready: {{ http: /health }}
endpoints:
  - {{ name: write, service: app, request: GET /write }}
measure: {{ blocks: 3, confirmation-blocks: 3, block: 400 ms, warm-up: 50 ms, contention-limit: 100% }}
gate: {{ tolerance: {{ latency: 90%, p95: 90%, cpu: 90%, memory: 90% }} }}
"
        ),
    );
    sandbox.commit("writes");
    sandbox
}

/// What the services found when they started, and how many requests and queries they say they made.
struct Diary {
    starts: Vec<String>,
    requests: usize,
    queries: usize,
}

fn diary(sandbox: &Sandbox) -> Diary {
    let text = fs::read_to_string(sandbox.outside("diary")).expect("the services have started");
    let words: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1))
        .collect();
    let starts = words.iter().filter_map(|word| word.strip_prefix("start "));
    Diary {
        starts: starts.map(str::to_owned).collect(),
        requests: words.iter().filter(|word| **word == "request").count(),
        queries: words.iter().filter(|word| **word == "query").count(),
    }
}

fn queries_per_request(check: &Finished<'_>) -> [Option<f64>; 2] {
    let compared = check.comparison("endpoint/write/queries-per-request");
    ["before", "now"].map(|arm| compared[arm]["point"].as_f64())
}

#[test]
fn every_block_starts_with_what_was_seeded_and_an_empty_cache() {
    let project = project("");
    // Requests that start programs are slow on a busy machine, and many are wanted.
    project.edit("tollgate.yml", "block: 400 ms", "block: 4 s");
    project.commit("longer blocks");

    let check = project.check();

    check.exits(0);
    let diary = diary(&project);
    assert!(diary.starts.len() >= 6, "{:?}", diary.starts);
    for start in &diary.starts {
        assert_eq!(start, "rows=40 keys=0", "{:?}", diary.starts);
    }
    // What was counted is what the service says it asked: no query of ours, none lost.
    assert!(diary.requests > 20, "{}", diary.requests);
    assert_eq!(diary.queries, 3 * diary.requests);
    assert_eq!(queries_per_request(&check), [Some(3.0), Some(3.0)]);
    check.does_not_say("do not start with the same rows");
}

#[test]
fn data_may_stay_as_the_last_block_left_it() {
    let project = project("    restore: false\n");

    project.check().exits(0);

    let starts = diary(&project).starts;
    assert_eq!(starts[..2], ["rows=40 keys=0", "rows=40 keys=0"]);
    for start in &starts[2..] {
        assert!(
            start != "rows=40 keys=0" && !start.ends_with("keys=0"),
            "{starts:?}"
        );
    }
}

#[test]
fn arms_that_start_with_other_rows_are_said_to() {
    let project = project("");
    project.edit("seed.sql", "(1, 40)", "(1, 70)");

    let check = project.check();

    check.exits(0);
    check.says(
        "db: base and head do not start with the same rows: `note` 40 in base and 70 in head",
    );
    check.prints("do not start with the same rows");
}

#[test]
fn what_stays_connected_keeps_its_data_and_that_is_said() {
    let project = project("");
    project.edit(
        "tollgate.yml",
        "    ready: { http: /health }\n",
        "    ready: { http: /health }\n    fresh: per-run\n",
    );
    project.commit("one process for all blocks");

    let check = project.check();

    check.exits(0);
    check.says("db: not put back before each block: `app` stays connected to it");
    assert_eq!(diary(&project).starts.len(), 2);
}

#[test]
fn a_database_that_is_large_or_fresh_for_each_block_is_said_to_keep_its_data() {
    let large =
        "create table much as select n, repeat('x', 1000) from generate_series(1, 110000) n;";
    let project = project("");
    project.write("seed.sql", &format!("{SEED}{large}\n"));
    project.commit("much data");
    let note = "db: not put back before each block: it has 1";
    let check = project.check();
    check
        .exits(0)
        .prints(note)
        .prints("`restore: true` copies it all the same");

    // Who says that it stays is told nothing.
    project.edit(
        "tollgate.yml",
        "    seed: seed.sql\n",
        "    seed: seed.sql\n    restore: false\n",
    );
    project.check().exits(0).does_not_print("db: not put back");

    let fresh = "    seed: seed.sql\n    fresh: per-block\n";
    project.edit(
        "tollgate.yml",
        "    seed: seed.sql\n    restore: false\n",
        fresh,
    );
    project.write("seed.sql", SEED);
    let note = "db: not put back before each block: it gets a fresh process for every block";
    project.check().exits(0).prints(note);
}

#[test]
fn what_holds_no_data_cannot_be_put_back() {
    let project = project("");
    project.edit(
        "tollgate.yml",
        "    ready: { http: /health }\n",
        "    ready: { http: /health }\n    restore: true\n",
    );

    let check = project.check();

    check.exits(2);
    check.says("only a database of PostgreSQL, a Redis or queues of RabbitMQ can be put back");
}

#[test]
fn statements_that_no_arm_counts_are_a_note_unless_a_target_asks_for_them() {
    let project = project("");
    let counted = "shared_preload_libraries = 'pg_stat_statements'";
    let why = "`pg_stat_statements` is not available; start PostgreSQL with";

    // Only head stopped counting: nobody knows what it asks now.
    project.edit("postgres", counted, "");
    project.edit("postgres", "pg_stat_statements.track = all", "");
    let check = project.check();
    check.exits(5).prints(why);

    project.commit("counts nothing");
    let check = project.check();
    check.exits(0);
    let notes = check.run_file()["head"]["evidence"]["skipped"].to_string();
    assert!(notes.contains(why), "{notes}");

    let target = "request: GET /write, budgets: { queries-per-request: 5 } }";
    project.edit("tollgate.yml", "request: GET /write }", target);
    let check = project.check();
    check.exits(5);
    let queries = check.comparison("endpoint/write/queries-per-request");
    assert_eq!(queries["target"]["verdict"], "not-measured", "{check}");
}
