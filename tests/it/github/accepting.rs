//! What makes an acceptance stand: who said it, what was there to be seen when they did, and where it is
//! kept. The real program and the double.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::github::{Fault, RunOf, World};

use super::publishing::{Job, event, head, measured, pull_event, regressed, unchanged};

const BRANCH: &str = "tollgate-baselines";
const FILE: &str = "main.accepted.json";
/// What a record starts with.
const OPEN: &str = "<!-- tollgate:accepted:v1 ";
const BOT: &str = "github-actions[bot]";

fn next() -> String {
    "e".repeat(40)
}

/// The run file of this very commit.
fn record(job: &Job, commit: &str) {
    job.record(|run| {
        measured(run);
        run["head"]["revision"]["commit"] = commit.into();
    });
}

/// A pull request with regressions that `ada` may accept.
fn job() -> Job {
    let job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(1);
    job
}

/// Everything that got worse is accepted in comments; their numbers.
fn accept_all(job: &mut Job) -> Vec<u64> {
    let metrics = regressed(job);
    assert!(!metrics.is_empty());
    let accept = |metric: &String| {
        let body = format!("/tollgate accept {metric} because icons");
        let number = job.write_comment("ada", &body);
        job.obey();
        job.publish(&[]).exits(0);
        number
    };
    metrics.iter().map(accept).collect()
}

fn kept(job: &Job) -> Option<Value> {
    let bytes = job.github.look(|world| world.git.file(BRANCH, FILE))?;
    Some(serde_json::from_slice(&bytes).expect("JSON"))
}

#[test]
fn what_was_said_before_a_result_was_there_is_not_about_it() {
    let mut job = job();
    let metric = regressed(&job).remove(0);
    let body = format!("/tollgate accept {metric} because icons");
    job.write_comment("ada", &body);
    let waiting = job.event.clone();

    // A newer commit is measured before the workflow of commands has its turn.
    job.measures(8, &next());
    record(&job, &next());
    job.publish(&[]).exits(1);
    job.name = "issue_comment";
    job.event = waiting;
    let outputs = job.obey();

    assert!(outputs.contains("\nnothing\n"), "{outputs}");
    let answer = job.comments().pop().expect("an answer");
    let words = "the result of the newest commit eeeeeeeeee was not there yet when this was said";
    assert!(answer.contains(words), "{answer}");
    assert!(answer.contains("write it again"), "{answer}");

    // Said again with the result before one's eyes, it holds; and so does the next one, although the
    // comment that shows the result was written anew in between.
    for _ in 0..2 {
        let outputs = job.say("ada", &body);
        assert!(outputs.contains("\npublish\n"), "{outputs}");
        job.publish(&[]).exits(0);
    }
}

#[test]
fn a_label_is_about_the_commit_that_was_there() {
    let mut job = job();
    let name = format!("tollgate accept {}", regressed(&job).remove(0));
    let label = |job: &mut Job, head: &str| {
        job.github
            .look(|world| world.label(3, "ada", &name, "icons"));
        job.name = "pull_request_target";
        job.event = event("pull_request.opened");
        pull_event(&mut job.event, 186_853_002);
        job.event["action"] = "labeled".into();
        job.event["label"] = json!({ "name": name, "description": "icons" });
        job.event["sender"]["login"] = "ada".into();
        job.event["pull_request"]["head"]["sha"] = head.into();
    };
    label(&mut job, &head());
    let waiting = job.event.clone();
    job.measures(8, &next());
    record(&job, &next());
    job.publish(&[]).exits(1);
    job.name = "pull_request_target";
    job.event = waiting;
    assert!(job.obey().contains("\nnothing\n"));
    let answer = job.comments().pop().expect("an answer");
    assert!(
        answer.contains("take the label away and put it there again"),
        "{answer}"
    );

    label(&mut job, &next());
    let outputs = job.obey();
    assert!(outputs.contains("\npublish\n"), "{outputs}");
    job.publish(&[]).exits(0).does_not_say("does not count");
    // Taken away, it holds no longer.
    job.github.look(|world| world.pulls[0].labels.clear());
    job.measures(9, &next());
    job.publish(&[])
        .exits(1)
        .says("does not count: its label was taken away");
}

