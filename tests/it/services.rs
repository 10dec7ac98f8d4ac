//! Services that do not start, do not answer or do not stay.

use std::net::TcpListener;

use crate::support::{APP, DETACH, FAST, SHORT, SLOW, Sandbox, TOLERANT, config};

fn project() -> Sandbox {
    Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]))
}

#[test]
fn a_service_that_exits_at_once_shows_its_last_lines() {
    let project = project();
    project.edit("service.py", "import json", "raise SystemExit('no cheese')");

    let check = project.check();

    check.exits(3);
    insta::assert_snapshot!(check.error(), @"
    error: service `app` ended with status 1 before it was ready
      | no cheese
    ");
}

#[test]
fn a_service_that_never_is_ready_is_not_waited_for_longer_than_asked() {
    let project = project();
    project.edit("tollgate.yml", "within: 20 s", "within: 1 s");
    project.commit("less patience");
    project.edit("service.py", "HEALTH_STATUS = 200", "HEALTH_STATUS = 503");

    let check = project.check();

    check.exits(3);
    insta::assert_snapshot!(check.error(), @"
    error: service `app` was not ready within 1 s: GET /health answered 503; it wrote nothing

    hint: check `ready` and `command`, or allow more time: `ready: { …, within: 60 s }`
    ");
    assert!(check.took.as_secs() < 20, "{check}");
}

/// Two free ports side by side: that of base and that of head.
fn two_ports() -> (TcpListener, TcpListener, u16) {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = first.local_addr().expect("its number").port();
        if port == u16::MAX {
            continue;
        }
        if let Ok(second) = TcpListener::bind(("127.0.0.1", port + 1)) {
            return (first, second, port);
        }
    }
}

fn on_port(port: u16) -> Sandbox {
    let project = project();
    let command = "command: exec python3 -I service.py {{ port }}\n";
    assert!(APP.contains(command));
    let fixed = format!("{command}    port: {port}\n");
    project.edit("tollgate.yml", command, &fixed);
    project.commit("a fixed port");
    project
}

#[test]
fn fixed_ports_are_used_and_the_next_one_for_head() {
    let (first, second, port) = two_ports();
    let project = on_port(port);
    let start = "if __name__ == \"__main__\":";
    let says = format!("{start}\n    print(\"listening on\", sys.argv[1], flush=True)");
    project.edit("service.py", start, &says);
    project.commit("say the port");
    drop((first, second));

    project.check().exits(0);

    for (arm, port) in [("base", port), ("head", port + 1)] {
        let log = project.result(&format!("logs/{arm}/app.log"));
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains(&port.to_string()), "{arm}: {log}");
    }
}

#[test]
fn a_port_of_head_that_is_taken_is_named() {
    let (first, taken, port) = two_ports();
    let project = on_port(port);
    drop(first);

    let check = project.check();

    check.exits(3);
    let message = format!("port {} of service `app` is taken", taken_port(&taken));
    check.says(&message).says("leave `port` out");
}

#[test]
fn a_port_of_base_that_is_taken_is_named() {
    let (taken, second, port) = two_ports();
    let project = on_port(port);
    drop(second);

    let check = project.check();

    // It is the machine that is at fault, not base: nothing was compared, so nothing passes.
    let message = format!("port {} of service `app` is taken", taken_port(&taken));
    check.says(&message);
    check.exits(3);
}

fn taken_port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("its number").port()
}

#[test]
fn a_head_that_dies_while_it_is_measured_leaves_what_was_measured() {
    let project = project();
    // More than one block takes, so that one block at least is complete in a run of `fast`.
    project.edit("service.py", "DIES_AFTER = 0", "DIES_AFTER = 30");

    let check = project.check();

    check
        .exits(3)
        .says("service `app` ended with status 7 while it was measured")
        .says("| out of cheese, after 30 requests");
    let run = check.run_file();
    assert!(run["head"]["revision"]["commit"].is_string(), "{run:#}");
    let responses = &run["head"]["responses"];
    assert!(
        responses.as_object().is_some_and(|all| !all.is_empty()),
        "{run:#}"
    );
    assert!(!project.result("report.md").exists(), "nothing was judged");
}

