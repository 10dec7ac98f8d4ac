//! `tollgate publish` in every situation a workflow can be in: the real program, GitHub's own event
//! payloads, and the double.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::github::{Fault, Github, REPOSITORY, RunOf};
use crate::support::{FIRST_FORMAT, Finished, Sandbox};

const EVENTS: &str = include_str!("../../fixtures/github/events.json");
const STATUSES: &str = "POST /statuses/{sha}";
const CONFIG: &str = "\
project: spheroid
frontend: [{ name: web, build: make, output: dist }]
";
/// The number of the repository in the payloads.
const OURS: u64 = 186_853_002;
/// That of a fork.
const FORK: u64 = 99;

pub(super) fn head() -> String {
    "a".repeat(40)
}

/// A change of a run file.
type Change = fn(&mut Value);

/// A job on GitHub: a checkout with a recorded run, an event, and GitHub itself.
pub(super) struct Job {
    pub(super) sandbox: Sandbox,
    pub(super) github: Github,
    pub(super) event: Value,
    pub(super) name: &'static str,
    pub(super) run: u64,
    attempt: u32,
    /// What stands before the API's paths.
    api: &'static str,
    /// The machine it runs on.
    runner: &'static str,
    /// Its number in a matrix.
    index: &'static str,
    /// Whose push or click it runs for.
    actor: &'static str,
}

impl Job {
    /// A workflow that runs for this event.
    fn on(name: &'static str, key: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut event = event(key);
        change(&mut event);
        let sandbox = Sandbox::empty();
        sandbox.write("tollgate.yml", CONFIG);
        sandbox.commit("the project");
        let job = Self {
            sandbox,
            github: Github::start(),
            event,
            name,
            run: 7,
            attempt: 1,
            api: "",
            runner: "machine 1",
            index: "0",
            actor: "ada",
        };
        job.record(|_| ());
        job
    }

    /// A pull request of a branch of the repository, number 3.
    pub(super) fn on_pull_request() -> Self {
        let job = Self::on("pull_request", "pull_request.opened", |event| {
            pull_event(event, OURS);
        });
        job.github.pull(&head(), OURS);
        job
    }

    /// A pull request of a fork.
    fn on_fork() -> Self {
        let job = Self::on("pull_request", "pull_request.opened", |event| {
            pull_event(event, FORK);
        });
        job.github.pull(&head(), FORK);
        job
    }

    /// After another workflow has measured the pull request of a fork.
    fn after_measuring() -> Self {
        let job = Self::on("workflow_run", "workflow_run.completed", |event| {
            let run = &mut event["workflow_run"];
            run["id"] = 70.into();
            run["run_attempt"] = 1.into();
            run["event"] = "pull_request".into();
            run["conclusion"] = "failure".into();
            run["head_sha"] = head().into();
            run["head_branch"] = "topic".into();
            run["pull_requests"] = json!([]);
            run["head_repository"]["id"] = FORK.into();
            run["head_repository"]["owner"]["login"] = "eve".into();
        });
        job.github.pull(&head(), FORK);
        job.record(measured);
        job
    }

    /// Writes the run file of the sample app with an N+1 query, changed.
    pub(super) fn record(&self, change: impl FnOnce(&mut Value)) {
        let mut run: Value = serde_json::from_str(FIRST_FORMAT).expect("a fixture is JSON");
        change(&mut run);
        self.sandbox.write(".tollgate/run.json", &run.to_string());
        // As a check leaves the folder: git does not see it.
        self.sandbox.write(".tollgate/.gitignore", "*\n");
    }

