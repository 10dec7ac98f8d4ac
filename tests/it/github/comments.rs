//! The one comment, however many runs publish at the same time and whatever goes wrong.

use std::sync::Arc;
use std::time::Duration;

use tollgate::github::client::Address;
use tollgate::github::comment::{self, Shown, Sticky};
use tollgate::github::marker::{Marker, RunOrder};
use tollgate::github::{Client, GithubError, Pace};

use crate::support::github::{Fault, Github, REPOSITORY, RunOf, World};

const ACTIONS: &str = "github-actions[bot]";
const COMMENTS: &str = "POST /issues/{issue_number}/comments";
const PATCH: &str = "PATCH /issues/comments/{comment_id}";
/// Every route of a comment.
const ROUTES: [&str; 8] = [
    COMMENTS,
    PATCH,
    "GET /issues/{issue_number}/comments",
    "GET /issues/comments/{comment_id}",
    "DELETE /issues/comments/{comment_id}",
    "POST /issues/comments/{comment_id}/reactions",
    "DELETE /issues/comments/{comment_id}/reactions/{reaction_id}",
    "GET /actions/runs/{run_id}",
];

/// Waiting that does not take long.
pub(super) const QUICK: Pace = Pace {
    most_waiting: Duration::from_secs(60),
    first_pause: Duration::from_millis(1),
    repetitions: 6,
    between_writes: Duration::ZERO,
    lease: Duration::from_secs(4),
    glance: Duration::from_millis(5),
};

pub(super) fn client(github: &Github, repository: &str, pace: Pace) -> Client {
    let address = Address {
        api: github.url(),
        graphql: format!("{}/graphql", github.url()),
        repository: repository.to_owned(),
    };
    Client::new(&address, "t-actions", pace).expect("a client")
}

fn sticky(run: u64, text: &str) -> Sticky {
    Sticky {
        pull: 3,
        marker: marker("tollgate", run),
        text: text.to_owned(),
        author: Some(ACTIONS.to_owned()),
        creates: true,
    }
}

fn marker(id: &str, run: u64) -> Marker {
    Marker {
        id: id.to_owned(),
        order: RunOrder { run, attempt: 1 },
        head: "a".repeat(40),
        job: None,
    }
}

/// Runs 1 to 4 are runs of one workflow for the commit.
fn ran(world: &mut World) {
    let run = RunOf::commit(&"a".repeat(40), 1);
    world
        .runs
        .extend((1..=4).map(|number| (number, run.clone())));
}

fn publish(github: &Github, sticky: &Sticky) -> Result<Shown, GithubError> {
    publish_with(github, sticky, QUICK)
}

fn publish_with(github: &Github, sticky: &Sticky, pace: Pace) -> Result<Shown, GithubError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = client(github, REPOSITORY, pace);
        let published = comment::publish(&client, sticky).await;
        published.map(|published| published.shown)
    })
}

/// The bodies of all comments.
fn bodies(github: &Github) -> Vec<String> {
    let all = |world: &mut World| {
        let comments = world.comments.iter();
        comments.map(|comment| comment.body.clone()).collect()
    };
    github.look(all)
}

#[test]
fn a_second_run_updates_the_comment_of_the_first() {
    let github = Github::start();

    assert_eq!(publish(&github, &sticky(1, "one")).unwrap(), Shown::Created);
    assert_eq!(publish(&github, &sticky(2, "two")).unwrap(), Shown::Updated);
    // Said again, it is not written again.
    let again = publish(&github, &sticky(2, "two")).unwrap();
    assert_eq!(again, Shown::Unchanged);

    assert_eq!(bodies(&github), [format!("{}\ntwo", marker("tollgate", 2))]);
    github.look(|world| {
        assert_eq!(world.comments[0].edits, 1);
        assert!(world.comments[0].reactions.is_empty(), "the lease is left");
    });
}

#[test]
fn an_older_run_leaves_the_newer_alone() {
    let github = Github::start();
    github.look(ran);
    publish(&github, &sticky(2, "two")).unwrap();

    let late = publish(&github, &sticky(1, "one")).unwrap();

    assert_eq!(late, Shown::Newer(marker("tollgate", 2)));
    assert_eq!(bodies(&github), [format!("{}\ntwo", marker("tollgate", 2))]);
}

#[test]
fn two_reports_have_two_comments() {
    let github = Github::start();
    let other = Sticky {
        marker: marker("web", 1),
        ..sticky(1, "of the web")
    };

    publish(&github, &sticky(1, "one")).unwrap();
    publish(&github, &other).unwrap();
    publish(&github, &sticky(2, "two")).unwrap();

    assert_eq!(
        bodies(&github),
        [
            format!("{}\ntwo", marker("tollgate", 2)),
            format!("{}\nof the web", marker("web", 1)),
        ]
    );
}