#[test]
fn a_base_that_dies_while_it_is_measured_is_no_fault_of_head() {
    let project = project();
    project.edit("service.py", "DIES_AFTER = 0", "DIES_AFTER = 30");
    project.commit("die");
    project.edit("service.py", "DIES_AFTER = 30", "DIES_AFTER = 0");

    let check = project.check_alone();

    check
        .exits(0)
        .prints("WARN")
        .says("base could not be measured: service `app` ended with status 7");
    assert_eq!(check.verdict("endpoint/fast/p50"), "inconclusive");
    let wrong = &check.run_file()["head"]["responses"]["fast"]["wrong"];
    assert_eq!(*wrong, serde_json::json!({}), "head answered well\n{check}");
}

#[test]
fn a_base_that_does_not_start_is_no_fault_of_head() {
    let project = project();
    project.edit("service.py", "import json", "import jason");
    project.commit("a typing mistake");
    project.edit("service.py", "import jason", "import json");

    let check = project.check_alone();

    check
        .exits(0)
        .prints("WARN")
        .says("base could not be measured: service `app` ended with status 1");
    let head = check.run_file()["head"]["samples"]["endpoint/fast/cpu"].clone();
    assert_eq!(head.as_array().map(Vec::len), Some(3), "{check}");
}

#[test]
fn a_service_that_detaches_is_measured_and_ended_all_the_same() {
    let project = project();
    project.write("detach.py", DETACH);
    project.edit(
        "tollgate.yml",
        "exec python3 -I service.py",
        "exec python3 -I detach.py",
    );
    project.commit("a daemon");

    let check = project.check();

    check.exits(0);
    // The processor time of the process that went its own way.
    let cpu = check.comparison("endpoint/slow/cpu");
    let milliseconds = cpu["now"]["point"].as_f64().unwrap_or_default();
    assert!(milliseconds > 1.5, "of 2 ms: {cpu:#}");
}

#[test]
fn a_service_that_ignores_sigterm_is_ended_all_the_same() {
    let project = Sandbox::with_service(&config(&[FAST], &[SHORT, TOLERANT]));
    let ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport json";
    project.edit("service.py", "import json", ignore);
    // A fresh process for every block would take the grace period each time.
    project.edit(
        "tollgate.yml",
        "    ready:",
        "    fresh: per-run\n    ready:",
    );
    project.commit("stubborn");

    project.check().exits(0);
}

/// The service takes its time to start, and says so when it is over.
pub(crate) fn says_when_it_listens(project: &Sandbox) {
    let start = "    listening().serve_forever()";
    let slow = "    time.sleep(0.7)\n    server = listening()\n    print(\"Listening\", flush=True)\n    server.serve_forever()";
    project.edit("service.py", start, slow);
}

#[test]
fn the_log_of_an_earlier_process_makes_no_service_ready() {
    let project = project();
    says_when_it_listens(&project);
    let by_log = "ready: { log: Listening, within: 20 s }";
    project.edit(
        "tollgate.yml",
        "ready: { http: /health, within: 20 s }",
        by_log,
    );
    project.commit("slow to start");

    let check = project.check();

    check.exits(0);
    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        for endpoint in ["fast", "slow"] {
            let wrong = &arm["responses"][endpoint]["wrong"];
            assert_eq!(*wrong, serde_json::json!({}), "{endpoint}\n{check}");
        }
    }
    let log = std::fs::read_to_string(project.result("logs/head/app.log")).unwrap();
    let starts = log.lines().filter(|line| *line == "Listening").count();
    assert!(starts > 1, "one for each block: {log}");
}