    pub(super) fn publish(&self, arguments: &[&str]) -> Finished<'_> {
        self.start(&[&["publish"], arguments].concat())
    }

    /// Somebody writes a comment; the outputs of `tollgate command`.
    pub(super) fn say(&mut self, author: &str, body: &str) -> String {
        self.write_comment(author, body);
        self.obey()
    }

    /// Somebody writes a comment, and the workflow of commands is about to run.
    pub(super) fn write_comment(&mut self, author: &str, body: &str) -> u64 {
        self.name = "issue_comment";
        self.event = event("issue_comment.created");
        self.event["issue"]["number"] = 3.into();
        self.event["issue"]["pull_request"] = json!({ "url": "https://api.github.com" });
        self.event["comment"]["user"]["login"] = author.into();
        self.event["comment"]["body"] = body.into();
        let number = self.github.look(|world| world.comment(3, author, body));
        self.event["comment"]["id"] = number.into();
        number
    }

    /// The pull request's own workflow runs for its newest commit.
    pub(super) fn measures(&mut self, run: u64, head: &str) {
        self.name = "pull_request";
        self.event = event("pull_request.opened");
        pull_event(&mut self.event, OURS);
        self.event["pull_request"]["head"]["sha"] = head.into();
        self.github
            .look(|world| head.clone_into(&mut world.pulls[0].head));
        self.run = run;
    }

    /// The merge queue runs for the pull request; the head of its group.
    pub(super) fn is_queued(&mut self, run: u64) -> String {
        self.name = "merge_group";
        self.event = event("merge_group.checks_requested");
        let group = &mut self.event["merge_group"];
        let queued = format!("refs/heads/gh-readonly-queue/main/pr-3-{}", "b".repeat(40));
        group["head_ref"] = queued.into();
        self.run = run;
        group["head_sha"].as_str().expect("a commit").to_owned()
    }

    /// The outputs of `tollgate command` for what was said.
    pub(super) fn obey(&self) -> String {
        let _earlier = fs::remove_file(self.sandbox.outside("outputs"));
        self.start(&["command"]).exits(0);
        let outputs = fs::read_to_string(self.sandbox.outside("outputs"));
        outputs.expect("the outputs")
    }

    fn start(&self, arguments: &[&str]) -> Finished<'_> {
        let outside = |name: &str| self.sandbox.outside(name);
        fs::write(outside("event.json"), self.event.to_string()).expect("a file");
        let text = |text: &str| PathBuf::from(text);
        let api = format!("{}{}", self.github.url(), self.api);
        let pull = &self.event["pull_request"]["head"];
        if self.name == "pull_request" && pull["repo"].is_object() {
            let repository = pull["repo"]["id"].as_u64().expect("a number");
            let run = RunOf {
                attempt: self.attempt,
                ..RunOf::commit(pull["sha"].as_str().expect("a commit"), repository)
            };
            self.github.look(|world| world.runs.insert(self.run, run));
        }
        let into = match self.name {
            "pull_request" => "main",
            _ => "",
        };
        let variables = [
            ("GITHUB_ACTIONS", text("true")),
            ("GITHUB_EVENT_NAME", text(self.name)),
            ("GITHUB_EVENT_PATH", outside("event.json")),
            ("GITHUB_REPOSITORY", text(REPOSITORY)),
            ("GITHUB_SERVER_URL", text("https://github.com")),
            ("GITHUB_API_URL", text(&api)),
            ("GITHUB_GRAPHQL_URL", text(&format!("{api}/graphql"))),
            ("GITHUB_SHA", text(&"d".repeat(40))),
            ("GITHUB_RUN_ID", text(&self.run.to_string())),
            ("GITHUB_RUN_ATTEMPT", text(&self.attempt.to_string())),
            ("GITHUB_STEP_SUMMARY", outside("summary.md")),
            ("GITHUB_OUTPUT", outside("outputs")),
            ("GITHUB_TOKEN", text("t-actions")),
            ("GITHUB_JOB", text("measure")),
            ("RUNNER_NAME", text(self.runner)),
            ("TOLLGATE_JOB_INDEX", text(self.index)),
            ("GITHUB_ACTOR", text(self.actor)),
            ("GITHUB_BASE_REF", text(into)),
        ];
        let variables: Vec<(&str, &Path)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_path()))
            .collect();
        self.sandbox.run_with(&variables, arguments)
    }

    /// The outputs of the step.
    fn outputs(&self) -> String {
        fs::read_to_string(self.sandbox.outside("outputs")).unwrap_or_default()
    }

    fn summary(&self) -> String {
        fs::read_to_string(self.sandbox.outside("summary.md")).unwrap_or_default()
    }

    /// What the job summary held when the first request came.
    fn summary_at_first(&self) -> String {
        let first = self.github.look(|world| world.at_first.clone());
        first.expect("a request")
    }

    /// From now on the double looks into the job summary, which is empty.
    fn watch_summary(&self) {
        let path = self.sandbox.outside("summary.md");
        let _earlier = fs::remove_file(&path);
        self.github.look(|world| {
            world.at_first = None;
            world.watched = Some(path);
        });
    }

    /// State and description of the status `tollgate` on a commit.
    pub(super) fn status(&self, sha: &str) -> Option<(String, String)> {
        self.github.look(|world| {
            let status = world.status(sha, "tollgate");
            status.map(|(state, text)| (state.to_owned(), text.to_owned()))
        })
    }

    pub(super) fn state(&self) -> String {
        self.status(&head()).expect("a status").0
    }

    pub(super) fn comments(&self) -> Vec<String> {
        self.github.look(|world| {
            let bots = world.comments.iter().filter(|one| one.kind == "Bot");
            bots.map(|comment| comment.body.clone()).collect()
        })
    }

    fn writes(&self) -> Vec<String> {
        self.github
            .look(|world| world.writes().into_iter().map(str::to_owned).collect())
    }
}

pub(super) fn event(key: &str) -> Value {
    let events: Value = serde_json::from_str(EVENTS).expect("a fixture is JSON");
    assert!(events[key].is_object(), "there is no event {key}");
    events[key].clone()
}

pub(super) fn pull_event(event: &mut Value, repository: u64) {
    event["number"] = 3.into();
    event["repository"]["id"] = OURS.into();
    event["pull_request"]["head"]["sha"] = head().into();
    event["pull_request"]["head"]["repo"]["id"] = repository.into();
}

/// As GitHub says it was measured.
pub(super) fn measured(run: &mut Value) {
    run["head"]["revision"]["commit"] = head().into();
    run["base"]["measured"]["revision"]["commit"] = "b".repeat(40).into();
}

/// Head as fast as base.
pub(super) fn unchanged(run: &mut Value) {
    let base = run["base"]["measured"].clone();
    for key in [
        "samples",
        "confirmation",
        "evidence",
        "responses",
        "histograms",
    ] {
        run["head"][key] = base[key].clone();
    }
    run["head"]
        .as_object_mut()
        .expect("a run")
        .retain(|_, value| !value.is_null());
}

#[test]
fn a_regression_fails_with_a_comment_and_a_status() {
    let job = Job::on_pull_request();

    job.publish(&[]).exits(1);

    let comments = job.comments();
    assert_eq!(comments.len(), 1);
    let head = head();
    let marker = format!("<!-- tollgate:v1 id=tollgate run=7 attempt=1 head={head} job=spheroid.");
    assert!(comments[0].starts_with(&marker), "{}", comments[0]);
    assert!(
        comments[0].contains(" -->\n## ❌ Tollgate: "),
        "{}",
        comments[0]
    );
    let link = format!(
        "[Full report](https://github.com/{REPOSITORY}/actions/runs/7/attempts/1) of {head}"
    );
    assert!(comments[0].contains(&link), "{}", comments[0]);
    let (state, description) = job.status(&head).unwrap();
    assert_eq!(state, "failure");
    assert!(description.starts_with("failed: "), "{description}");
    assert!(description.contains("list projects"), "{description}");
}

#[test]
fn without_a_change_the_comment_is_one_line() {
    let job = Job::on_pull_request();
    job.record(unchanged);

    job.publish(&[]).exits(0);

    let comments = job.comments();
    let lines: Vec<&str> = comments[0]
        .lines()
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines.len(), 2, "the marker and the line: {lines:#?}");
    let line = "✅ **Tollgate:** no change beyond tolerance (1 endpoint, 1 service, 1 bundle, 14 metrics) · ";
    assert!(lines[1].starts_with(line), "{}", lines[1]);
    assert_eq!(job.state(), "success");
}

#[test]
fn a_fork_makes_no_request_and_its_job_still_fails() {
    let job = Job::on_fork();

    job.publish(&["--begin"]).exits(0);
    job.publish(&[])
        .exits(1)
        .says("comes from a fork, so its token may only read");

    job.github
        .look(|world| assert!(world.log.is_empty(), "{:?}", world.log));
}

#[test]
fn what_dependabot_pushes_is_treated_like_a_fork() {
    let mut job = Job::on_pull_request();
    job.event["pull_request"]["user"]["login"] = "dependabot[bot]".into();
    job.actor = "dependabot[bot]";

    job.publish(&[]).exits(1).says("comes from Dependabot");

    job.github
        .look(|world| assert!(world.log.is_empty(), "{:?}", world.log));

    // A person who pushes to its branch may write, and publish.yml leaves that run alone.
    job.actor = "ada";
    job.publish(&[]).exits(1);
    assert_eq!(job.state(), "failure");
}

