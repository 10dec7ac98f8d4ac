//! Messages that nobody takes: how many wait in a real RabbitMQ after every block.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, needs};

/// Starts a RabbitMQ of its own: with its own data, its own cookie and its own name service.
const BROKER: &str = r#"
import os, socket, sys

port, data = sys.argv[1:3]

def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])

plugins = os.path.join(data, "plugins")
open(plugins, "w").write("[].")
os.environ.update(
    HOME=data,
    ERL_EPMD_ADDRESS="127.0.0.1",
    ERL_EPMD_PORT=free_port(),
    RABBITMQ_CONF_ENV_FILE="/dev/null",
    RABBITMQ_DIST_PORT=free_port(),
    RABBITMQ_ENABLED_PLUGINS_FILE=plugins,
    RABBITMQ_LOGS="-",
    RABBITMQ_LOG_BASE=data,
    RABBITMQ_MNESIA_BASE=data,
    RABBITMQ_NODENAME="tollgate%s@localhost" % port,
    RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
    RABBITMQ_NODE_PORT=port,
    RABBITMQ_PID_FILE=os.path.join(data, "pid"),
)
os.execv("/usr/lib/rabbitmq/bin/rabbitmq-server", ["rabbitmq-server"])
"#;
/// Sends as many messages for every request as `MESSAGES` says, and writes down how many there were.
/// Waits until the queue has each. Speaks AMQP 0-9-1 itself, as far as that needs.
const SENDER: &str = r#"
import os, socket, struct, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

MESSAGES = 0

def text(value):
    return struct.pack(">B", len(value)) + value

def long(value):
    return struct.pack(">I", len(value)) + value

def send(kind, channel, payload):
    broker.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")

def call(channel, number, method, arguments):
    send(1, channel, struct.pack(">HH", number, method) + arguments)

def answer():
    head = stream.read(7)
    kind, channel, length = struct.unpack(">BHI", head)
    return stream.read(length + 1)[:4]

host, port = sys.argv[2].split(":")
broker = socket.create_connection((host, int(port)))
broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
stream = broker.makefile("rb")
broker.sendall(b"AMQP\x00\x00\x09\x01")
answer()
call(0, 10, 11, long(b"") + text(b"PLAIN") + long(b"\x00guest\x00guest") + text(b"en_US"))
answer()
call(0, 10, 31, struct.pack(">HIH", 1, 131072, 0))
call(0, 10, 40, text(b"/") + text(b"") + b"\x00")
answer()
call(1, 20, 10, text(b""))
answer()
call(1, 50, 10, struct.pack(">H", 0) + text(b"jobs") + b"\x00" + long(b""))
answer()
call(1, 85, 10, b"\x00")
answer()
sent = 0

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global sent
        if self.path != "/health":
            for _ in range(MESSAGES):
                call(1, 60, 40, struct.pack(">H", 0) + text(b"") + text(b"jobs") + b"\x00")
                send(2, 1, struct.pack(">HHQH", 60, 0, 3, 0))
                send(3, 1, b"job")
                answer()
                sent += 1
                with open(sys.argv[3], "a") as diary:
                    diary.write("%d %d\n" % (os.getpid(), sent))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

/// An app that sends `messages` a request; `more` is for the endpoint.
fn project(messages: u32, more: &str) -> Sandbox {
    needs("rabbitmq-server", "rabbitmq-server");
    let sandbox = Sandbox::empty();
    sandbox.write("broker.py", BROKER);
    sandbox.write("sender.py", SENDER);
    sandbox.edit(
        "sender.py",
        "MESSAGES = 0",
        &format!("MESSAGES = {messages}"),
    );
    let diary = sandbox.outside("diary");
    let diary = diary.to_string_lossy();
    sandbox.write(
        "tollgate.yml",
        &format!(
            "project: sandbox
services:
  mq:
    command: python3 broker.py {{{{ port }}}} {{{{ data }}}}
    connection: amqp://guest:guest@{{{{ address }}}}
    queues: [jobs]
    ready: {{ log: Server startup complete, within: 60 s }}
  app:
    command: python3 sender.py {{{{ port }}}} {{{{ services.mq.address }}}} '{diary}'
    needs: [mq]
    ready: {{ http: /health }}
endpoints:
  - {{ name: order, service: app, request: GET /order{more} }}
measure: {{ blocks: 4, confirmation-blocks: 4, block: 300 ms, warm-up: 50 ms, contention-limit: 100% }}
gate: {{ tolerance: {{ latency: 90%, p95: 90%, cpu: 90%, memory: 90% }} }}
"
        ),
    );
    sandbox.commit("orders");
    sandbox
}

#[test]
fn messages_that_wait_are_counted_and_thrown_away_between_blocks() {
    let project = project(0, ", budgets: { queue-depth: 5 }");
    project.edit("sender.py", "MESSAGES = 0", "MESSAGES = 2");

    let check = project.check();

    check.exits(1);
    let run = check.run_file();
    let depths = |arm: &Value| -> Vec<f64> {
        let samples = &arm["samples"]["endpoint/order/queue-depth"];
        let depths = samples.as_array().expect("it was measured").iter();
        depths.filter_map(Value::as_f64).collect()
    };
    assert_eq!(depths(&run["base"]["measured"]), [0.0, 0.0, 0.0, 0.0]);
    // What waits is what the processes of each block say they sent, and nothing of an earlier one.
    assert_eq!(depths(&run["head"]), sent(&project)[..4]);
    let compared = check.comparison("endpoint/order/queue-depth");
    assert_eq!(
        compared["target"]["verdict"], "missed",
        "{compared:#}\n{check}"
    );
    check.prints("queue depth");
}

#[test]
fn a_queue_that_is_not_there_is_no_empty_queue() {
    let project = project(1, ", budgets: { queue-depth: 5 }");
    project.edit("tollgate.yml", "[jobs]", "[jobs, mails]");

    let check = project.check();

    check.exits(5);
    check.prints("RabbitMQ has no queue `mails` that this login may see");
}

/// How many messages each process of the app sent, in the order they were started.
fn sent(project: &Sandbox) -> Vec<f64> {
    let diary = fs::read_to_string(project.outside("diary")).expect("messages were sent");
    let mut sent: Vec<(&str, f64)> = Vec::new();
    for (process, count) in diary.lines().filter_map(|line| line.split_once(' ')) {
        let count = count.parse().expect("a number");
        match sent.iter_mut().find(|(known, _)| *known == process) {
            Some(known) => known.1 = count,
            None => sent.push((process, count)),
        }
    }
    sent.into_iter().map(|(_, count)| count).collect()
}
