//! Services in real containers, on the real engine of this machine.
//!
//! Base images cannot be pulled everywhere, so these stand on the one that `scripts/base-image`
//! makes of this machine's own packages.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tollgate::measure::probes::cgroup::Cgroup;

use crate::services::says_when_it_listens;
use crate::support::{FAST, Running, SERVICE, SHORT, SLOW, Sandbox, TOLERANT, needs};
use crate::targets::needs_much_for_a_moment;

const SOCKET: &str = "/var/run/docker.sock";

/// The image that everything here is made from.
pub(crate) fn base_image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let is_up = Path::new(SOCKET).exists() && !ask("/version").is_null();
        assert!(
            is_up,
            "no container engine answers at {SOCKET}: run `scripts/test`, or install the Debian packages docker.io and iptables and start `dockerd`"
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/base-image");
        let made = Command::new("sh").arg(script).output().expect("sh can be run");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "scripts/base-image: {said}");
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
    })
}

/// What the engine answers; nothing where it does not.
fn ask(path: &str) -> Value {
    request("GET", path, None)
}

fn request(method: &str, path: &str, body: Option<&str>) -> Value {
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-g",
        "--max-time",
        "60",
        "--unix-socket",
        SOCKET,
        "-X",
        method,
    ]);
    if let Some(body) = body {
        curl.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    let output = curl.arg(format!("http://engine{path}")).output();
    let output = output.expect("curl can be run");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Names of containers, networks and volumes that carry the label of an owner.
fn labelled() -> Vec<String> {
    let filter = "filters={\"label\":[\"tollgate.owner\"]}";
    let mut names = Vec::new();
    for one in ask(&format!("/containers/json?all=1&{filter}"))
        .as_array()
        .into_iter()
        .flatten()
    {
        names.push(
            one["Names"][0]
                .as_str()
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
        );
    }
    for one in ask(&format!("/networks?{filter}"))
        .as_array()
        .into_iter()
        .flatten()
    {
        names.push(one["Name"].as_str().unwrap_or_default().to_owned());
    }
    for one in ask(&format!("/volumes?{filter}"))["Volumes"]
        .as_array()
        .into_iter()
        .flatten()
    {
        names.push(one["Name"].as_str().unwrap_or_default().to_owned());
    }
    names
}

/// Those of a run, by the process number of its Tollgate.
fn of_run(pid: u32) -> Vec<String> {
    let mut names = labelled();
    names.retain(|name| name.starts_with(&format!("tollgate-{pid}-")));
    names
}

/// A service built from the arm's own files, beside a Redis.
fn project(more: &str, others: &[&str]) -> Sandbox {
    let base = base_image();
    let sandbox = Sandbox::empty();
    sandbox.write("service.py", &SERVICE.replace("127.0.0.1", "0.0.0.0"));
    sandbox.write(
        "Dockerfile",
        "ARG BASE\nFROM ${BASE}\nCOPY service.py /\nCMD [\"python3\", \"-I\", \"/service.py\", \"8000\"]\n",
    );
    sandbox.write(".dockerignore", ".tollgate\n.git\n");
    let others = others.join("\n");
    sandbox.write(
        "tollgate.yml",
        &format!(
            "project: sandbox
services:
  cache:
    image: {base}
    command: redis-server --port 6379 --save '' --dir /tmp --protected-mode no
    port: 6379
    ready: {{ redis: true }}
    volumes: ['kept:/kept']
  app:
    build: {{ context: ., args: {{ BASE: '{base}' }} }}
    port: 8000
    environment: {{ CACHE: '{{{{ services.cache.address }}}}' }}
    ready: {{ http: /health, within: 30 s }}
{more}endpoints:
{FAST}{SLOW}{others}
"
        ),
    );
    sandbox.commit("in containers");
    sandbox
}

/// Something of somebody else's that must still be there afterwards.
struct Foreign {
    name: String,
}

impl Foreign {
    fn plant() -> Self {
        let name = format!("somebody-else-{}-{}", std::process::id(), a_number());
        let image = base_image();
        // A label that only looks like one of ours.
        let labels = "{\"tollgate\":\"base\"}";
        let body = format!(
            "{{\"Image\":\"{image}\",\"Cmd\":[\"sleep\",\"600\"],\"Labels\":{labels},\"HostConfig\":{{\"Binds\":[\"{name}:/kept\"]}}}}"
        );
        let volume = format!("{{\"Name\":\"{name}\",\"Labels\":{labels}}}");
        request("POST", "/volumes/create", Some(&volume));
        request(
            "POST",
            &format!("/containers/create?name={name}"),
            Some(&body),
        );
        request("POST", &format!("/containers/{name}/start"), None);
        let foreign = Self { name };
        foreign.is_untouched();
        foreign
    }

    #[track_caller]
    fn is_untouched(&self) {
        let name = &self.name;
        let container = ask(&format!("/containers/{name}/json"));
        assert_eq!(container["State"]["Running"], true, "{container:#}");
        let volume = ask(&format!("/volumes/{name}"));
        assert_eq!(volume["Name"], name.as_str(), "{volume:#}");
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        request(
            "DELETE",
            &format!("/containers/{}?force=1", self.name),
            None,
        );
        request("DELETE", &format!("/volumes/{}", self.name), None);
    }
}

/// A number that no other test has.
fn a_number() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Long enough for another run to start and to be killed meanwhile.
const LONG: &str = "measure: { blocks: 24, confirmation-blocks: 3, block: 500 ms, warm-up: 50 ms, \
    contention-limit: 100% }";

fn measuring(project: &Sandbox) -> Running<'_> {
    project
        .start(&["check"])
        .until_it_says("block 2/")
        .and_then(Duration::from_millis(100))
}