#[test]
fn after_a_push_the_old_result_stays_with_the_old_commit() {
    let job = Job::on_pull_request();
    job.github
        .look(|world| world.pulls[0].head = "e".repeat(40));

    job.publish(&[])
        .exits(1)
        .says("pull request 3 has a newer commit than the one that was measured");

    assert_eq!(job.comments().len(), 0);
    assert_eq!(job.state(), "failure");
    assert_eq!(job.status(&"e".repeat(40)), None);
}

#[test]
fn a_second_attempt_updates_and_an_older_run_does_not() {
    let mut job = Job::on_pull_request();
    job.publish(&[]).exits(1);
    job.attempt = 2;
    job.record(unchanged);
    job.publish(&[]).exits(0);

    assert_eq!(job.comments().len(), 1);
    assert!(
        job.comments()[0].contains(", attempt 2</sub>"),
        "{:?}",
        job.comments()
    );
    assert_eq!(job.state(), "success");

    (job.run, job.attempt) = (6, 1);
    job.record(|_| ());
    let late = job.publish(&[]);
    late.exits(1)
        .says("the commit status shows a newer run, and was left alone")
        .says("no comment: it already shows run 7 of the workflow, which is newer");
    assert_eq!(job.state(), "success");
}

/// A text that some workflow was made to post: our marker, and that all is well.
fn forged(run: u64, attempt: u32) -> String {
    let head = head();
    format!("<!-- tollgate:v1 id=tollgate run={run} attempt={attempt} head={head} -->\nall is well")
}

#[test]
fn a_comment_that_only_says_it_is_of_a_newer_run_gives_way() {
    let other = |change: fn(&mut RunOf)| {
        let mut run = RunOf::commit(&head(), OURS);
        change(&mut run);
        Some(run)
    };
    let cases = [
        (None, "this repository has no such run"),
        (
            other(|run| run.workflow = 2),
            "that run is one of another workflow",
        ),
        (
            other(|run| run.branch = "other"),
            "that run is not for this pull request",
        ),
        (
            other(|run| run.repository = FORK),
            "that run is not for this pull request",
        ),
        (
            other(|run| run.head = "e".repeat(40)),
            "that run measured another commit",
        ),
    ];
    for (run, why) in cases {
        let job = Job::on_pull_request();
        job.github.look(|world| {
            world.runs.extend(run.map(|run| (9, run)));
            world.comment(3, "github-actions[bot]", &forged(9, 1));
        });

        let words = format!(
            "a comment by this account said that it shows run 9, attempt 1, of the workflow, and does not: {why}"
        );
        job.publish(&[]).exits(1).says(&words);

        let comments = job.comments();
        assert_eq!(comments.len(), 1, "{comments:#?}");
        assert!(comments[0].contains(" run=7 attempt=1 "), "{comments:#?}");
        assert!(!comments[0].contains("all is well"), "{comments:#?}");
    }
    // An attempt of our own run that there never was.
    let job = Job::on_pull_request();
    job.publish(&[]).exits(1);
    job.github
        .look(|world| world.comment(3, "github-actions[bot]", &forged(7, 99)));
    job.publish(&[])
        .exits(1)
        .says("that run was not started so often");
    let comments = job.comments();
    assert_eq!(comments.len(), 1, "{comments:#?}");
    assert!(!comments[0].contains("all is well"), "{comments:#?}");
}

#[test]
fn what_a_fork_measured_is_shown_over_a_comment_that_only_says_it_is_newer() {
    let job = Job::after_measuring();
    job.github.look(|world| {
        world.runs.insert(70, RunOf::commit(&head(), FORK));
        world.comment(3, "github-actions[bot]", &forged(71, 1));
    });

    job.publish(&[])
        .exits(0)
        .says("this repository has no such run");

    let comments = job.comments();
    assert_eq!(comments.len(), 1, "{comments:#?}");
    assert!(comments[0].contains(" run=70 attempt=1 "), "{comments:#?}");
}

#[test]
fn runs_are_asked_for_only_where_a_comment_says_it_is_newer() {
    let mut job = Job::on_pull_request();
    let asked = |job: &Job| {
        let is_it = |(route, _): &&(String, u16)| route == "GET /actions/runs/{run_id}";
        job.github
            .look(|world| world.log.iter().filter(is_it).count())
    };
    job.publish(&[]).exits(1);
    job.run = 8;
    job.publish(&[]).exits(1);
    assert_eq!(asked(&job), 0);

    // Ours and theirs, once each, however often the comments are looked at.
    job.run = 7;
    job.publish(&[])
        .exits(1)
        .says("no comment: it already shows run 8");
    assert_eq!(asked(&job), 2);
}

#[test]
fn a_comment_that_nobody_can_ask_about_is_left_alone_and_that_is_said() {
    let unreachable: fn(&Job) = |job| {
        job.github.look(|world| {
            let faults = (0..20).map(|_| Some(Fault::Before));
            world.fail("GET /actions/runs/{run_id}", faults);
        });
    };
    let forbidden: fn(&Job) = |job| {
        job.github.look(|world| {
            let token = world.tokens.get_mut("t-actions").expect("a token");
            for scope in ["actions", "contents"] {
                token.permissions.remove(scope).expect("it");
            }
        });
    };
    // A private repository says of everything that it is not there, of our own run too.
    let hidden: fn(&Job) = |job| job.github.look(|world| world.hides_runs = true);
    for (happens, why) in [
        (
            unreachable,
            "GitHub could not find the newer run that a comment says it shows: 502",
        ),
        (
            forbidden,
            "GitHub refused to find the newer run that a comment says it shows: 403",
        ),
        (
            hidden,
            "GitHub refused to find the newer run that a comment says it shows: 404",
        ),
    ] {
        let job = Job::on_pull_request();
        job.github
            .look(|world| world.comment(3, "github-actions[bot]", &forged(9, 1)));
        happens(&job);

        let publish = job.publish(&[]);

        publish.exits(1).says(why);
        publish.says(
            "no comment: one says that it shows run 9, attempt 1, of the workflow, which is newer",
        );
        publish.says("which takes `actions: read`, so it is left alone");
        assert_eq!(job.comments(), [forged(9, 1)]);
        assert!(job.summary().contains(why), "{}", job.summary());
        // The verdict stands where rules look, whatever the comment says.
        assert_eq!(job.state(), "failure");
        job.publish(&["--strict"]).exits(4);
    }
}