#[test]
fn a_marker_in_somebody_elses_comment_is_nothing() {
    let github = Github::start();
    let forged = format!("{}\nall is well", marker("tollgate", 99));
    github.look(|world| {
        world.comment(3, "mallory", &forged);
        // Its name is ours, but it is a person's account.
        world.comment(3, "github-actions", &forged);
        let quoted = format!("> {forged}");
        world.comment(3, ACTIONS, &quoted);
    });

    assert_eq!(publish(&github, &sticky(1, "one")).unwrap(), Shown::Created);

    assert_eq!(bodies(&github).len(), 4);
    assert_eq!(bodies(&github)[0], forged);
}

#[test]
fn a_comment_on_the_third_page_is_found() {
    let github = Github::start();
    github.look(|world| {
        for number in 0..250 {
            world.comment(3, "ada", &format!("comment {number}"));
        }
    });
    publish(&github, &sticky(1, "one")).unwrap();

    let second = publish(&github, &sticky(2, "two")).unwrap();

    assert_eq!(second, Shown::Updated);
    assert_eq!(bodies(&github).len(), 251);
}

#[test]
fn a_comment_deleted_while_it_is_changed_is_created_once() {
    let github = Github::start();
    publish(&github, &sticky(1, "one")).unwrap();
    github.look(|world| {
        let deleted = Fault::First(|world| world.comments.clear());
        world.fail(PATCH, [Some(deleted)]);
    });

    let second = publish(&github, &sticky(2, "two")).unwrap();

    assert_eq!(second, Shown::Created);
    assert_eq!(bodies(&github), [format!("{}\ntwo", marker("tollgate", 2))]);
}

#[test]
fn a_comment_whose_answer_is_lost_is_not_written_twice() {
    let github = Github::start();
    github.look(|world| {
        world.fail(COMMENTS, [Some(Fault::After), Some(Fault::After)]);
    });

    publish(&github, &sticky(1, "one")).unwrap();

    assert_eq!(bodies(&github), [format!("{}\none", marker("tollgate", 1))]);
    let posted = github.look(|world| {
        let posts = world.log.iter().filter(|(route, _)| route == COMMENTS);
        posts.count()
    });
    assert_eq!(posted, 1);
}

#[test]
fn what_was_not_written_is_written_again() {
    let github = Github::start();
    github.look(|world| {
        world.fail(
            COMMENTS,
            [
                Some(Fault::Before),
                Some(Fault::Limited(0)),
                Some(Fault::Before),
            ],
        );
    });

    publish(&github, &sticky(1, "one")).unwrap();

    assert_eq!(bodies(&github).len(), 1);
}

#[test]
fn a_rate_limit_beyond_patience_is_said() {
    let github = Github::start();
    github.look(|world| {
        world.fail(COMMENTS, [Some(Fault::Limited(3600))]);
    });

    let error = publish(&github, &sticky(1, "one")).unwrap_err();

    assert_eq!(
        error.to_string(),
        "GitHub's rate limit does not let us write the comment for another 3600 s"
    );
    assert_eq!(bodies(&github).len(), 0);
}

#[test]
fn a_run_that_died_with_the_comment_in_its_hands_is_waited_out() {
    let github = Github::start();
    publish(&github, &sticky(1, "one")).unwrap();
    github.look(|world| {
        let dead = (7, ACTIONS.to_owned(), "eyes".to_owned());
        world.comments[0].reactions.push(dead);
    });
    let pace = Pace {
        lease: Duration::from_millis(300),
        ..QUICK
    };

    let second = publish_with(&github, &sticky(2, "two"), pace).unwrap();

    assert_eq!(second, Shown::Updated);
    github.look(|world| assert!(world.comments[0].reactions.is_empty()));
}

#[test]
fn a_text_beyond_the_limit_is_cut() {
    let github = Github::start();

    publish(&github, &sticky(1, &"🐌".repeat(40_000))).unwrap();

    assert!(bodies(&github)[0].ends_with('…'));
}