#[test]
fn both_arms_run_in_containers_that_are_gone_afterwards() {
    // Asked inside: the other container answers by its name, and the environment says where.
    let reaches = "    health: \"python3 -c \\\"import os, socket; h, p = os.environ['CACHE'].split(':'); socket.create_connection((h, int(p))); socket.create_connection(('127.0.0.1', 8000))\\\"\"\n";
    let project = project(reaches, &[SHORT, TOLERANT]);
    project.edit(
        "tollgate.yml",
        "ready: { http: /health, within: 30 s }",
        "ready: { health: true }",
    );
    project.commit("ready by its health check");

    let check = project.check();

    check.exits(0);
    for id in ["service/app/memory", "service/cache/memory"] {
        let memory = check.comparison(id)["now"]["point"]
            .as_f64()
            .unwrap_or_default();
        assert!(memory > 1e6, "{id}: {memory}\n{check}");
    }
    let cpu = check.comparison("endpoint/slow/cpu");
    let cpu = cpu["now"]["point"].as_f64().unwrap_or_default();
    assert!(
        (2.0..20.0).contains(&cpu),
        "2 ms of CPU time a request: {cpu}\n{check}"
    );
    assert_eq!(of_run(check.pid()), Vec::<String>::new());
}

/// The memory of a container as `docker stats` shows it.
fn memory_in_stats(id: &str) -> Option<f64> {
    let stats = ask(&format!(
        "/containers/{id}/stats?stream=false&one-shot=true"
    ));
    let memory = &stats["memory_stats"];
    let idle = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|key| memory["stats"][key].as_f64());
    Some(memory["usage"].as_f64()? - idle.unwrap_or(0.0))
}