#[test]
fn a_closed_or_locked_pull_request_gets_a_status_only() {
    for locked in [false, true] {
        let job = Job::on_pull_request();
        job.github.look(|world| {
            world.pulls[0].locked = locked;
            world.pulls[0].state = if locked { "open" } else { "closed" };
        });

        let why = if locked { "locked" } else { "closed" };
        job.publish(&[])
            .exits(1)
            .says(&format!("no comment: pull request 3 is {why}"));

        assert_eq!(job.comments().len(), 0);
        assert_eq!(job.state(), "failure");
    }
}

#[test]
fn a_merge_queue_gets_a_status_on_the_head_of_its_group() {
    let job = Job::on("merge_group", "merge_group.checks_requested", |_| ());
    let head = job.event["merge_group"]["head_sha"]
        .as_str()
        .unwrap()
        .to_owned();

    job.publish(&["--begin"]).exits(0);
    assert_eq!(job.status(&head).unwrap().0, "pending");
    job.publish(&[]).exits(1);

    assert_eq!(job.status(&head).unwrap().0, "failure");
    assert_eq!(job.comments().len(), 0);
}

#[test]
fn what_was_accepted_on_a_pull_request_passes_in_the_merge_queue() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(1);
    for metric in regressed(&job) {
        job.say(
            "ada",
            &format!("/tollgate accept {metric} because we need it"),
        );
        job.publish(&[]).exits(0);
    }

    let group_head = job.is_queued(8);
    job.publish(&[]).exits(0);
    assert_eq!(job.status(&group_head).unwrap().0, "success");

    // Another pull request has not been accepted anything.
    let queued = format!("refs/heads/gh-readonly-queue/main/pr-4-{}", "b".repeat(40));
    job.event["merge_group"]["head_ref"] = queued.into();
    job.run = 9;
    job.publish(&[]).exits(1);
    assert_eq!(job.status(&group_head).unwrap().0, "failure");
}

#[test]
fn a_push_gets_a_status_on_its_commit() {
    let job = Job::on("push", "push", |_| ());

    job.publish(&[]).exits(1);

    assert_eq!(job.status(&"d".repeat(40)).unwrap().0, "failure");
    assert_eq!(job.comments().len(), 0);
}

#[test]
fn a_missing_permission_is_named_and_does_not_change_the_verdict() {
    let job = Job::on_pull_request();
    job.github.look(|world| {
        let token = world.tokens.get_mut("t-actions").unwrap();
        token.permissions.remove("statuses");
    });
    job.record(unchanged);

    let publish = job.publish(&[]);

    publish
        .exits(0)
        .says("GitHub refused to set the commit status: 403 Resource not accessible by integration")
        .says("    permissions:\n      statuses: write")
        .says("::warning title=Tollgate::GitHub refused to set the commit status");
    assert!(
        job.summary().contains("      statuses: write\n```"),
        "{}",
        job.summary()
    );
    // The rest is published nevertheless; what rules may wait for is still open.
    assert_eq!(job.comments().len(), 1);
    assert!(!job.outputs().contains("settled"), "{}", job.outputs());
    job.publish(&["--strict"]).exits(4);
}

#[test]
fn a_store_that_cannot_be_read_leaves_nothing_pending() {
    let job = Job::on_pull_request();
    job.record(|run| {
        measured(run);
        run["base"] = json!({ "missing": "it does not build" });
    });
    job.sandbox.write(".tollgate/baselines.db", "no database");
    job.publish(&["--begin"]).exits(0);
    assert_eq!(job.state(), "pending");

    job.publish(&[]).exits(4);

    let (state, description) = job.status(&head()).unwrap();
    assert_eq!(state, "error", "{description}");
    let words = "could not verify: the stored baselines could not be read";
    assert!(description.starts_with(words), "{description}");
    assert!(job.outputs().contains("settled<<"), "{}", job.outputs());
}

#[test]
fn a_check_run_of_a_newer_run_is_seen_behind_a_hundred_others() {
    let job = Job::on_pull_request();
    job.publish(&["--gate", "check"]).exits(1);
    job.github.look(|world| {
        let mut check = world.checks.remove(0);
        for number in 0..=100_u64 {
            check["id"] = (1_000 + number).into();
            let run = if number == 100 { 9 } else { 6 };
            check["external_id"] = format!("tollgate:{run}.1").into();
            world.checks.push(check.clone());
        }
    });

    job.publish(&["--gate", "check"])
        .exits(1)
        .says("the check run shows a newer run, and was left alone");
}

#[test]
fn a_rate_limit_is_waited_for() {
    let job = Job::on_pull_request();
    job.github.look(|world| {
        let faults = [Some(Fault::Limited(1)), Some(Fault::Before)];
        world.fail(STATUSES, faults);
    });

    job.publish(&[]).exits(1);

    assert_eq!(job.state(), "failure");
    assert_eq!(job.comments().len(), 1);
}

#[test]
fn a_rate_limit_beyond_patience_leaves_the_verdict() {
    let job = Job::on_pull_request();
    job.github.look(|world| {
        let limited = |_| Some(Fault::Limited(3_000));
        world.fail(STATUSES, (0..9).map(limited));
    });

    job.publish(&[])
        .exits(1)
        .says("rate limit does not let us set the commit status for another 3000 s");

    assert_eq!(job.comments().len(), 1);
}

#[test]
fn what_a_fork_measured_is_published_by_the_second_workflow() {
    let job = Job::after_measuring();

    job.publish(&[]).exits(0);

    assert_eq!(job.state(), "failure");
    assert_eq!(job.comments().len(), 1);
    assert!(
        job.comments()[0].contains(" run=70 attempt=1 "),
        "{:?}",
        job.comments()
    );
    assert!(
        job.summary().contains("## ❌ Tollgate: "),
        "{}",
        job.summary()
    );
}