#[test]
fn a_missing_permission_is_named() {
    let github = Github::start();
    github.look(|world| {
        let token = world.tokens.get_mut("t-actions").unwrap();
        token.permissions = [("pull_requests".to_owned(), "read".to_owned())].into();
    });

    let error = publish(&github, &sticky(1, "one")).unwrap_err();

    insta::assert_snapshot!(format!("{error}\n\n{}", error.hint().unwrap()), @"
    GitHub refused to write the comment: 403 Resource not accessible by integration

    add to the job in the workflow (naming one permission sets all others to none):

        permissions:
          pull-requests: write
    ");
}

/// Three runs publish at the same time, in 1,000 orders of their requests, one request in twenty
/// failing before or after it has done its work.
#[test]
fn racing_runs_leave_one_comment_with_the_newest_run() {
    const SCHEDULES: u64 = 1_000;
    /// Schedules at the same time: a schedule that waits for a lease costs the others nothing, but too
    /// many starve one another of the processor for longer than a lease.
    const TOGETHER: u64 = 50;
    let github = Arc::new(Github::start());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut wrong = Vec::new();
    let (mut requests, mut faults, mut seconds) = (0, 0, 0);
    for first in (0..SCHEDULES).step_by(usize::try_from(TOGETHER).unwrap()) {
        let tasks: Vec<_> = (first..first + TOGETHER)
            .map(|seed| runtime.spawn(race(Arc::clone(&github), seed)))
            .collect();
        for (seed, task) in (first..).zip(tasks) {
            runtime.block_on(task).expect("it does not panic");
            let repository = format!("o/r{seed}");
            github.look_at(&repository, |world| {
                let bodies: Vec<&str> = world.comments.iter().map(|c| c.body.as_str()).collect();
                let expected = format!("{}\nrun 4", marker("tollgate", 4));
                if bodies != [expected] {
                    wrong.push((seed, world.log.clone(), format!("{bodies:?}")));
                }
                requests += world.log.len();
                faults += world
                    .log
                    .iter()
                    .filter(|(_, status)| *status == 502)
                    .count();
                let second = |(route, status): &&(String, u16)| route == COMMENTS && *status == 201;
                seconds += world.log.iter().filter(second).count().saturating_sub(1);
            });
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        wrong.first()
    );
    // The schedules are worth something: things went wrong, and comments were created twice.
    assert!(faults > 500, "{faults} of {requests} requests failed");
    assert!(
        seconds > 300,
        "{seconds} second comments were created and removed"
    );
}

/// One request in twenty fails, before or after it has done its work.
pub(super) fn fail_often(world: &mut World, routes: &[&'static str], random: &mut fastrand::Rng) {
    for route in routes {
        let chance = |_| match random.u8(..40) {
            0 => Some(Fault::Before),
            1 => Some(Fault::After),
            _ => None,
        };
        let faults: Vec<_> = (0..200).map(chance).collect();
        world.fail(route, faults);
    }
}

async fn race(github: Arc<Github>, seed: u64) {
    let repository = format!("o/r{seed}");
    github.add(&repository);
    let mut random = fastrand::Rng::with_seed(seed);
    github.look_at(&repository, |world| {
        // In half of the schedules a comment is there already: of an older run, of one that another
        // workflow was made to post and that only says it is newer, or both.
        if random.bool() {
            let (of_older, is_forged) =
                [(true, false), (false, true), (true, true)][random.usize(..3)];
            if is_forged {
                let forged = format!("{}\nall is well", marker("tollgate", 9));
                world.comment(3, ACTIONS, &forged);
            }
            if of_older {
                world.comment(3, ACTIONS, &format!("{}\nrun 1", marker("tollgate", 1)));
            }
        }
        ran(world);
        fail_often(world, &ROUTES, &mut random);
    });
    github.gate(&repository, 3, seed);
    let runs = [2, 3, 4].map(|run| {
        let (github, repository) = (Arc::clone(&github), repository.clone());
        tokio::spawn(async move {
            let client = client(&github, &repository, QUICK);
            let sticky = sticky(run, &format!("run {run}"));
            let shown = comment::publish(&client, &sticky).await;
            github.ended(&repository);
            shown
        })
    });
    for run in runs {
        run.await.expect("no panic").expect("it is published");
    }
}

/// An app, whose login GitHub does not say.
fn of_an_unknown_app(world: &mut World) {
    world.hides_login = true;
    let token = world.tokens.get_mut("t-actions").expect("a token");
    "an-app[bot]".clone_into(&mut token.login);
}

#[test]
fn whoever_does_not_know_its_own_name_still_has_one_comment() {
    let github = Github::start();
    github.look(of_an_unknown_app);
    let unnamed = |run, text| Sticky {
        author: None,
        ..sticky(run, text)
    };

    assert_eq!(
        publish(&github, &unnamed(1, "one")).unwrap(),
        Shown::Created
    );
    assert_eq!(
        publish(&github, &unnamed(2, "two")).unwrap(),
        Shown::Updated
    );

    assert_eq!(bodies(&github), [format!("{}\ntwo", marker("tollgate", 2))]);
}

#[test]
fn a_list_that_lags_behind_makes_no_second_comment() {
    let github = Github::start();
    github.look(|world| world.lists_lag = true);

    assert_eq!(publish(&github, &sticky(1, "one")).unwrap(), Shown::Created);

    assert_eq!(bodies(&github), [format!("{}\none", marker("tollgate", 1))]);
}

#[test]
fn what_only_speaks_where_a_comment_is_writes_none() {
    let github = Github::start();
    let quiet = |run| Sticky {
        creates: false,
        ..sticky(run, "not measured")
    };

    assert_eq!(publish(&github, &quiet(1)).unwrap(), Shown::Unchanged);
    assert_eq!(bodies(&github), Vec::<String>::new());

    publish(&github, &sticky(2, "failed")).unwrap();
    assert_eq!(publish(&github, &quiet(3)).unwrap(), Shown::Updated);
    assert_eq!(
        bodies(&github),
        [format!("{}\nnot measured", marker("tollgate", 3))]
    );
}