#[test]
fn without_status_and_check_run_nothing_is_accepted_and_that_is_said() {
    let mut job = Job::on_pull_request();
    job.record(measured);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&["--gate", "none"]).exits(1);
    let words = format!("/tollgate accept {} because icons", regressed(&job)[0]);

    assert!(job.say("ada", &words).contains("\nnothing\n"));
    let answer = job.comments().pop().expect("an answer");
    assert!(
        answer.contains("nothing is accepted: the commit has no status"),
        "{answer}"
    );

    // A check run is enough.
    job.measures(8, &head());
    job.publish(&["--gate", "check"]).exits(1);
    assert!(job.say("ada", &words).contains("\npublish\n"));
}

/// A record as Tollgate writes it, in a text that somebody made the bot post.
fn forged(metric: &str, head: &str, source: &Value) -> String {
    let record = json!({
        "id": "tollgate", "head": head, "metric": metric, "up-to": null, "by": "ada",
        "because": "icons", "source": source,
    });
    let record = STANDARD.encode(record.to_string());
    format!("<!-- tollgate:accepted:v1 {record} -->\nthank you")
}

#[test]
fn a_record_that_the_bot_was_made_to_post_is_none() {
    let mut job = job();
    let numbers = accept_all(&mut job);
    job.measures(8, &head());
    job.publish(&[]).exits(0);
    let metrics = regressed(&job);

    // Mallory pushes a worse commit, and has the bot post records for it: of what ada said of the commit
    // before, of what mallory says, and of what nobody says.
    let words = format!("/tollgate accept {} because icons", metrics[0]);
    job.github.look(|world| {
        let own = world.comment(3, "mallory", &words);
        for (metric, number) in metrics.iter().zip(&numbers) {
            for number in [*number, own, 9_999] {
                let source = json!({ "comment": number });
                world.comment(3, BOT, &forged(metric, &next(), &source));
            }
            world.comment(3, BOT, &forged(metric, &next(), &json!({ "label": 1 })));
        }
    });
    job.measures(9, &next());
    record(&job, &next());
    let published = job.publish(&[]);

    published.exits(1);
    assert_eq!(job.status(&next()).unwrap().0, "failure");
    for why in [
        "the commit has no status or check run `tollgate` from before it was said",
        "somebody else said it",
        "its comment is gone",
        "its label was not put on this pull request",
    ] {
        published.says(&format!("does not count: {why}"));
    }
}

#[test]
fn an_acceptance_stands_while_its_comment_and_the_right_to_write_do() {
    type Change = fn(&mut World, u64);
    let changes: [(Change, &str); 3] = [
        (
            |world, number| world.comments.retain(|one| one.id != number),
            "its comment is gone",
        ),
        (
            |world, number| {
                let one = world.comments.iter_mut().find(|one| one.id == number);
                one.expect("it").body.push_str(" and more");
            },
            "what was said is something else now",
        ),
        (
            |world, _| world.people.clear(),
            "they may not write to this repository",
        ),
    ];
    for (change, why) in changes {
        let mut job = job();
        let numbers = accept_all(&mut job);
        job.measures(8, &head());
        job.publish(&[]).exits(0);
        job.github.look(|world| change(world, numbers[0]));
        job.run = 9;
        job.publish(&[])
            .exits(1)
            .says(&format!("does not count: {why}"));
    }
}

#[test]
fn a_result_that_no_run_of_the_commit_has_is_not_believed() {
    let mut job = job();
    let marker = |run: u64| {
        let head = head();
        format!("<!-- tollgate:v1 id=tollgate run={run} attempt=1 head={head} -->\nall is well")
    };
    // One of no run, and one of a run of somebody else's repository.
    job.github.look(|world| {
        world.comment(3, BOT, &marker(9_999));
        world.comment(3, BOT, &marker(88));
        world.runs.insert(88, RunOf::commit(&head(), 4));
    });
    let metric = regressed(&job).remove(0);

    let outputs = job.say("ada", &format!("/tollgate accept {metric} because icons"));
    assert!(outputs.contains("\n7\n"), "{outputs}");
    job.say("ada", "/tollgate rerun");
    job.github.look(|world| assert_eq!(world.reruns, [7]));
}

#[test]
fn without_a_limit_no_more_passes_later_than_was_measured_then() {
    let mut job = job();
    accept_all(&mut job);
    job.measures(8, &head());
    job.publish(&[]).exits(0);

    // The same commit, measured again, is twice as slow.
    job.record(|run| {
        measured(run);
        for part in ["samples", "confirmation"] {
            let metrics = run["head"][part].as_object_mut().expect("metrics");
            for samples in metrics.values_mut() {
                for sample in samples.as_array_mut().expect("samples") {
                    *sample = (sample.as_f64().expect("a number") * 2.0).into();
                }
            }
        }
    });
    job.measures(9, &head());
    job.publish(&[]).exits(1);
    let comment = job.comments().remove(0);
    let words = "is worse than `ada` accepted when it measured ";
    assert!(comment.contains(words), "{comment}");
}

