//! How a verdict stands on a commit, however many runs say so at the same time.

use std::sync::Arc;

use tollgate::github::marker::RunOrder;
use tollgate::github::publication::{self, Ending, Gate, Publication, Target};
use tollgate::model::Outcome;

use super::comments::{QUICK, client, fail_often};
use crate::support::github::Github;

const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
/// Every route of a status and of a check run.
const ROUTES: [&str; 5] = [
    "GET /commits/{ref}/statuses",
    "POST /statuses/{sha}",
    "GET /commits/{ref}/check-runs",
    "POST /check-runs",
    "PATCH /check-runs/{check_run_id}",
];
const BOTH: Gate = Gate {
    status: true,
    check: true,
};
const NEWEST: u64 = 4;

/// Three runs measure one commit and publish at the same time, in 400 orders of their requests, one
/// request in twenty failing before or after it has done its work.
#[test]
fn racing_runs_leave_the_verdict_of_the_newest_on_the_commit() {
    const SCHEDULES: u64 = 400;
    const TOGETHER: u64 = 100;
    let github = Arc::new(Github::start());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut wrong = Vec::new();
    let (mut faults, mut healed) = (0, 0);
    for first in (0..SCHEDULES).step_by(usize::try_from(TOGETHER).unwrap()) {
        let tasks: Vec<_> = (first..first + TOGETHER)
            .map(|seed| runtime.spawn(race(Arc::clone(&github), seed)))
            .collect();
        for (seed, task) in (first..).zip(tasks) {
            runtime.block_on(task).expect("it does not panic");
            let repository = format!("o/s{seed}");
            github.look_at(&repository, |world| {
                let status = world.status(SHA, "tollgate");
                let check = world.checks.iter().max_by_key(|check| check["id"].as_u64());
                let check = check.map(|check| {
                    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
                    let title = check["output"]["title"].as_str().unwrap_or_default();
                    (text("status"), text("conclusion"), title.to_owned())
                });
                let expected = ["completed", "failure", "run 4"].map(str::to_owned);
                if status != Some(("failure", "run 4")) || check != Some(expected.into()) {
                    wrong.push((seed, format!("{status:?} {check:?}"), world.log.clone()));
                }
                let written =
                    |route: &str| world.log.iter().filter(|(one, _)| one == route).count();
                faults += world
                    .log
                    .iter()
                    .filter(|(_, status)| *status == 502)
                    .count();
                healed += usize::from(written("POST /statuses/{sha}") > 6);
            });
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        wrong.first()
    );
    // The schedules are worth something: things went wrong, and something stale was put right.
    assert!(faults > 300, "{faults} requests failed");
    assert!(healed > 20, "{healed} schedules were healed");
}

/// Run 4 fails, the older ones pass.
async fn race(github: Arc<Github>, seed: u64) {
    let repository = format!("o/s{seed}");
    github.add(&repository);
    let mut random = fastrand::Rng::with_seed(seed);
    github.look_at(&repository, |world| {
        fail_often(world, &ROUTES, &mut random);
    });
    github.gate(&repository, 3, seed);
    let runs = [2, 3, NEWEST].map(|run| {
        let (github, repository) = (Arc::clone(&github), repository.clone());
        tokio::spawn(async move {
            let client = client(&github, &repository, QUICK);
            let target = Target {
                head: SHA.to_owned(),
                pull: None,
                order: RunOrder { run, attempt: 1 },
                job: Some(format!("app.{run}")),
                run_url: format!("https://github.com/o/r/actions/runs/{run}/attempts/1"),
            };
            let outcome = if run == NEWEST {
                Outcome::Fail
            } else {
                Outcome::Pass
            };
            let publication = Publication {
                id: publication::DEFAULT_ID.to_owned(),
                ending: Ending::Judged(outcome),
                title: format!("run {run}"),
                comment: None,
                only_where_one_is: false,
                page: format!("the report of run {run}"),
                full: format!("the report of run {run}"),
                annotations: Vec::new(),
            };
            publication::begin(&client, &target, &publication.id, BOTH).await;
            let published = publication::publish(&client, &target, &publication, BOTH).await;
            github.ended(&repository);
            published
        })
    });
    for run in runs {
        let published = run.await.expect("no panic");
        assert!(published.troubles.is_empty(), "{:?}", published.troubles);
    }
}