#[test]
fn memory_is_what_the_engine_counts() {
    let blocks = "measure: { blocks: 3, confirmation-blocks: 3, block: 600 ms, warm-up: 50 ms, contention-limit: 100% }";
    // It needs the same for the whole run, and so much that the kernel's own steps do not show: it
    // charges 64 pages at a time on each core.
    let hoard = format!(
        "  hoard:
    image: {}
    command: [python3, -I, -c, \"import time; kept = b'x' * 200000000; print('full', flush=True); time.sleep(600)\"]
    ready: {{ log: full }}
    fresh: per-run
",
        base_image()
    );
    let project = project(&hoard, &[blocks, TOLERANT]);

    // The engine is asked until it is gone.
    let running = project.start(&["check"]).until_it_says("block 1/3");
    let names = of_run(running.number());
    let ids = ["-base-hoard", "-head-hoard"].map(|end| {
        let name = names.iter().find(|name| name.ends_with(end));
        name.unwrap_or_else(|| panic!("no {end} in {names:?}"))
    });
    let mut readings = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        let asked = ids.map(|id| memory_in_stats(id));
        for (reading, readings) in asked.iter().zip(&mut readings) {
            readings.extend(*reading);
        }
        if asked.iter().all(Option::is_none) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let check = running.finish();
    for readings in &mut readings {
        readings
            .pop()
            .expect("the last may be of one that is being ended");
    }

    check.exits(0);
    let run = check.run_file();
    for (run, readings) in [&run["base"]["measured"], &run["head"]]
        .iter()
        .zip(&readings)
    {
        let samples = &run["samples"]["service/hoard/memory"];
        let ours: Vec<f64> = samples
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect();
        let low = readings.iter().copied().fold(f64::INFINITY, f64::min);
        let high = readings.iter().copied().fold(0.0, f64::max);
        assert!(low > 200e6 && ours.len() >= 3, "{readings:?} {samples}");
        for sample in ours {
            assert!(
                (low * 0.98..=high * 1.02).contains(&sample),
                "{sample}: the engine says {readings:?}\n{check}"
            );
        }
    }
}

/// A container that holds 100 MB and keeps a core busy, removed when it is dropped.
struct Busy(String);

impl Busy {
    fn start() -> Self {
        let image = base_image();
        let body = format!(
            r#"{{"Image": "{image}", "Cmd": ["python3", "-I", "-c", "kept = b'x' * 100000000\nwhile True: pass"], "HostConfig": {{"NetworkMode": "none"}}}}"#
        );
        let made = request("POST", "/containers/create", Some(&body));
        let id = made["Id"].as_str().unwrap_or_else(|| panic!("{made}"));
        let busy = Self(id.to_owned());
        request("POST", &format!("/containers/{id}/start"), None);
        while memory_in_stats(id).is_none_or(|bytes| bytes < 100e6) {
            std::thread::sleep(Duration::from_millis(20));
        }
        busy
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        request("DELETE", &format!("/containers/{}?force=1", self.0), None);
    }
}

/// Freezes a container; an engine that has much to do may have to be asked again.
fn pause(id: &str) {
    let mut said = Value::Null;
    for _ in 0..20 {
        said = request("POST", &format!("/containers/{id}/pause"), None);
        if ask(&format!("/containers/{id}/json"))["State"]["Paused"] == true {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("it cannot be frozen: {said}");
}

/// What a counter of something frozen comes to: a core may be slow to let go of its last process.
fn at_rest(read: impl Fn() -> u128) -> u128 {
    for _ in 0..100 {
        let before = read();
        std::thread::sleep(Duration::from_millis(50));
        if read() == before {
            return before;
        }
    }
    panic!("it never rests: {}", read());
}

#[test]
fn at_rest_cpu_time_and_memory_are_those_of_the_control_group() {
    let busy = Busy::start();
    let id = &busy.0;
    let container = ask(&format!("/containers/{id}/json"));
    let pid = container["State"]["Pid"].as_i64().expect("it runs");
    let group = Cgroup::of(i32::try_from(pid).expect("a pid")).expect("its files are here");
    let mut last = 0;
    for _ in 0..3 {
        while group.cpu().expect("it can be read").as_nanos() <= last + 50_000_000 {
            std::thread::sleep(Duration::from_millis(20));
        }
        pause(id);
        let ours = at_rest(|| group.cpu().expect("it can be read").as_nanos());
        // The kernel sorts what was read from files in batches, also while nothing runs.
        let used = || group.memory().expect("it can be read").used as f64;
        let before = used();
        let theirs = memory_in_stats(id).expect("it can be read");
        let after = used();
        let (low, high) = (before.min(after) * 0.98, before.max(after) * 1.02);
        assert!((low..=high).contains(&theirs), "{before} {theirs} {after}");
        let stats = ask(&format!(
            "/containers/{id}/stats?stream=false&one-shot=true"
        ));
        let theirs = stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64();
        assert_eq!(theirs.map(u128::from), Some(ours), "{stats}");
        last = ours;
        request("POST", &format!("/containers/{id}/unpause"), None);
    }
}

#[test]
fn what_head_makes_slower_in_its_own_image_is_seen() {
    let project = project("", &[crate::support::SURE, TOLERANT]);
    project.edit("service.py", "SLOW_MS = 2.0", "SLOW_MS = 8.0");

    let check = project.check();

    check.exits(1);
    assert_eq!(check.verdict("endpoint/slow/cpu"), "regressed");
    assert_eq!(check.verdict("endpoint/fast/error-rate"), "unchanged");
}

#[test]
fn no_engine_is_said_with_what_to_do() {
    let project = project("", &[SHORT]);

    let nowhere = ("DOCKER_HOST", Path::new("unix:///nowhere/docker.sock"));
    let check = project.run_with(&[nowhere], &["check"]);

    check.exits(3);
    check.says("no container engine answers here");
    check.says("/nowhere/docker.sock: does not exist");
    check.says("systemctl start docker");
}

#[test]
fn an_engine_elsewhere_is_refused() {
    let project = project("", &[SHORT]);

    let elsewhere = ("DOCKER_HOST", Path::new("tcp://10.0.0.1:2375"));
    let check = project.run_with(&[elsewhere], &["check"]);

    check.exits(3);
    check.says("an engine on another machine cannot be measured");
}

#[test]
fn a_container_without_memory_is_said_to_be_that_with_its_limit() {
    let project = project("    memory: 60 MB\n", &[SHORT, TOLERANT]);
    project.edit(
        "service.py",
        "spin(SLOW_MS)",
        "held = bytearray(b'x' * 200_000_000)",
    );

    let check = project.check();

    check.exits(3);
    check.says("service `app` ran out of memory at its limit of 60 MB while it was measured");
    assert_eq!(of_run(check.pid()), Vec::<String>::new());
}

#[test]
fn a_container_that_ends_is_quoted() {
    let project = project("", &[SHORT, TOLERANT]);
    project.edit(
        "service.py",
        "import json",
        "import sys; print('no cheese', flush=True); sys.exit(7)\nimport json",
    );

    let check = project.check();

    check.exits(3);
    check.says("service `app` ended with status 7 before it was ready");
    check.says("| no cheese");
}

#[test]
fn an_image_that_cannot_be_built_is_quoted() {
    let project = project("", &[SHORT, TOLERANT]);
    project.edit(
        "Dockerfile",
        "COPY service.py /",
        "RUN echo no cheese && false",
    );

    let check = project.check();

    check.exits(3);
    check.says("service `app`: building the image from `.`");
    check.says("| no cheese");
}

#[test]
fn the_idle_arm_stands_still() {
    let slow = "  - { name: busy, service: app, request: GET /slow, load: { concurrency: 4 } }\n";
    let long = "measure: { blocks: 3, confirmation-blocks: 3, block: 12 s, warm-up: 50 ms }";
    let project = project("", &[slow, long, TOLERANT]);
    let text = fs::read_to_string(project.project().join("tollgate.yml")).expect("a file");
    project.write("tollgate.yml", &text.replace(FAST, "").replace(SLOW, ""));
    project.commit("several requests at once");

    let running = project.start(&["check"]).until_it_says("block 1/3");
    let running = running.and_then(Duration::from_millis(1500));

    // Of two containers one works and one stands still; its own count of CPU time says so.
    let ids: Vec<String> = ask("/containers/json?filters={\"label\":[\"tollgate.owner\"]}")
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| {
            one["Names"][0]
                .as_str()
                .is_some_and(|name| name.starts_with(&format!("/tollgate-{}-", running.number())))
        })
        .filter(|one| {
            one["Names"][0]
                .as_str()
                .is_some_and(|name| name.ends_with("-app"))
        })
        .filter_map(|one| one["Id"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(ids.len(), 2);
    let cpu = || -> Vec<u64> { ids.iter().map(|id| cpu_of(id)).collect() };
    let before = cpu();
    std::thread::sleep(Duration::from_millis(700));
    let used: Vec<u64> = cpu()
        .iter()
        .zip(before)
        .map(|(now, then)| now - then)
        .collect();
    assert_eq!(
        used.iter().filter(|used| **used == 0).count(),
        1,
        "{used:?}"
    );
    assert!(used.iter().any(|used| *used > 100_000_000), "{used:?}");

    running.press_ctrl_c().finish().exits(130);
}

/// CPU time of a container in nanoseconds, from its cgroup's own file.
fn cpu_of(id: &str) -> u64 {
    let pid = ask(&format!("/containers/{id}/json"))["State"]["Pid"].as_u64();
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", pid.unwrap_or(0)));
    let groups = groups.expect("the container runs");
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        if controllers.split(',').any(|one| one == "cpuacct") {
            for mount in ["cpuacct", "cpu,cpuacct"] {
                let file = format!("/sys/fs/cgroup/{mount}{path}/cpuacct.usage");
                if let Ok(text) = fs::read_to_string(file) {
                    return text.trim().parse().expect("nanoseconds");
                }
            }
        }
        if controllers.is_empty()
            && let Ok(text) = fs::read_to_string(format!("/sys/fs/cgroup{path}/cpu.stat"))
            && let Some(used) = text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "))
        {
            return used.parse::<u64>().expect("microseconds") * 1000;
        }
    }
    panic!("no cgroup in {groups}");
}

#[test]
fn ctrl_c_and_sigterm_leave_no_container() {
    let project = project("", &[SHORT, TOLERANT]);
    let foreign = Foreign::plant();

    let check = measuring(&project).press_ctrl_c().finish();
    check.exits(130);
    assert_eq!(of_run(check.pid()), Vec::<String>::new());

    let check = project
        .start(&["check"])
        .until_it_says("start services")
        .send(Signal::SIGTERM)
        .finish();
    check.exits(130);
    assert_eq!(of_run(check.pid()), Vec::<String>::new());
    foreign.is_untouched();
}

#[test]
fn what_a_killed_run_left_is_removed_by_hand_or_by_the_next_run_and_nothing_else() {
    let project = self::project("", &[SHORT, TOLERANT]);
    // Still at work when the others are done.
    let beside = self::project("", &[LONG, TOLERANT]);
    let foreign = Foreign::plant();

    let first = measuring(&project).send(Signal::SIGKILL).finish_killed();
    assert!(of_run(first.pid()).len() >= 6, "{:?}", of_run(first.pid()));
    let next = measuring(&beside);
    assert_eq!(
        of_run(first.pid()),
        Vec::<String>::new(),
        "the next run removes it"
    );

    let second = measuring(&project).send(Signal::SIGKILL).finish_killed();
    assert!(
        of_run(second.pid()).len() >= 6,
        "{:?}",
        of_run(second.pid())
    );
    let doctor = project
        .command(env!("CARGO_BIN_EXE_tollgate"))
        .args(["doctor", "--clean"])
        .output()
        .expect("tollgate can be run");
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success(), "{said}");
    assert_eq!(of_run(second.pid()), Vec::<String>::new(), "{said}");

    // The run that is under way was not touched, and goes on.
    let used = format!("in use     container tollgate-{}-", next.number());
    assert!(said.contains(&used), "`{used}` is not in\n{said}");
    let next = next.finish();
    next.exits(0);
    assert_eq!(of_run(next.pid()), Vec::<String>::new());
    foreign.is_untouched();
    // A killed run cannot remove its worktrees: the next one in the same project does.
    project.check().exits(0);
}

#[test]
fn the_log_of_an_earlier_start_makes_no_container_ready() {
    let project = project("", &[SHORT, TOLERANT]);
    says_when_it_listens(&project);
    project.edit(
        "tollgate.yml",
        "ready: { http: /health, within: 30 s }",
        "ready: { log: Listening, within: 30 s }",
    );
    project.commit("slow to start");

    let check = project.check();

    check.exits(0);
    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        let wrong = &arm["responses"]["fast"]["wrong"];
        assert_eq!(*wrong, serde_json::json!({}), "{check}");
    }
}

#[test]
fn a_health_check_that_hangs_is_not_waited_for_longer_than_asked() {
    let project = project("    health: sleep 600\n", &[SHORT, TOLERANT]);
    project.edit(
        "tollgate.yml",
        "ready: { http: /health, within: 30 s }",
        "ready: { health: true, within: 3 s }",
    );

    let check = project.check();

    check.exits(3);
    check.says(
        "service `app` was not ready within 3 s: its health check `/bin/sh -c sleep 600` hung",
    );
    assert!(check.took.as_secs() < 60, "{check}");
    assert_eq!(of_run(check.pid()), Vec::<String>::new());
}

#[test]
fn memory_of_a_process_that_has_ended_in_a_container_misses_its_target() {
    let target = "    budgets: { peak-memory: 200 MB }\n";
    let project = project(target, &[SHORT, TOLERANT]);
    needs_much_for_a_moment(&project);

    let check = project.check();

    check.exits(1);
    let peak = check.comparison("service/app/peak-memory");
    assert_eq!(peak["target"]["verdict"], "missed", "{check}");
    // Nothing ended in base: its page cache is not counted.
    let base = peak["before"]["point"].as_f64().unwrap_or_default();
    assert!(base < 100e6, "{peak:#}");
}

#[test]
fn a_folder_that_git_does_not_know_is_made_for_each_arm() {
    let project = project("    volumes: ['./state/data:/data']\n", &[SHORT, TOLERANT]);
    // Whoever finds the other's file ends.
    let alone = "import json\nopen(\"/data/mine\", \"x\")";
    project.edit("service.py", "import json", alone);
    project.edit(
        "tollgate.yml",
        "    port: 8000",
        "    port: 8000\n    fresh: per-run",
    );
    let control = "warm-up: 50 ms, control: true";
    project.edit("tollgate.yml", "warm-up: 50 ms", control);
    project.commit("keeps data");

    let check = project.check();

    check.exits(0).does_not_print("not measured beside itself");
    let control = check.run_file()["base"]["measured"]["control"].clone();
    let cpu = control["endpoint/slow/cpu"].as_array().map(Vec::len);
    assert_eq!(cpu, Some(3), "{check}");
    assert!(
        !project.project().join("state").exists(),
        "nothing of ours in the project"
    );
}

#[test]
fn threads_that_do_not_fit_the_cores_are_said_of_containers_too() {
    let note = "app: its model may compute on more threads than the";
    let project = project("    models: [service.py]\n", &[SHORT, TOLERANT]);
    project.check().exits(0).prints(note);

    // An image that says it, in head; base is no matter.
    project.edit("Dockerfile", "CMD", "ENV OMP_NUM_THREADS=1\nCMD");
    project.check().exits(0).does_not_print(note);

    project.edit("Dockerfile", "ENV OMP_NUM_THREADS=1\n", "");
    let environment = "environment: { OMP_NUM_THREADS: \"1\", ";
    project.edit("tollgate.yml", "environment: { ", environment);
    project.check().exits(0).does_not_print(note);
}

#[test]
fn a_container_that_ends_at_once_is_not_measured_by_what_is_others() {
    let project = project("", &[SHORT, TOLERANT]);
    let base = base_image();
    // Gone before anybody can ask for its process.
    let compose = format!(
        "services:
  once: {{ image: '{base}', command: 'true' }}
  after:
    image: '{base}'
    command: sleep 600
    depends_on: {{ once: {{ condition: service_completed_successfully }} }}
"
    );
    project.write("compose.yaml", &compose);
    project.edit(
        "tollgate.yml",
        "services:\n",
        "compose: compose.yaml\nservices:\n",
    );
    project.commit("something that is done once");

    let check = project.check();

    check.exits(0);
    let run = check.run_file();
    for arm in [&run["base"]["measured"], &run["head"]] {
        let samples = &arm["samples"];
        assert!(samples["service/after/memory"].is_array(), "{samples:#}");
        for metric in ["memory", "peak-memory"] {
            let of_once = &samples[format!("service/once/{metric}")];
            assert!(of_once.is_null(), "{metric}: {of_once}");
        }
    }
}

/// An account that is not root, and not the one that containers run as.
const NOBODY: &str = "65534";

#[test]
fn an_account_that_is_not_root_counts_what_is_loaded_in_a_container() {
    needs("setpriv", "util-linux");
    let project = project("    models: [etc/model.bin]\n", &[SHORT, TOLERANT]);
    project.write("model.bin", "weights");
    let copied = "COPY service.py /\nCOPY model.bin /etc/\nRUN chmod 600 /etc/model.bin";
    project.edit("Dockerfile", "COPY service.py /", copied);
    project.edit(
        "service.py",
        "import json",
        "import json\nopen(\"/etc/model.bin\").read()",
    );
    project.commit("a model");
    let load = "def do_GET(self):\n        open(\"/etc/model.bin\").read()";
    project.edit("service.py", "def do_GET(self):", load);
    // The tests' own program may be where only root can go.
    let program = project.outside("tollgate");
    fs::copy(env!("CARGO_BIN_EXE_tollgate"), &program).expect("a copy");
    let folder = program.parent().expect("a folder").to_owned();
    run("chown", &["-R", NOBODY, &folder.to_string_lossy()]);
    let group = run("stat", &["-c", "%g", SOCKET]);

    let mut command = project.command("setpriv");
    command
        .args([
            "--reuid",
            NOBODY,
            "--regid",
            NOBODY,
            "--groups",
            group.trim(),
        ])
        .arg(&program)
        .args(["check"])
        .env("HOME", &folder);
    let check = project.finish(command);

    check.exits(1);
    let id = "endpoint/slow/model-loads-per-request";
    assert_eq!(check.verdict(id), "regressed", "{check}");
    let loads = check.comparison(id);
    assert_eq!(loads["before"]["point"].as_f64(), Some(0.0), "{check}");
    assert_eq!(loads["now"]["point"].as_f64(), Some(1.0), "{check}");
}

/// What a program prints, once it has done its work.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.expect("a program of the system");
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
