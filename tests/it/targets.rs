//! Targets, and what policy makes of a verdict.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{APP, FAST, SHORT, SLOW, Sandbox, TOLERANT, config};

/// A target is judged by the whole interval, which few blocks on a busy machine make wide.
const BLOCKS: &str = "measure: { blocks: 8, confirmation-blocks: 3, block: 200 ms, warm-up: 50 ms, \
     contention-limit: 100% }";

/// 2 ms of processor time, with this target for it: unlike a latency it has an answer beside the
/// other tests of this suite too.
fn with_target(cpu: &str, gate: &str) -> Sandbox {
    let slow = format!(
        "  - {{ name: slow, service: app, request: GET /slow, budgets: {{ cpu: {cpu} }} }}\n"
    );
    let tolerance = "tolerance: { latency: 90%, p95: 90%, cpu: 90%, memory: 90% }";
    let gate = format!("gate: {{ {tolerance}{gate} }}");
    Sandbox::with_service(&config(&[&slow], &[BLOCKS, &gate]))
}

#[test]
fn a_target_that_only_head_misses_blocks() {
    let project = with_target("25 ms", "");
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 60.0");

    let check = project.check();

    check.exits(1).prints("target missed");
    let target = &check.comparison("endpoint/slow/cpu")["target"]["verdict"];
    assert_eq!(*target, "missed", "{check}");
}

#[test]
fn a_target_that_base_misses_too_is_a_warning() {
    let project = with_target("0.5 ms", "");

    let check = project.check();

    check
        .exits(0)
        .prints("WARN")
        .prints("target missed by base too");
}

#[test]
fn a_target_that_base_misses_too_blocks_where_policy_says_so() {
    let project = with_target("0.5 ms", ", missed-by-base: fail");

    let check = project.check();

    check.exits(1).prints("target missed by base too");
}

#[test]
fn a_target_that_is_met_is_no_news() {
    let project = with_target("10 s", "");

    let check = project.check();

    check.exits(0).does_not_print("target missed");
    let target = &check.comparison("endpoint/slow/cpu")["target"]["verdict"];
    assert_eq!(*target, "met", "{check}");
}

#[test]
fn a_bundle_larger_than_its_target_blocks_without_any_base() {
    let project = Sandbox::with_frontend("    budgets: { total: 20 KB }\n", "");
    project.edit("build.sh", "set -eu", "exit 4");
    project.commit("break the build");
    project.edit("build.sh", "exit 4", "set -eu");

    let check = project.check();

    check.exits(1).prints("target missed");
}

/// A base without sizes and nothing stored: no metric has an answer.
fn without_an_answer(gate: &str) -> Sandbox {
    let project = Sandbox::with_frontend("", gate);
    project.edit("build.sh", "set -eu", "exit 4");
    project.commit("break the build");
    project.edit("build.sh", "exit 4", "set -eu");
    project
}

#[test]
fn no_answer_is_a_warning_by_default() {
    without_an_answer("").check().exits(0).prints("WARN");
    let project = without_an_answer("gate: { inconclusive: warn }\n");
    project.check().exits(0).prints("WARN");
}

#[test]
fn no_answer_blocks_where_policy_says_so() {
    let project = without_an_answer("gate: { inconclusive: fail }\n");
    project.check().exits(5).prints("INCONCLUSIVE");
}

/// Every slow request has a child that needs 300 MB for 100 ms, and waits for its end.
pub(crate) fn needs_much_for_a_moment(project: &Sandbox) {
    let child = "import subprocess\n            subprocess.run([sys.executable, \"-c\", \"import time; held = bytearray(b'x') * 300_000_000; time.sleep(0.1)\"], check=True)";
    project.edit("service.py", "spin(SLOW_MS)", child);
}