#[test]
fn the_job_summary_is_there_before_github_is_asked_anything() {
    let job = Job::after_measuring();
    job.watch_summary();

    job.publish(&[]).exits(0);

    let first = job.summary_at_first();
    assert!(
        first.starts_with("## ⏳ Tollgate: not published yet\n"),
        "{first}"
    );
    assert!(first.contains("Nothing below is verified: "), "{first}");
    assert!(
        first.contains("/actions/runs/70/attempts/1) say: failed: "),
        "{first}"
    );
    let (_, folded) = first.split_once("<details><summary>").expect("the report");
    assert!(folded.contains("\n## ❌ Tollgate: "), "{folded}");
    // What is known in the end stands alone.
    let last = job.summary();
    assert!(last.starts_with("## ❌ Tollgate: "), "{last}");
    assert!(!last.contains("not published"), "{last}");
}

#[test]
fn where_github_is_down_the_job_summary_says_what_was_measured_and_what_to_do() {
    let job = Job::after_measuring();
    job.github.look(|world| {
        world.fail("GET /pulls", (0..9).map(|_| Some(Fault::Before)));
    });

    job.publish(&[])
        .exits(4)
        .says("GitHub could not find the pull request: 502");

    let summary = job.summary();
    for words in [
        "## ❔ Tollgate: not published\n",
        "> [!WARNING]\n> GitHub could not find the pull request: 502",
        "run this job again",
        "Nothing below is verified: ",
        "say: failed: ",
    ] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    assert!(!summary.contains("not published yet"), "{summary}");
    assert!(job.writes().is_empty());
}

#[test]
fn what_nobody_has_verified_cannot_act_in_the_job_summary() {
    let cases: [(Change, &str); 3] = [
        (
            |run| run["project"] = "@everyone <img src=x> </details>".into(),
            "could not verify: it is a run of project",
        ),
        (
            |run| run["head"]["revision"]["commit"] = "9".repeat(40).into(),
            "could not verify: it measured 999",
        ),
        // What it would be judged against may be on a server.
        (
            |run| run["base"] = json!({ "missing": "@everyone <img src=x>" }),
            "could not verify: base was not measured, and the stored baselines are not looked into yet",
        ),
    ];
    for (change, why) in cases {
        let job = Job::after_measuring();
        job.record(|run| {
            measured(run);
            change(run);
        });
        job.watch_summary();

        job.publish(&[]).exits(0);

        let first = job.summary_at_first();
        assert!(first.contains(why), "{first}");
        let acts = first.replace("`@everyone <img src=x> </details>`", "");
        assert!(!acts.contains("<img") && !acts.contains('@'), "{first}");
        assert_eq!(
            acts.matches("</details>").count(),
            acts.matches("<details>").count()
        );
    }
    // Names in a run that can be judged.
    let job = Job::after_measuring();
    let name = "@everyone <img src=x> --> </details>";
    job.record(|run| {
        measured(run);
        let text = run.to_string().replace("list projects", name);
        *run = serde_json::from_str(&text).expect("JSON");
    });
    job.watch_summary();
    job.publish(&[]).exits(0);
    let first = job.summary_at_first();
    assert!(first.contains("img src=x"), "{first}");
    let outside_code: String = first.split('`').step_by(2).collect();
    assert!(!outside_code.contains("<img"), "{outside_code}");
    assert!(!outside_code.contains('@'), "{outside_code}");
}

#[test]
fn why_there_is_nothing_to_judge_is_in_the_job_summary_before_github_is_asked_anything() {
    let job = Job::on_pull_request();
    job.watch_summary();

    job.publish(&["--check-exit", "3"]).exits(3);

    let first = job.summary_at_first();
    let words = "head could not be built, started or measured, see the log of the job";
    assert!(first.contains(words), "{first}");
    assert_eq!(job.summary().matches(words).count(), 1, "{}", job.summary());
}

#[test]
fn an_acceptance_is_in_the_job_summary_before_github_is_asked_anything() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(1);
    let metric = regressed(&job).remove(0);
    job.say(
        "ada",
        &format!("/tollgate accept {metric} because we need it"),
    );
    job.watch_summary();

    job.publish(&[]).exits(0);

    let first = job.summary_at_first();
    assert!(
        first.starts_with("## ⏳ Tollgate: not published yet\n"),
        "{first}"
    );
    assert!(first.contains("Something was accepted on #3."), "{first}");
    let last = job.summary();
    assert_eq!(last.matches("## ❌ Tollgate: ").count(), 1, "{last}");
    assert!(last.starts_with("## ❌ Tollgate: "), "{last}");
    assert!(
        last.contains("`ada` accepted the regression because we need it"),
        "{last}"
    );
    assert!(!last.contains("not published"), "{last}");
}

#[test]
fn nothing_hostile_becomes_a_success() {
    let far =
        |run: &mut Value| run["base"]["measured"]["revision"]["commit"] = "9".repeat(40).into();
    let wrong = |run: &mut Value| run["head"]["revision"]["commit"] = "9".repeat(40).into();
    let number = |run: &mut Value| run["pull-request"] = 1.into();
    let negative = |run: &mut Value| {
        run["head"]["samples"]["endpoint/list projects/p50"][0] = (-5.0).into();
    };
    let endless = |run: &mut Value| run["phases"] = json!([]);
    let other = |run: &mut Value| run["project"] = "@everyone <img src=x>".into();
    let alone = |run: &mut Value| run["base"] = json!({ "missing": "npm ci failed" });
    let changes: [(Change, &str); 7] = [
        (
            alone,
            "could not verify: there is nothing to compare with: base could not be measured",
        ),
        (far, "could not verify: it compared with 999"),
        (wrong, "could not verify: it measured 999"),
        (number, "could not verify: "),
        (
            negative,
            "could not verify: endpoint/list projects/p50 has a sample of -5",
        ),
        (endless, "could not verify: the run did not come to its end"),
        (other, "could not verify: it is a run of project"),
    ];
    for (change, why) in changes {
        let job = Job::after_measuring();
        job.record(|run| {
            unchanged(run);
            measured(run);
            change(run);
        });

        job.publish(&["--gate", "both"]).exits(0);

        let (state, description) = job.status(&head()).unwrap();
        assert_eq!(state, "error", "{description}");
        assert!(description.starts_with(why), "{description}");
        // Only in code can it not act.
        let comment = job.comments().concat();
        let acts = comment.replace("`@everyone <img src=x>`", "");
        assert!(!acts.contains("<img") && !acts.contains('@'), "{comment}");
        let conclusion = job
            .github
            .look(|world| world.checks[0]["conclusion"].clone());
        assert_eq!(conclusion, "action_required");
    }
}

