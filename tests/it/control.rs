//! Base measured a second time beside itself.
//!
//! That no process is left is looked at after every run, by the support code.

use serde_json::Value;

use crate::support::{FAST, SLOW, Sandbox, TOLERANT, config};

const WITH_CONTROL: &str = "measure: { blocks: 3, confirmation-blocks: 3, block: 200 ms, warm-up: 50 ms, control: true, \
     contention-limit: 100% }";

fn project() -> Sandbox {
    Sandbox::with_service(&config(&[FAST, SLOW], &[WITH_CONTROL, TOLERANT]))
}

fn count(samples: &Value, id: &str) -> usize {
    samples[id].as_array().map_or(0, Vec::len)
}

#[test]
fn a_control_has_a_number_for_every_block_of_base() {
    let project = project();

    let check = project.check();

    check.exits(0).says("base once more, as a control");
    let run = check.run_file();
    let base = &run["base"]["measured"];
    for endpoint in ["fast", "slow"] {
        for metric in ["p50", "cpu"] {
            let id = format!("endpoint/{endpoint}/{metric}");
            let own = count(&base["samples"], &id);
            assert_eq!(count(&base["control"], &id), own, "{id}: {base:#}");
        }
        assert_eq!(
            count(&base["control"], &format!("endpoint/{endpoint}/cpu")),
            3
        );
    }
    assert!(run["head"]["control"].is_null(), "only base has one");
    // It was really driven, and beside itself it reads like itself.
    let mean = |samples: &Value| -> f64 {
        let values = samples["endpoint/slow/cpu"].as_array().expect("numbers");
        values.iter().filter_map(Value::as_f64).sum::<f64>() / values.len() as f64
    };
    let (own, control) = (mean(&base["samples"]), mean(&base["control"]));
    assert!((own / control - 1.0).abs() < 0.5, "{own} and {control}");
    assert!(project.result("logs/control/app.log").exists());
}

#[test]
fn a_control_is_driven_in_slices_too() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { concurrency: 4 } }\n";
    let project = Sandbox::with_service(&config(&[slow], &[WITH_CONTROL, TOLERANT]));

    let check = project.check();

    check.exits(0);
    let run = check.run_file();
    let control = &run["base"]["measured"]["control"];
    assert_eq!(count(control, "endpoint/slow/cpu"), 3, "{control:#}");
    for arm in [&run["base"]["measured"], &run["head"]] {
        assert_eq!(arm["responses"]["slow"]["wrong"], serde_json::json!({}));
    }
}

/// Dies only as a control, which gets the third of the fixed ports.
const DIES_AS_CONTROL: &str =
    "DIES_AFTER = int(open(\"dies\").read()) if int(sys.argv[1]) == THIRD else 0";

fn with_a_control_that_dies_after(requests: &str) -> Sandbox {
    let project = project();
    let port = three_ports();
    let command = "command: exec python3 -I service.py {{ port }}\n";
    let fixed = format!("{command}    port: {port}\n");
    project.edit("tollgate.yml", command, &fixed);
    let third = DIES_AS_CONTROL.replace("THIRD", &(port + 2).to_string());
    project.edit("service.py", "DIES_AFTER = 0", &third);
    project.write("dies", requests);
    project.commit("a control that dies");
    project
}

/// The first of three free ports side by side.
fn three_ports() -> u16 {
    let listen = |port| std::net::TcpListener::bind(("127.0.0.1", port));
    loop {
        let first = listen(0).expect("a free port");
        let port = first.local_addr().expect("its number").port();
        if port < u16::MAX - 1 && listen(port + 1).is_ok() && listen(port + 2).is_ok() {
            return port;
        }
    }
}

#[test]
fn a_control_that_dies_is_said_and_the_run_goes_on() {
    let project = with_a_control_that_dies_after("30");

    let check = project.check();

    check.exits(0).says("base was not measured beside itself");
    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        for endpoint in ["fast", "slow"] {
            let id = format!("endpoint/{endpoint}/cpu");
            assert_eq!(count(&arm["samples"], &id), 3, "{id}: {arm:#}");
            assert_eq!(arm["responses"][endpoint]["wrong"], serde_json::json!({}));
        }
    }
    let skipped = run["head"]["evidence"]["skipped"].to_string();
    assert!(
        skipped.contains("service `app` ended with status 7"),
        "{skipped}"
    );
}

#[test]
fn a_head_that_dies_beside_a_control_is_an_error() {
    let project = project();
    project.edit("service.py", "DIES_AFTER = 0", "DIES_AFTER = 30");

    let check = project.check();

    check
        .exits(3)
        .says("service `app` ended with status 7 while it was measured");
}

#[test]
fn a_base_that_dies_takes_its_control_along() {
    let project = project();
    project.edit("service.py", "DIES_AFTER = 0", "DIES_AFTER = 30");
    project.commit("die");
    project.edit("service.py", "DIES_AFTER = 30", "DIES_AFTER = 0");

    let check = project.check_alone();

    check.says("base could not be measured: service `app` ended with status 7");
    let run = check.run_file();
    assert!(run["base"]["missing"].is_string(), "{run:#}");
    let cpu = count(&run["head"]["samples"], "endpoint/fast/cpu");
    assert_eq!(cpu, 3, "head goes on: {run:#}");
}

#[test]
fn ctrl_c_ends_a_control_that_is_frozen() {
    let slow = "  - { name: slow, service: app, request: GET /slow, load: { concurrency: 4 } }\n";
    let long = WITH_CONTROL.replace("200 ms", "20 s");
    let project = Sandbox::with_service(&config(&[slow], &[&long, TOLERANT]));

    let running = project
        .start(&["check"])
        .until_it_says("block 1/3")
        .and_then(std::time::Duration::from_secs(2));
    assert!(running.frozen().len() >= 2, "{:?}", running.processes());

    running.press_ctrl_c().finish().exits(130);
}
