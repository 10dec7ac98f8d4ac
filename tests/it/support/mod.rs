//! What every test stands on: a project in a repository of its own, and the real program.

mod finished;
pub(crate) mod github;
mod leftovers;
mod needs;
mod python;
mod recorded;
mod running;
mod sandbox;

pub(crate) use finished::Finished;
pub(crate) use needs::needs;
pub(crate) use python::python;
pub(crate) use recorded::{FIRST_FORMAT, scale};
pub(crate) use running::Running;
pub(crate) use sandbox::Sandbox;

/// A small HTTP service; see there for what can be changed.
pub(crate) const SERVICE: &str = include_str!("../../fixtures/service.py");
/// Starts the service forked twice, in a session of its own.
pub(crate) const DETACH: &str = include_str!("../../fixtures/detach.py");
/// A build that writes what a bundler writes.
pub(crate) const BUILD: &str = include_str!("../../fixtures/build.sh");

/// Short blocks: enough to see that something is measured, or a change by half and more. However
/// busy the machine is with other tests, every block counts.
pub(crate) const SHORT: &str = "measure: { blocks: 3, confirmation-blocks: 3, block: 200 ms, \
     warm-up: 50 ms, contention-limit: 100% }";
/// Enough blocks to confirm that something takes three times as long.
pub(crate) const SURE: &str = "measure: { blocks: 4, confirmation-blocks: 6, block: 200 ms, \
     warm-up: 50 ms, contention-limit: 100% }";
/// Two arms of this suite share two cores with other tests: only large changes mean anything.
pub(crate) const TOLERANT: &str =
    "gate: { tolerance: { latency: 50%, p95: 50%, cpu: 50%, memory: 50% } }";

/// The service of `service.py` as the configuration names it.
pub(crate) const APP: &str = "\
services:
  app:
    command: exec python3 -I service.py {{ port }}
    ready: { http: /health, within: 20 s }
";

/// The endpoint that answers at once.
pub(crate) const FAST: &str = "  - name: fast
    service: app
    request: GET /fast
    expect: { status: 200, json: \"$.items[0].id\" }
";
/// The endpoint that takes some CPU time.
pub(crate) const SLOW: &str = "  - { name: slow, service: app, request: GET /slow }
";

/// A configuration of the service with these endpoints and these other lines.
pub(crate) fn config(endpoints: &[&str], others: &[&str]) -> String {
    let endpoints = endpoints.concat();
    let others = others.join("\n");
    format!("project: sandbox\n{APP}endpoints:\n{endpoints}{others}\n")
}