#[test]
fn an_artifact_without_a_run_could_not_be_verified() {
    let job = Job::after_measuring();
    fs::remove_file(job.sandbox.result("run.json")).unwrap();

    job.publish(&[]).exits(0);

    let (state, description) = job.status(&head()).unwrap();
    assert_eq!(state, "error");
    assert_eq!(description, "could not verify: it holds no run file");
}

#[test]
fn only_the_pull_request_of_the_measured_commit_and_fork_gets_a_comment() {
    // Somebody else's open pull request from a branch of the same name.
    let job = Job::after_measuring();
    job.github
        .look(|world| world.pulls[0].from = ("eve".to_owned(), 98));

    job.publish(&[])
        .exits(0)
        .says("no open pull request has this commit as its newest");

    assert_eq!(job.comments().len(), 0);
    assert_eq!(job.state(), "failure");
}

#[test]
fn a_measuring_workflow_without_a_pull_request_publishes_nothing() {
    let mut job = Job::after_measuring();
    job.event["workflow_run"]["event"] = "push".into();

    job.publish(&[]).exits(0).says("nothing to publish");

    assert!(job.writes().is_empty(), "{:?}", job.writes());
}

#[test]
fn a_check_run_is_in_progress_first_and_always_completed() {
    for (code, conclusion) in [
        ("1", "failure"),
        ("3", "action_required"),
        ("130", "cancelled"),
    ] {
        let job = Job::on_pull_request();
        job.publish(&["--gate", "check", "--begin"]).exits(0);
        let started = job.github.look(|world| world.checks[0].clone());
        assert_eq!(started["status"], "in_progress");
        assert_eq!(started["head_sha"], head().as_str());

        job.publish(&["--gate", "check", "--check-exit", code])
            .exits(code.parse().unwrap());

        let checks = job.github.look(|world| world.checks.clone());
        assert_eq!(checks.len(), 1, "the one that was started");
        assert_eq!(checks[0]["status"], "completed");
        assert_eq!(checks[0]["conclusion"], conclusion);
        assert_eq!(job.status(&head()), None);
    }
}

#[test]
fn two_reports_have_two_comments_and_two_statuses() {
    let job = Job::on_pull_request();

    job.publish(&[]).exits(1);
    job.publish(&["--id", "web"]).exits(1);

    assert_eq!(job.comments().len(), 2);
    let web = job
        .github
        .look(|world| world.status(&head(), "tollgate/web").is_some());
    assert!(web && job.status(&head()).is_some());
    job.publish(&["--id", "Web -->"])
        .exits(2)
        .says("1 to 64 of");
}

#[test]
fn a_server_of_ones_own_is_asked_below_its_folder() {
    let mut job = Job::on_pull_request();
    job.api = "/api/v3";

    job.publish(&[]).exits(1);

    assert_eq!(job.comments().len(), 1);
}

#[test]
fn outside_github_actions_it_says_so() {
    let job = Job::on_pull_request();

    job.sandbox
        .run(&["publish"])
        .exits(2)
        .says("`GITHUB_EVENT_PATH` is not set: this runs inside GitHub Actions");
}

/// Every metric that regressed in the recorded run.
pub(super) fn regressed(job: &Job) -> Vec<String> {
    let compare = job
        .sandbox
        .run(&["compare", "--format", "json", ".tollgate/run.json"]);
    let report: Value = serde_json::from_str(&compare.stdout).expect("a report");
    let all = report["comparisons"].as_array().expect("a list");
    let bad = |one: &&Value| one["verdict"]["regressed"].is_object() && one["weight"] == "gates";
    let ids = all.iter().filter(bad).map(|one| one["id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}

#[test]
fn an_accepted_regression_passes_and_says_who_and_why() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(1);
    let regressed = regressed(&job);
    assert!(!regressed.is_empty());
    // Asked for the first time, it makes the history that publishing adds to.
    let none_yet = job.sandbox.run(&["baseline", "accepted"]);
    assert_eq!(none_yet.stdout, "nothing was accepted\n");

    for metric in &regressed {
        let command = format!("/tollgate accept {metric} because @team --> wants <b>it</b>");
        let outputs = job.say("ada", &command);
        assert!(
            outputs.contains("\npublish\n") && outputs.contains("\n7\n"),
            "{outputs}"
        );
    }
    job.publish(&[]).exits(0);

    let (state, description) = job.status(&head()).unwrap();
    assert_eq!(state, "success", "{description}");
    let comments = job.comments();
    let shown = &comments[0];
    assert!(shown.contains(" run=7 attempt=1 "), "{shown}");
    assert!(
        shown.contains("⚠️ Tollgate: passed with a warning"),
        "{shown}"
    );
    assert!(
        shown.contains("`ada` accepted the regression because `@team`"),
        "{shown}"
    );
    assert!(
        shown.contains("nothing: what got worse was accepted"),
        "{shown}"
    );
    assert!(!comments.concat().contains("<b>"), "{comments:#?}");

    // Measured again, it stays accepted; for another commit it is not.
    job.name = "pull_request";
    job.event = event("pull_request.opened");
    pull_event(&mut job.event, OURS);
    job.run = 8;
    for file in ["outputs", "summary.md"] {
        let _earlier = fs::remove_file(job.sandbox.outside(file));
    }
    job.publish(&[]).exits(0);
    // What the check has said before it knew is said again.
    let outputs = job.outputs();
    for words in ["outcome<<", "\nwarn\n", "regressions<<", "settled<<"] {
        assert!(outputs.contains(words), "{outputs}");
    }
    let accepted = "`ada` accepted the regression";
    assert!(job.summary().contains(accepted), "{}", job.summary());
    let report = fs::read_to_string(job.sandbox.result("report.md")).expect("a report");
    assert!(report.contains(accepted), "{report}");
    // The history has each once, however often it was published.
    let kept = job.sandbox.run(&["baseline", "accepted"]);
    let kept = kept.exits(0).stdout.clone();
    assert_eq!(kept.lines().count(), regressed.len(), "{kept}");
    for metric in &regressed {
        let line = format!(
            "  {}  {metric}: `ada` because @team --> wants <b>it</b>",
            &head()[..10]
        );
        assert!(kept.contains(&line), "{line}\n{kept}");
    }
    job.event["pull_request"]["head"]["sha"] = "e".repeat(40).into();
    job.github
        .look(|world| world.pulls[0].head = "e".repeat(40));
    job.run = 9;
    job.publish(&[]).exits(1);
    assert_eq!(job.status(&"e".repeat(40)).unwrap().0, "failure");
}

#[test]
fn more_than_was_accepted_still_fails() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "admin");
    });
    job.publish(&[]).exits(1);
    for metric in regressed(&job) {
        job.say(
            "ada",
            &format!("/tollgate accept {metric} up to 0.1% because it is small"),
        );
    }

    job.publish(&[]).exits(0);

    assert_eq!(job.state(), "failure");
    assert!(
        job.comments()[0].contains("is worse than `ada` accepted up to 0.1 %"),
        "{:?}",
        job.comments()
    );
}