#[test]
fn memory_of_a_process_that_has_ended_misses_its_target() {
    let project = Sandbox::with_service(&config(&[FAST, SLOW], &[SHORT, TOLERANT]));
    let target = format!("{APP}    budgets: {{ peak-memory: 200 MB }}\n");
    project.edit("tollgate.yml", APP, &target);
    project.commit("a target");
    needs_much_for_a_moment(&project);

    let check = project.check();

    check.exits(1);
    let peak = check.comparison("service/app/peak-memory");
    assert_eq!(peak["target"]["verdict"], "missed", "{check}");
    let bytes = peak["now"]["point"].as_f64().unwrap_or_default();
    assert!((300e6..450e6).contains(&bytes), "{peak:#}");
}

/// In place of the driver's own `nvidia-smi`, which no machine of this suite has: what it prints for a
/// card that is 37 % busy while the service is, and on which each of its processes keeps 512 MiB.
const CARD: &str = r#"#!/bin/sh
case "$1" in
--query-gpu=utilization.gpu)
    used() { cat /proc/[0-9]*/stat 2>/dev/null | awk '/\(python3/ { sum += $14 } END { print sum + 0 }'; }
    before=$(used)
    while sleep 0.1; do
        now=$(used)
        if [ "$now" = "$before" ]; then echo 0; else echo 37; fi || exit
        before=$now
    done ;;
--query-compute-apps=pid,used_memory)
    for process in /proc/[0-9]*; do
        tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q '[p]ython3 -I service.py' || continue
        echo "${process#/proc/}, 512"
    done ;;
*) exit 2 ;;
esac
"#;
const NO_DRIVER: &str = "#!/bin/sh
echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"
exit 9
";

/// Long enough to be told several times how busy a card is.
const LONG: &str = "measure: { blocks: 3, confirmation-blocks: 3, block: 1 s, warm-up: 50 ms, \
     contention-limit: 100% }";

/// The service with these targets, and a `PATH` with such an `nvidia-smi` in front.
fn with_card(targets: &str, nvidia_smi: &str) -> (Sandbox, PathBuf) {
    let service = format!("{APP}    budgets: {{ {targets} }}\n");
    let project = Sandbox::with_service(&format!(
        "project: sandbox\n{service}endpoints:\n{SLOW}{LONG}\n{TOLERANT}\n"
    ));
    let programs = project.outside("programs");
    fs::create_dir_all(&programs).expect("a folder");
    let file = programs.join("nvidia-smi");
    fs::write(&file, nvidia_smi).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("its mode");
    let path = std::env::var("PATH").unwrap_or_default();
    (
        project,
        PathBuf::from(format!("{}:{path}", programs.display())),
    )
}

#[test]
fn memory_and_utilization_of_a_graphics_card_are_judged_by_their_targets() {
    let (project, path) = with_card("gpu-memory: 1 GB, gpu-utilization: 30%", CARD);
    let path: &Path = &path;

    let check = project.run_with(&[("PATH", path)], &["check"]);

    check.exits(1).prints("target missed");
    let memory = check.comparison("service/app/gpu-memory");
    assert_eq!(memory["target"]["verdict"], "met", "{check}");
    let bytes = memory["now"]["point"].as_f64();
    assert_eq!(bytes, Some(512.0 * 1024.0 * 1024.0), "{check}");
    let busy = check.comparison("service/app/gpu-utilization");
    assert_eq!(busy["now"]["point"].as_f64(), Some(0.37), "{check}");
    assert_eq!(busy["target"]["verdict"], "missed", "{check}");
    // It is of all arms together: base has no number of its own.
    assert!(busy["before"].is_null(), "{check}");
}

#[test]
fn a_target_of_a_graphics_card_that_cannot_be_asked_is_not_met() {
    let (project, path) = with_card("gpu-memory: 1 GB, gpu-utilization: 90%", NO_DRIVER);
    let path: &Path = &path;

    let check = project.run_with(&[("PATH", path)], &["check"]);

    check.exits(5);
    for metric in ["gpu-memory", "gpu-utilization"] {
        let comparison = check.comparison(&format!("service/app/{metric}"));
        assert_eq!(comparison["target"]["verdict"], "not-measured", "{check}");
    }
    check.prints("couldn't communicate with the NVIDIA driver");
}