#[test]
fn a_lost_answer_is_looked_for_and_written_once() {
    let mut job = job();
    let words = format!("/tollgate accept {} because icons", regressed(&job)[0]);
    let route = "POST /issues/{issue_number}/comments";
    let number = |job: &Job, words: &str| {
        let comments = job.comments();
        comments.iter().filter(|one| one.contains(words)).count()
    };
    for fault in [Fault::After, Fault::Before] {
        job.github.look(|world| world.fail(route, [Some(fault)]));
        // What was recorded goes on to be published.
        let outputs = job.say("ada", &words);
        assert!(outputs.contains("\npublish\n"), "{outputs}");
    }
    assert_eq!(number(&job, "`ada` accepts"), 2, "one of each");
    // The job is run again: nothing more is recorded.
    let outputs = job.obey();
    assert!(outputs.contains("\npublish\n"), "{outputs}");
    assert_eq!(number(&job, "`ada` accepts"), 2);

    let faults = [Some(Fault::Before), Some(Fault::After)];
    job.github.look(|world| world.fail(route, faults));
    assert!(job.say("ada", "/tollgate acept").contains("\nnothing\n"));
    job.obey();
    assert_eq!(number(&job, "the command is"), 1);
    job.say("ada", "/tollgate acept");
    assert_eq!(number(&job, "the command is"), 2);
}

#[test]
fn an_acceptance_that_does_nothing_is_answered_once() {
    let mut job = job();
    let nothing = |job: &Job| {
        let mut comments = job.comments();
        comments.retain(|one| one.contains("lets nothing through"));
        comments
    };
    let cases = [
        (
            "list projets p51 up to 7%",
            "the run has no metric `list projets p51`; did you mean `endpoint/list projects/p50`?",
        ),
        ("latency of list projects", "may be any of "),
        (
            "endpoint/list projects/p50 up to 0.1%",
            "`endpoint/list projects/p50` is ",
        ),
        (
            "bundle/web/total",
            "`bundle/web/total` did not get worse, so there is nothing to accept",
        ),
    ];
    for (number, (metric, words)) in cases.into_iter().enumerate() {
        let outputs = job.say("ada", &format!("/tollgate accept {metric} because x"));
        assert!(outputs.contains("\npublish\n"), "{outputs}");
        for _ in 0..2 {
            job.publish(&[]).exits(0);
        }
        let answers = nothing(&job);
        assert_eq!(answers.len(), number + 1, "{metric}: {answers:#?}");
        assert!(answers[number].contains(words), "{}", answers[number]);
        assert_eq!(job.state(), "failure");
    }
    // What is of use is answered with the result alone, and later runs say nothing of the others.
    accept_all(&mut job);
    job.measures(8, &head());
    job.publish(&[]).exits(0);
    assert_eq!(nothing(&job).len(), cases.len());
}

#[test]
fn what_was_no_worse_when_it_was_accepted_is_not_accepted_later() {
    let mut job = Job::on_pull_request();
    queries_from_zero(&job, 0.0);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(0);
    let metric = "endpoint/list projects/queries-per-request";
    job.say("ada", &format!("/tollgate accept {metric} because x"));
    job.publish(&[]).exits(0);

    // Measured again it is worse, and something else that is said has it published once more.
    queries_from_zero(&job, 5.0);
    job.measures(8, &head());
    job.publish(&[]).exits(1);
    job.say("ada", "/tollgate accept list projects cpu because y");
    job.publish(&[]).exits(0);
    assert_eq!(job.state(), "failure");
    job.say("ada", &format!("/tollgate accept {metric} because x"));
    job.publish(&[]).exits(0);
    assert_eq!(job.state(), "success");
}

#[test]
fn a_limit_is_said_as_it_was_written() {
    let mut job = job();
    let metric = regressed(&job).remove(0);
    // Asked for the first time, it makes the history that publishing adds to.
    job.sandbox.run(&["baseline", "accepted"]).exits(0);
    job.say(
        "ada",
        &format!("/tollgate accept {metric} up to 7% because icons"),
    );
    let answer = job.comments().pop().expect("an answer");
    assert!(answer.contains("` up to 7 % for "), "{answer}");
    job.publish(&[]).exits(0);
    let report = job.comments().remove(0);
    assert!(report.contains("accepted up to 7 %"), "{report}");
    let listed = job.sandbox.run(&["baseline", "accepted"]);
    listed
        .exits(0)
        .prints(&format!("{metric} up to 7 %: `ada`"));
}