#[test]
fn only_who_may_write_is_heard() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.publish(&[]).exits(1);
    let before = job.comments();

    let outputs = job.say(
        "mallory",
        "/tollgate accept list projects p50 because I say so",
    );
    assert!(outputs.contains("\nnothing\n"), "{outputs}");
    job.say("mallory", "/tollgate rerun");
    // A record that mallory wrote is none.
    let record = "<!-- tollgate:accepted:v1 e30= -->";
    job.github.look(|world| world.comment(3, "mallory", record));
    job.publish(&[]).exits(0);

    assert_eq!(job.state(), "failure");
    assert_eq!(job.comments()[..1], before[..]);
    job.github.look(|world| assert!(world.reruns.is_empty()));
}

#[test]
fn a_rerun_and_a_wrong_command_are_answered() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    let outputs = job.say("ada", "/tollgate rerun");
    assert!(outputs.contains("\nnothing\n"), "{outputs}");
    assert!(
        job.comments()[0].contains("nothing was measured yet"),
        "{:?}",
        job.comments()
    );
    job.name = "pull_request";
    job.event = event("pull_request.opened");
    pull_event(&mut job.event, OURS);
    job.publish(&[]).exits(1);

    job.say("ada", "/tollgate rerun");
    job.github.look(|world| assert_eq!(world.reruns, [7]));
    job.say("ada", "/tollgate accept p50");
    let comments = job.comments();
    let answer = comments.last().unwrap();
    assert!(
        answer.contains("say what is accepted and why: `/tollgate accept METRIC"),
        "{answer}"
    );
    job.say("ada", "thanks!");
    assert_eq!(job.comments().len(), comments.len());
}

#[test]
fn a_comment_of_another_token_stays_and_is_said() {
    let job = Job::on_pull_request();
    job.publish(&[]).exits(1);
    job.github.look(|world| {
        let mut token = world.tokens["t-actions"].clone();
        token.login = "our-app[bot]".to_owned();
        world.tokens.insert("t-actions".to_owned(), token);
    });

    job.publish(&[])
        .exits(1)
        .says("an older comment of this report by `github-actions[bot]` stays");

    assert_eq!(job.comments().len(), 2);
    job.publish(&[]).exits(1);
    assert_eq!(job.comments().len(), 2);
}

#[test]
fn a_mistake_in_the_configuration_stands_beside_its_line() {
    let job = Job::on_pull_request();
    job.sandbox
        .write("tollgate.yml", &CONFIG.replace("build", "biuld"));

    job.publish(&[]).exits(2).says(
        "::error title=Tollgate%3A configuration,file=tollgate.yml,line=2::unknown key `biuld`",
    );
}

#[test]
fn what_is_left_out_on_purpose_completes_what_rules_require() {
    let job = Job::on_pull_request();
    fs::remove_file(job.sandbox.result("run.json")).unwrap();

    job.publish(&["--gate", "both", "--skipped", "only words changed"])
        .exits(0);

    let status = job.status(&head()).unwrap();
    assert_eq!(
        status,
        (
            "success".to_owned(),
            "not measured: only words changed".to_owned()
        )
    );
    let conclusion = job
        .github
        .look(|world| world.checks[0]["conclusion"].clone());
    assert_eq!(conclusion, "skipped");
    assert_eq!(job.comments().len(), 0);
}

#[test]
fn a_comment_of_an_earlier_run_is_not_left_to_speak_for_one_that_measured_nothing() {
    let mut job = Job::on_pull_request();
    job.publish(&[]).exits(1);
    assert!(job.comments().concat().contains("### "), "a report");

    job.run = 71;
    job.publish(&["--skipped", "only words changed"]).exits(0);

    let [comment] = &job.comments()[..] else {
        panic!("one comment");
    };
    assert!(comment.contains("not measured: only words changed"));
    assert!(!comment.contains("### "), "{comment}");
}

/// A configuration that asks for nothing where only words changed.
fn leave_out_words(job: &Job) {
    let config = format!("{CONFIG}paths-ignore: [docs/**, '**/*.md', '*.yml']\n");
    job.sandbox.write("tollgate.yml", &config);
    job.sandbox.commit("words need no measuring");
    fs::remove_file(job.sandbox.result("run.json")).expect("no run");
}

#[test]
fn a_change_of_words_only_is_not_measured_and_completes_what_rules_require() {
    let job = Job::on_pull_request();
    leave_out_words(&job);
    job.sandbox.git(&["checkout", "--quiet", "-b", "words"]);
    job.sandbox.write("docs/a.md", "more words");

    let check = job.start(&["check"]);
    check.exits(0);
    check.prints("not measured: only docs/a.md changed, which `paths-ignore` leaves out");
    assert!(
        job.summary()
            .contains("not measured: only docs/a.md changed")
    );
    job.publish(&["--check-exit", "0"]).exits(0);

    let (state, text) = job.status(&head()).expect("a status");
    assert_eq!(state, "success");
    assert!(
        text.starts_with("not measured: only docs/a.md changed"),
        "{text}"
    );
    assert_eq!(job.comments().len(), 0);

    // All shards left it out, so there is none to merge.
    job.start(&["merge"]).exits(0).prints("not measured");

    // The configuration itself is never left out, nor is anything beside words.
    job.sandbox.edit("tollgate.yml", "docs/**, ", "");
    let check = job.start(&["merge"]);
    check.exits(3).says("there is no shard to merge");
    job.publish(&["--check-exit", "3"]).exits(3);
    let (state, text) = job.status(&head()).expect("a status");
    assert_eq!(
        (&*state, &*text),
        ("error", "no shard was measured, see their jobs")
    );
    let comment = job.comments().pop().expect("a comment");
    assert!(comment.contains("no shard was measured"), "{comment}");
}

