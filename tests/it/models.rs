//! Services that answer with a model: how often its file is opened, and the memory of all workers.

use crate::support::{Sandbox, python};

const MEGABYTES: usize = 40;
/// An ASGI app whose processes each keep the model they read when they started, one after the
/// other: the first answers while the second is still at it.
const APP: &str = r#"
import fcntl, time

def load():
    with open("model.bin", "rb") as file:
        return file.read()

with open("app.py") as turn:
    fcntl.flock(turn, fcntl.LOCK_EX)
    start = time.process_time()
    while time.process_time() - start < 0.3:
        pass
    MODEL = load()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    model = MODEL
    body = b"%d" % len(model)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})
"#;

/// The app behind uvicorn with two workers.
fn project() -> Sandbox {
    let programs = python("model-services", "tests/fixtures/models.txt");
    let sandbox = Sandbox::empty();
    sandbox.write("app.py", APP);
    sandbox.write("model.bin", &"m".repeat(MEGABYTES * 1_000_000));
    let uvicorn = programs.join("uvicorn");
    let uvicorn = uvicorn.to_string_lossy();
    sandbox.write(
        "tollgate.yml",
        &format!(
            "project: sandbox
services:
  ml:
    command: exec '{uvicorn}' app:app --port {{{{ port }}}} --workers 2 --log-level warning
    models: [model.bin]
    ready: {{ http: /health, within: 30 s }}
    budgets: {{ peak-memory: 2 GB }}
endpoints:
  - {{ name: segment, service: ml, request: GET /segment, budgets: {{ mean: 5 s, throughput: 10/min }} }}
measure: {{ blocks: 3, confirmation-blocks: 3, block: 400 ms, warm-up: 50 ms, contention-limit: 100% }}
gate: {{ tolerance: {{ latency: 90%, p95: 90%, cpu: 90%, memory: 90% }} }}
"
        ),
    );
    sandbox.commit("a model");
    sandbox
}

#[test]
fn a_model_read_for_each_request_is_counted_over_the_workers_of_uvicorn() {
    let project = project();
    project.edit("app.py", "    model = MODEL", "    model = load()");

    let check = project.check();

    check.exits(1);
    let id = "endpoint/segment/model-loads-per-request";
    assert_eq!(check.verdict(id), "regressed");
    let loads = check.comparison(id);
    assert_eq!(loads["before"]["point"].as_f64(), Some(0.0));
    assert_eq!(loads["now"]["point"].as_f64(), Some(1.0));
    // Both workers keep the model.
    let memory = check.comparison("service/ml/memory");
    let bytes = memory["before"]["point"].as_f64().expect("it was measured");
    assert!(bytes > 2e6 * MEGABYTES as f64, "{bytes}");
    for target in [
        "endpoint/segment/mean",
        "endpoint/segment/throughput",
        "service/ml/peak-memory",
    ] {
        let target = check.comparison(target)["target"]["verdict"].clone();
        assert_eq!(target, "met", "{check}");
    }
}

#[test]
fn a_service_that_is_never_idle_is_measured_and_said_to_be() {
    let project = project();
    project.edit(
        "app.py",
        "async def app(",
        "
import threading

def poll():
    while True:
        sum(range(200000))
        time.sleep(0.01)

threading.Thread(target=poll, daemon=True).start()

async def app(",
    );
    // What other workers read would count, as the note says.
    project.edit("tollgate.yml", "--workers 2", "--workers 1");
    project.edit("tollgate.yml", "within: 30 s", "within: 8 s");
    project.commit("polls");

    let check = project.check();

    check.exits(0);
    check.prints("ml: it is ready but never idle: what it reads by itself counts as model loads");
    let loads = check.comparison("endpoint/segment/model-loads-per-request");
    assert_eq!(loads["now"]["point"].as_f64(), Some(0.0), "{check}");
}

/// Runs its model over a batch, and says in Prometheus' format how often it did.
const COUNTING: &str = r#"
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RUNS = 0

def run(items):
    global RUNS
    RUNS += 1

def answer(path):
    if path == "/segment-batch":
        run([1, 2, 3, 4])
    if path == "/metrics":
        return '# TYPE model_runs_total counter\nmodel_runs_total{model="unet"} %d.0\n' % RUNS
    return "ok"

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = answer(self.path).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

#[test]
fn a_batch_worked_off_one_by_one_is_counted() {
    let project = Sandbox::empty();
    project.write("ml.py", COUNTING);
    project.write(
        "tollgate.yml",
        "project: sandbox
services:
  ml:
    command: exec python3 -I ml.py {{ port }}
    model-runs: { path: /metrics, counter: model_runs_total }
    ready: { http: /health }
endpoints:
  - { name: segment a batch, service: ml, request: GET /segment-batch, budgets: { model-runs-per-request: 2 } }
measure: { blocks: 3, confirmation-blocks: 3, block: 200 ms, warm-up: 50 ms, contention-limit: 100% }
gate: { tolerance: { latency: 90%, p95: 90%, cpu: 90%, memory: 90% } }
",
    );
    project.commit("counts");
    let id = "endpoint/segment a batch/model-runs-per-request";

    project.edit(
        "ml.py",
        "        run([1, 2, 3, 4])",
        "        for item in [1, 2, 3, 4]:\n            run([item])",
    );
    let check = project.check();
    check.exits(1);
    assert_eq!(check.verdict(id), "regressed", "{check}");
    let runs = check.comparison(id);
    assert_eq!(runs["before"]["point"].as_f64(), Some(1.0), "{check}");
    assert_eq!(runs["now"]["point"].as_f64(), Some(4.0), "{check}");
    assert_eq!(runs["target"]["verdict"], "missed", "{check}");
    check.prints("runs its models 4.0 times a request (base 1.0 times)");

    // What it no longer says is not known.
    project.edit("ml.py", "model_runs_total{", "runs_total{");
    let check = project.check();
    check.exits(5);
    check.prints("there is no `model_runs_total` in its answer");
}