/// A run file where base had no query and head has so many, and nothing else is different.
fn queries_from_zero(job: &Job, now: f64) {
    job.record(|run| {
        measured(run);
        unchanged(run);
        let id = "endpoint/list projects/queries-per-request";
        for (arm, count) in [("base", 0.0), ("head", now)] {
            let arm = match arm {
                "base" => &mut run["base"]["measured"],
                arm => &mut run[arm],
            };
            arm["samples"][id] = json!(vec![count; 8]);
        }
    });
}

#[test]
fn of_growth_from_zero_no_more_passes_later_than_was_measured_then() {
    let mut job = Job::on_pull_request();
    queries_from_zero(&job, 1.0);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(1);
    assert_eq!(accept_all(&mut job).len(), 1);
    job.publish(&["--accepted-on", BRANCH]).exits(0);
    let kept = kept(&job).expect("a file");
    let accepted = &kept["accepted"][0];
    assert_eq!(
        (&accepted["added"], &accepted["measured"]),
        (&json!(1.0), &Value::Null)
    );

    // Measured again and in the queue: the same passes, another one's growth does not.
    for (run, count, code) in [(8, 1.0, 0), (10, 1000.0, 1)] {
        queries_from_zero(&job, count);
        job.measures(run, &head());
        job.publish(&[]).exits(code);
        let group_head = job.is_queued(run + 1);
        job.publish(&[]).exits(code);
        let state = ["success", "failure"][usize::try_from(code).expect("small")];
        assert_eq!(job.status(&group_head).unwrap().0, state);
        assert_eq!(job.state(), state);
    }
    let comment = job.comments().remove(0);
    let words = "is worse than `ada` accepted when it measured up from zero by 1";
    assert!(comment.contains(words), "{comment}");
}

#[test]
fn what_an_earlier_version_recorded_of_growth_from_zero_lets_nothing_through() {
    let mut job = Job::on_pull_request();
    queries_from_zero(&job, 1.0);
    job.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    job.publish(&[]).exits(1);
    accept_all(&mut job);
    job.github.look(|world| {
        let record = world
            .comments
            .iter_mut()
            .find(|one| one.body.contains(OPEN));
        let record = &mut record.expect("a record").body;
        let old = record.split(' ').nth(2).expect("its content").to_owned();
        let bytes = STANDARD.decode(&old).expect("base64");
        let mut content: Value = serde_json::from_slice(&bytes).expect("JSON");
        content.as_object_mut().expect("an object").remove("added");
        content["measured"] = f64::MAX.into();
        *record = record.replace(&old, &STANDARD.encode(content.to_string()));
    });
    job.measures(8, &head());
    job.publish(&[])
        .exits(1)
        .says("does not count: it has no limit, and how much worse it was is not recorded");
    // Accepted once more in the same words, it counts for what it is.
    accept_all(&mut job);
    job.measures(9, &head());
    job.publish(&[]).exits(0);
}

#[test]
fn an_acceptance_of_which_nobody_knows_how_much_it_is_lets_nothing_through() {
    let mut job = job();
    for metric in regressed(&job) {
        job.say("ada", &format!("/tollgate accept {metric} because icons"));
    }
    // Its own publication never came.
    job.measures(8, &head());
    job.publish(&[])
        .exits(1)
        .says("does not count: it has no limit, and how much worse it was is not recorded");
}

#[test]
fn without_the_samples_what_is_shown_stays_and_that_is_answered() {
    let mut job = job();
    let shown = job.comments().remove(0);
    let metric = regressed(&job).remove(0);
    job.say("ada", &format!("/tollgate accept {metric} because icons"));
    let run = job.sandbox.result("run.json");
    let samples = std::fs::read(&run).expect("the samples");

    std::fs::remove_file(&run).expect("they were there");
    job.publish(&["--accepted-on", BRANCH]).exits(3);
    let answer = job.comments().pop().expect("an answer");
    for words in [
        "neither published nor recorded: the samples of the run are gone",
        "Say `/tollgate rerun`, and once the new result is there, accept it again",
    ] {
        assert!(answer.contains(words), "{answer}");
    }

    // A damaged history at that moment is no verdict either.
    std::fs::write(&run, samples).expect("a file");
    job.publish(&["--accepted-on", BRANCH, "--check-exit", "4"])
        .exits(4);
    let answer = job.comments().pop().expect("an answer");
    let words = "recorded: the stored baselines could not be read";
    assert!(answer.contains(words), "{answer}");

    assert_eq!(job.state(), "failure");
    assert_eq!(job.comments().remove(0), shown);
    assert_eq!(kept(&job), None);
}