#[test]
fn shards_that_do_not_belong_together_are_said_to_be_that() {
    let job = Job::on_pull_request();
    let shard = |number: u32, head: &str| {
        job.record(|run| {
            run["head"]["revision"]["commit"] = head.into();
            run["shard"] = json!({ "number": number, "of": 2, "configuration": "c" });
        });
        let file = job.sandbox.outside(&format!("{number}.json"));
        fs::rename(job.sandbox.result("run.json"), &file).expect("a file");
        file.display().to_string()
    };
    let merged = |files: &[&str], said: &str, words: &str| {
        job.start(&[&["merge"], files].concat()).exits(3).says(said);
        job.publish(&["--check-exit", "3"]).exits(3);
        let (state, text) = job.status(&head()).expect("a status");
        assert_eq!((&*state, &*text), ("error", words));
    };
    let apart = "the shards do not belong together, see the log of the job";
    let (one, two) = (shard(1, &head()), shard(2, &"e".repeat(40)));
    merged(&[&one, &two], "are not of one run", apart);
    let two = shard(2, &head());
    merged(&[&one, &two], " is in `", apart);
    merged(&[&one, &one], "are the same run", apart);
    let missing = "not every shard was measured, see their jobs";
    merged(&[&one], "these are missing: 2", missing);
    fs::write(&two, "{}").expect("a file");
    let unreadable = "a shard cannot be read, see the log of the job";
    merged(&[&one, &two], "2.json", unreadable);

    // How it is called is another matter, and an earlier merge says nothing about a later check.
    job.start(&["merge", "nowhere.json"]).exits(2);
    job.publish(&["--check-exit", "3"]).exits(3);
    let text = job.status(&head()).expect("a status").1;
    assert!(text.starts_with("head could not be built"), "{text}");
}

#[test]
fn word_of_an_earlier_job_is_no_pass_of_one_that_did_not_end() {
    for exit in [3, 4, 130] {
        let job = Job::on_pull_request();
        job.sandbox
            .write(".tollgate/skipped.txt", "only docs/a.md changed");

        job.publish(&["--check-exit", &exit.to_string()])
            .exits(exit);

        let (state, text) = job.status(&head()).expect("a status");
        assert_eq!(state, "error", "{exit}: {text}");
        assert!(!text.contains("docs/a.md"), "{exit}: {text}");
    }
}

#[test]
fn what_a_fork_leaves_out_is_decided_by_the_base_branch() {
    let job = Job::after_measuring();
    leave_out_words(&job);
    job.sandbox
        .write(".tollgate/skipped.txt", "the fork says so");
    let changed = |files: &[&str]| {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        job.github.look(|world| world.changed = files);
    };

    changed(&["docs/a.md", "tollgate.yml"]);
    job.publish(&[]).exits(0);
    assert_eq!(job.state(), "error");

    changed(&["docs/a.md", "README.md"]);
    job.publish(&[]).exits(0);
    let (state, text) = job.status(&head()).expect("a status");
    assert_eq!(state, "success");
    assert!(
        text.starts_with("not measured: only docs/a.md and 1 more changed"),
        "{text}"
    );

    // GitHub names no more files than these: there may be others.
    let many: Vec<String> = (0..300).map(|number| format!("docs/{number}.md")).collect();
    job.github.look(|world| world.changed = many);
    job.publish(&[]).exits(0);
    assert_eq!(job.state(), "error");
}

#[test]
fn two_jobs_of_a_matrix_under_one_name_are_never_a_success() {
    let mut job = Job::on_pull_request();
    job.publish(&["--gate", "both"]).exits(1);

    // The second job of the matrix measured something else, and it is fine.
    job.runner = "machine 2";
    job.record(unchanged);
    job.publish(&["--begin", "--gate", "both"]).exits(0);
    let second = job.publish(&["--gate", "both"]);

    second.exits(2);
    second.says("two jobs of this run publish the report `tollgate`: spheroid.");
    second.says("give each an `id` of its own");
    let (state, text) = job.status(&head()).expect("a status");
    assert_eq!(state, "error");
    assert_eq!(
        text,
        "two jobs of this run publish under this name: give each an `id`"
    );
    assert_eq!(conclusions(&job), ["action_required", "action_required"]);
    // The comment of the first stays, and there is no other.
    let comments = job.comments();
    assert_eq!(comments.len(), 1);
    assert!(comments[0].contains("job=spheroid."), "{}", comments[0]);

    // Under a name of its own it is heard.
    job.publish(&["--gate", "both", "--id", "web"]).exits(0);
    assert_eq!(job.comments().len(), 2);
}

#[test]
fn two_jobs_of_a_matrix_one_after_the_other_on_one_machine_are_never_a_success() {
    let mut job = Job::on_pull_request();
    job.publish(&[]).exits(1);

    job.index = "1";
    job.record(unchanged);
    job.publish(&["--begin"]).exits(0);
    job.publish(&[]).exits(2);

    assert_eq!(job.state(), "error");
}

/// How the check runs ended, in the order they were created.
fn conclusions(job: &Job) -> Vec<Value> {
    job.github.look(|world| {
        let checks = world.checks.iter();
        checks.map(|check| check["conclusion"].clone()).collect()
    })
}

#[test]
fn two_jobs_at_the_same_time_under_one_name_are_never_a_success() {
    let mut job = Job::on_pull_request();
    let fails = ["--gate", "both"];
    job.publish(&["--begin", "--gate", "both"]).exits(0);
    job.runner = "machine 2";
    job.publish(&["--begin", "--gate", "both"]).exits(0);
    // The one that began last ends first, and is fine.
    job.record(unchanged);
    job.publish(&fails).exits(0);
    assert_eq!(job.state(), "success");

    job.runner = "machine 1";
    job.record(measured);
    job.publish(&fails).exits(2);

    assert_eq!(job.state(), "error");
    assert_eq!(conclusions(&job), ["action_required", "action_required"]);
}

#[test]
fn one_job_may_begin_what_another_ends() {
    let mut job = Job::on_pull_request();
    job.record(unchanged);
    job.publish(&["--begin", "--gate", "both"]).exits(0);

    job.runner = "machine 2";
    job.publish(&["--gate", "both"]).exits(0);

    assert_eq!(job.state(), "success");
    assert_eq!(conclusions(&job), ["success"]);
}