#[test]
fn a_result_of_a_run_that_cannot_be_leaves_ours_alone() {
    let job = Job::on_pull_request();
    let head = head();
    let run = u64::MAX;
    let marker = format!("<!-- tollgate:v1 id=tollgate run={run} attempt=1 head={head} -->");
    let text = format!("{marker}\nall is well");
    job.github.look(|world| world.comment(3, BOT, &text));
    job.publish(&[]).exits(1);
    let comments = job.comments();
    assert_eq!(comments.len(), 2, "{comments:#?}");
    assert_eq!(comments[0], text);
    assert!(comments[1].contains(" run=7 "), "{comments:#?}");
}

#[test]
fn a_rerun_that_github_refuses_is_answered() {
    let mut job = job();
    job.github.look(|world| {
        world.rerun_refused = Some("This workflow is already running");
    });
    assert!(job.say("ada", "/tollgate rerun").contains("\nnothing\n"));
    let answer = job.comments().pop().expect("an answer");
    assert!(
        answer.contains("This workflow is already running"),
        "{answer}"
    );
}

#[test]
fn what_was_accepted_is_kept_on_the_branch_of_baselines() {
    let mut job = job();
    let metrics = regressed(&job);
    let numbers = accept_all(&mut job);
    assert_eq!(numbers.len(), metrics.len());
    // Somebody is faster, and an answer is lost.
    job.github.look(|world| {
        world.git.commit(BRANCH, "main.json", b"{}");
        world.fail(
            "PATCH /git/refs/{ref}",
            [
                Some(Fault::First(|world| {
                    world.git.commit(BRANCH, "main.json", b"{ }");
                })),
                Some(Fault::After),
            ],
        );
    });
    for _ in 0..2 {
        job.publish(&["--accepted-on", BRANCH]).exits(0);
    }

    let kept = kept(&job).expect("a file");
    assert_eq!(kept["project"], "spheroid");
    let accepted = kept["accepted"].as_array().expect("a list");
    assert_eq!(accepted.len(), metrics.len(), "{kept}");
    for (one, metric) in accepted.iter().zip(&metrics) {
        assert_eq!(one["metric"], metric.as_str());
        assert_eq!(one["commit"], head());
        assert_eq!(one["pull-request"], 3);
        assert_eq!(one["by"], "ada");
        assert!(one["measured"].as_f64() > Some(0.0), "{one}");
    }
    // What others keep there is untouched.
    let runs = job.github.look(|world| world.git.file(BRANCH, "main.json"));
    assert_eq!(runs.as_deref(), Some(&b"{ }"[..]));
}

#[test]
fn a_damaged_list_of_what_was_accepted_is_an_error_and_stays_as_it_is() {
    let mut job = job();
    accept_all(&mut job);
    job.github
        .look(|world| world.git.commit(BRANCH, FILE, b"{\"format\":1"));

    job.publish(&["--accepted-on", BRANCH])
        .exits(4)
        .says("`tollgate-baselines:main.accepted.json` is no list of what was accepted: EOF");

    // The verdict was published nevertheless, and nobody takes it for recorded.
    assert_eq!(job.state(), "success");
    let answer = job.comments().pop().expect("an answer");
    let words = "holds here, and is not recorded for the nights: `tollgate-baselines:main";
    assert!(answer.contains(words), "{answer}");
    let file = job.github.look(|world| world.git.file(BRANCH, FILE));
    assert_eq!(file.as_deref(), Some(&b"{\"format\":1"[..]));
}

#[test]
fn a_token_that_may_not_write_to_the_branch_is_told_what_to_add() {
    let mut job = job();
    accept_all(&mut job);
    job.github.look(|world| {
        let token = world.tokens.get_mut("t-actions").expect("a token");
        let permissions = &mut token.permissions;
        permissions.insert("contents".to_owned(), "read".to_owned());
    });

    job.publish(&["--accepted-on", BRANCH])
        .exits(4)
        .says("contents: write");

    assert_eq!(job.state(), "success");
    assert_eq!(kept(&job), None);
}
