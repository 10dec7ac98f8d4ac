//! `tollgate publish`: shows a recorded run on GitHub.
//!
//! The half that holds a token. Must not run anything of the pull request, and takes nothing from
//! the run file but samples: what it is about comes from GitHub, how it is judged from the
//! configuration of the checkout.

use std::path::Path;

use time::format_description::well_known::Rfc3339;

use super::judging::{self, Judged, Rules};
use super::run_files::{self, RUN_FILE};
use super::session;
use super::unpublished::{self, Unpublished};
use super::useless::{self, Useless};
use super::{annotating, explain, kept, leaving_out, output, references, unmeasured, vetting};
use crate::cli::{GateOn, Publish};
use crate::config::Config;
use crate::failure::{Failure, exit, exit_code};
use crate::github::acceptances::{self, Standing};
use crate::github::commands::{self, Asked};
use crate::github::event::{Context, Measured, ReadOnly, Situation};
use crate::github::publication::{self, Ending, Gate, Publication, Published, Target};
use crate::github::{Client, GithubError, Pace, pulls, workflow};
use crate::measure::checkout::Repository;
use crate::measure::progress::note;
use crate::model::{Acceptance, Comparison, Outcome, Reference, RunFile, Worse};
use crate::report::{self, Pages};
use crate::store::{AcceptedOnce, BaselineStore, Location, Merging, StoreError};

/// How often what was accepted meanwhile is taken up, where several say so at once.
const ROUNDS: u32 = 5;

/// What a pull request runs for, where another workflow measured it.
const PULL_REQUEST: &str = "pull_request";

/// Whose run file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin<'a> {
    /// This job's own.
    Own,
    /// Another job's, whose code anybody may have written; what GitHub says about it.
    Foreign(&'a Merge),
    /// The same, before anything but the event and this machine was asked.
    Unasked(&'a Merge),
}

/// What a run file of another job must have measured.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Merge {
    head: String,
    base: Option<String>,
}

/// What is judged, and how.
#[derive(Debug)]
struct Case<'a> {
    arguments: &'a Publish,
    config: &'a Config,
    project: &'a Path,
    accepted: &'a [Standing],
    /// Whether this run is what was looked at when it was accepted: then it says how much that was.
    is_accepted_run: bool,
}

/// Publishes; returns the exit code.
pub async fn publish(arguments: &Publish) -> Result<u8, Failure> {
    let context = Context::of_environment()?;
    let (config, project) = session::load(&arguments.project)?;
    let path = arguments
        .run
        .clone()
        .unwrap_or_else(|| project.join(".tollgate").join(RUN_FILE));
    let gate = gate(arguments.gate);
    let (head, pull, read_only, queued) = match &context.situation {
        Situation::Measured(measured) => {
            return elsewhere(arguments, &context, &config, &project, &path, measured).await;
        }
        Situation::PullRequest {
            number,
            head,
            read_only,
        } => (head, Some(*number), *read_only, None),
        Situation::Comment { number, .. } => {
            let number = *number;
            return again(arguments, context, &config, &project, &path, number).await;
        }
        Situation::MergeGroup { head, pull } => (head, None, None, *pull),
        Situation::Commit { head } => (head, None, None, None),
    };
    if arguments.begin && read_only.is_some() {
        return Ok(exit::PASSED);
    }
    let mut target = target(&context, head, pull);
    target.job = Some(context.job(&config.plan.project));
    if arguments.begin {
        let client = client(&arguments.token, &context)?;
        let begun = publication::begin(&client, &target, &arguments.id, gate).await;
        return Ok(say_troubles(&begun, arguments.strict).unwrap_or(exit::PASSED));
    }
    let case = Case {
        arguments,
        config: &config,
        project: &project,
        accepted: &[],
        is_accepted_run: false,
    };
    let mut ended = result(&case, &path, Origin::Own).await?;
    if let Ending::Judged(_) = ended.publication.ending {
        let accepted = match (pull, read_only, queued) {
            (Some(number), None, _) => {
                accepted_before(arguments, &context, number, Some(head)).await
            }
            (None, _, Some(number)) => accepted_before(arguments, &context, number, None).await,
            (Some(_) | None, _, _) => Vec::new(),
        };
        if !accepted.is_empty() {
            let case = Case {
                accepted: &accepted,
                ..case
            };
            ended = result(&case, &path, Origin::Own).await?;
        }
    } else if ended.publication.ending != Ending::Skipped {
        // `tollgate check` has said a verdict, and why nothing was measured, but not this.
        summarise(&ended.publication.full);
    }
    let code = ended.code;
    if let Some(why) = read_only {
        note(read_only_note(why));
        settled();
        return Ok(code);
    }
    if let Some((pages, _)) = &ended.with_accepted {
        summarise(&pages.full);
    }
    tell_again(&ended, &path);
    let client = client(&arguments.token, &context)?;
    let published = publication::publish(&client, &target, &ended.publication, gate).await;
    Ok(say(&published, arguments.strict).unwrap_or(code))
}

/// What was accepted changes what `tollgate check` has said in this job: says it again, beside the job
/// summary.
fn tell_again(ended: &Ended, run: &Path) {
    let Some((pages, outcome)) = &ended.with_accepted else {
        return;
    };
    let home = run.parent().unwrap_or(Path::new("."));
    let written = output::write(&home.join("report.md"), pages.comment.as_bytes())
        .and_then(|()| output::write(&home.join("report.json"), pages.json.as_bytes()));
    if let Err(failure) = written {
        note(&failure.message());
    }
    if let Err(error) = workflow::set_outputs(pages, *outcome, home) {
        note(&format!("the outputs could not be written: {error}"));
    }
}

/// Nothing is left that a rule would wait for.
fn settled() {
    if let Err(error) = workflow::settled() {
        note(&format!(
            "the output `settled` could not be written: {error}"
        ));
    }
}

/// What was accepted on a pull request for this commit before it was measured again, or for its
/// newest one before it went into the queue. Where that cannot be found out, nothing was.
async fn accepted_before(
    arguments: &Publish,
    context: &Context,
    pull: u64,
    head: Option<&str>,
) -> Vec<Standing> {
    let Ok(client) = client(&arguments.token, context) else {
        return Vec::new();
    };
    let us = login(&client).await;
    let accepted = async {
        let newest = match head {
            Some(head) => head.to_owned(),
            None => pulls::get(&client, pull).await?.head.sha,
        };
        standing(&client, pull, &arguments.id, &newest, &us).await
    };
    accepted.await.unwrap_or_else(|error| {
        note(&format!("what was accepted is not known: {error}"));
        Vec::new()
    })
}

/// What stands of what was accepted for a commit; what does not is said.
async fn standing(
    client: &Client,
    pull: u64,
    id: &str,
    head: &str,
    author: &str,
) -> Result<Vec<Standing>, GithubError> {
    let records = acceptances::of(client, pull, id, head, author).await?;
    for line in &records.fallen {
        note(&report::plain(line));
    }
    Ok(records.standing)
}

fn summarise(markdown: &str) {
    if let Err(error) = workflow::summarise(markdown) {
        note(&format!("the job summary could not be written: {error}"));
    }
}

/// Publishes what another workflow measured. The job summary is there before GitHub is asked anything.
async fn elsewhere(
    arguments: &Publish,
    context: &Context,
    config: &Config,
    project: &Path,
    path: &Path,
    measured: &Measured,
) -> Result<u8, Failure> {
    if measured.event != PULL_REQUEST {
        note("nothing to publish: the measuring workflow did not run for a pull request");
        settled();
        return Ok(exit::PASSED);
    }
    let gate = gate(arguments.gate);
    if arguments.begin {
        let client = client(&arguments.token, context)?;
        let pull = pulls::of_run(&client, measured).await?;
        let target = target(context, &measured.head, pull.map(|pull| pull.number));
        let begun = publication::begin(&client, &target, &arguments.id, gate).await;
        return Ok(say_troubles(&begun, arguments.strict).unwrap_or(exit::PASSED));
    }
    let case = Case {
        arguments,
        config,
        project,
        accepted: &[],
        is_accepted_run: false,
    };
    let known = unasked(&case, path, measured).await;
    let summary = Unpublished::begin(unpublished::not_verified(&known, &context.run_url));
    let (client, target, publication) = match found_of(&case, context, path, measured).await {
        Ok(found) => found,
        Err(failure) => {
            summary.failed(&failure);
            return Err(failure);
        }
    };
    summary.replace(&publication.full);
    let published = publication::publish(&client, &target, &publication, gate).await;
    // Here the job is not the gate: what could not be published is what it fails for.
    let failed = (!published.troubles.is_empty()).then_some(exit::UNREACHABLE);
    say(&published, false);
    Ok(failed.unwrap_or(exit::PASSED))
}

/// What there is to say of another workflow's run before GitHub is asked anything.
async fn unasked(case: &Case<'_>, path: &Path, measured: &Measured) -> Publication {
    if let Some(publication) = cancelled(case.arguments, measured) {
        return publication;
    }
    let merge = Merge {
        head: measured.head.clone(),
        base: None,
    };
    let ended = result(case, path, Origin::Unasked(&merge)).await;
    ended.map_or_else(
        |failure| {
            let why = format!("could not be judged: {failure}");
            unjudged(case.arguments, Ending::NotVerified, &why)
        },
        |ended| ended.publication,
    )
}

/// What GitHub says another workflow's run is of, and what there is to publish of it.
async fn found_of(
    case: &Case<'_>,
    context: &Context,
    path: &Path,
    measured: &Measured,
) -> Result<(Client, Target, Publication), Failure> {
    let arguments = case.arguments;
    let client = client(&arguments.token, context)?;
    let pull = pulls::of_run(&client, measured).await?;
    let mut merge = Merge {
        head: measured.head.clone(),
        base: None,
    };
    let mut left_out = None;
    match &pull {
        Some(pull) => {
            let compared = pulls::compare(&client, &pull.base.sha, &pull.head.sha).await?;
            let repository = Repository::of(case.project)?;
            let file = leaving_out::in_repository(&repository, &arguments.project.config);
            let changed = compared.changed.as_deref().unwrap_or_default();
            left_out = case.config.ignored.why_not(changed, &file);
            merge.base = Some(compared.merge_base);
        }
        None => note("no comment: no open pull request has this commit as its newest"),
    }
    let number = pull.map(|pull| pull.number);
    let target = target(context, &measured.head, number);
    if let Some(why) = left_out {
        let title = format!("not measured: {}", report::plain(&why));
        let publication = unjudged(arguments, Ending::Skipped, &title);
        return Ok((client, target, publication));
    }
    if let Some(publication) = cancelled(arguments, measured) {
        return Ok((client, target, publication));
    }
    let us = login(&client).await;
    let accepted = match number {
        Some(number) => standing(&client, number, &arguments.id, &merge.head, &us)
            .await
            .unwrap_or_else(|error| {
                note(&format!("what was accepted is not known: {error}"));
                Vec::new()
            }),
        None => Vec::new(),
    };
    let case = Case {
        accepted: &accepted,
        ..*case
    };
    let ended = result(&case, path, Origin::Foreign(&merge)).await?;
    Ok((client, target, ended.publication))
}

/// What there is to publish where somebody stopped the job that measured.
fn cancelled(arguments: &Publish, measured: &Measured) -> Option<Publication> {
    let why = "the measuring job was cancelled";
    (measured.conclusion == "cancelled").then(|| unjudged(arguments, Ending::Cancelled, why))
}

/// Publishes what is shown on a pull request again: something of it was accepted. The job summary is
/// there before GitHub is asked anything.
async fn again(
    arguments: &Publish,
    context: Context,
    config: &Config,
    project: &Path,
    path: &Path,
    number: u64,
) -> Result<u8, Failure> {
    let known = format!(
        "Something was accepted on #{number}. The result that is shown there stays as it is until it is published."
    );
    let mut summary = Some(Unpublished::begin(known));
    let done = publish_again(
        arguments,
        context,
        (config, project, path),
        number,
        &mut summary,
    )
    .await;
    if let (Err(failure), Some(summary)) = (&done, summary) {
        summary.failed(failure);
    }
    done
}

/// Where that cannot be done, what is shown stays, and the pull request is told.
async fn publish_again(
    arguments: &Publish,
    context: Context,
    (config, project, path): (&Config, &Path, &Path),
    number: u64,
    summary: &mut Option<Unpublished>,
) -> Result<u8, Failure> {
    let mut summarise = |markdown: &str| {
        if let Some(summary) = summary.take() {
            summary.replace(markdown);
        }
    };
    let client = client(&arguments.token, &context)?;
    let asked = asked(&client, &context, number).await;
    let us = asked.author.clone();
    let pull = pulls::get(&client, number).await?;
    let shown = commands::shown(&client, &pull, &arguments.id, &us).await?;
    let shown = shown.map(|shown| shown.marker);
    let Some(shown) = shown.filter(|shown| shown.head == pull.head.sha) else {
        let why = "nothing to publish: the newest commit was not measured yet";
        summarise(&format!("## ❔ Tollgate: {why}"));
        note(why);
        return Ok(exit::PASSED);
    };
    let context = context.about(shown.order);
    let merge = Merge {
        base: Some(
            pulls::compare(&client, &pull.base.sha, &pull.head.sha)
                .await?
                .merge_base,
        ),
        head: pull.head.sha,
    };
    let mut target = target(&context, &merge.head, Some(number));
    // It speaks for the job whose run this is.
    target.job = shown.job;
    let gate = gate(arguments.gate);
    let mut accepted = standing(&client, number, &arguments.id, &merge.head, &us).await?;
    let mut rounds = 1..=ROUNDS;
    let (ended, mut published) = loop {
        let case = Case {
            arguments,
            config,
            project,
            accepted: &accepted,
            is_accepted_run: true,
        };
        let ended = result(&case, path, Origin::Foreign(&merge)).await?;
        if ended.publication.ending == Ending::NotVerified {
            let why = not_published(&ended.publication.title, arguments, path);
            summarise(&format!("## ❔ Tollgate: not published\n\n{why}"));
            commands::answer(&client, &asked, &format!("❔ **Tollgate:** {why}")).await?;
            note(&why);
            return Ok(ended.code);
        }
        let mut troubles = Vec::new();
        for (standing, worse) in &ended.to_complete {
            troubles.extend(acceptances::complete(&client, standing, *worse).await.err());
        }
        let mut published = publication::publish(&client, &target, &ended.publication, gate).await;
        published.troubles.append(&mut troubles);
        // Two who accept something at once must not leave the verdict of the one who knew less.
        let now = match standing(&client, number, &arguments.id, &merge.head, &us).await {
            Ok(now) => now,
            Err(error) => {
                published.troubles.push(error);
                break (ended, published);
            }
        };
        let is_settled = now.len() == accepted.len()
            && (now.iter().zip(&accepted))
                .all(|(one, known)| one.accepted.is_same(&known.accepted));
        if is_settled || rounds.next().is_none() {
            break (ended, published);
        }
        accepted = now;
    };
    summarise(&ended.publication.full);
    tell_again(&ended, path);
    let told = tell_what_is_useless(&client, &asked, &context.situation, &ended.useless).await;
    published.troubles.extend(told.err());
    let kept = keep(arguments, &client, &config.plan.project, &ended.kept).await;
    let failed = kept.err();
    if let Some(failure) = &failed {
        let why = not_recorded(failure);
        let told = commands::answer(&client, &asked, &format!("❔ **Tollgate:** {why}")).await;
        published.troubles.extend(told.err());
    }
    let damaged = match failed {
        Some(Failure::Github(error)) => {
            published.troubles.push(error);
            None
        }
        other => other,
    };
    let failed = (!published.troubles.is_empty()).then_some(exit::UNREACHABLE);
    say(&published, false);
    match damaged {
        Some(failure) => Err(failure),
        None => Ok(failed.unwrap_or(exit::PASSED)),
    }
}

/// Tells the pull request where what was said, and this runs for, lets nothing through.
async fn tell_what_is_useless(
    client: &Client,
    asked: &Asked,
    situation: &Situation,
    useless: &[Useless],
) -> Result<(), GithubError> {
    let Situation::Comment { author, said, .. } = situation else {
        return Ok(());
    };
    if useless.is_empty() {
        return Ok(());
    }
    let Ok(words) = acceptances::said(client, asked.pull, said, author).await? else {
        return Ok(());
    };
    match useless.iter().find(|one| one.source == words.source) {
        Some(one) => commands::answer(client, asked, &one.in_words()).await,
        None => Ok(()),
    }
}

/// What the pull request is told where an acceptance cannot be published.
fn not_published(why: &str, arguments: &Publish, run: &Path) -> String {
    let is_whole = arguments.check_exit.is_none_or(|code| code == exit::PASSED);
    let (what, then) = if is_whole && !run.exists() {
        (
            "the samples of the run are gone".to_owned(),
            "Say `/tollgate rerun`, and once the new result is there",
        )
    } else {
        (
            report::inert(why),
            "See the log of the job; once that is mended",
        )
    };
    format!(
        "what was accepted is neither published nor recorded: {what}. The result that is shown stays as \
         it is. {then}, accept it again."
    )
}

/// What the pull request is told where no night would know of an acceptance.
fn not_recorded(failure: &Failure) -> String {
    format!(
        "what was accepted holds here, and is not recorded for the nights: {}. Once that is mended, \
         accept it again, or a night refuses what this makes worse.",
        report::inert(&failure.to_string())
    )
}

/// Records what was accepted where the nights are kept.
async fn keep(
    arguments: &Publish,
    client: &Client,
    project: &str,
    accepted: &[AcceptedOnce],
) -> Result<(), Failure> {
    let Some(branch) = arguments.accepted_on.as_deref() else {
        return Ok(());
    };
    if accepted.is_empty() {
        return Ok(());
    }
    let runs = &arguments.accepted_beside;
    let is_new = kept::keep(client, project, branch, runs, accepted).await?;
    let file = kept::beside(runs);
    note(&if is_new {
        format!("what was accepted is recorded in `{file}` on the branch `{branch}`")
    } else {
        format!("what was accepted is in `{file}` on the branch `{branch}` already")
    });
    Ok(())
}

/// What this runs for, where somebody has said something on a pull request.
pub(super) async fn asked(client: &Client, context: &Context, pull: u64) -> Asked {
    Asked {
        pull,
        author: login(client).await,
        occasion: context.occasion(),
    }
}

/// Who the token belongs to.
async fn login(client: &Client) -> String {
    let login = client.login().await;
    login.unwrap_or_else(|_| publication::ACTIONS.to_owned())
}

/// What came of a run.
struct Ended {
    /// What there is to publish.
    publication: Publication,
    /// The exit code where the job is the gate.
    code: u8,
    /// What was accepted of it.
    kept: Vec<AcceptedOnce>,
    /// The pages and the outcome, where something was accepted.
    with_accepted: Option<(Pages, Outcome)>,
    /// What was accepted of which nobody has written down yet how much it is.
    to_complete: Vec<(Standing, Worse)>,
    /// What was accepted and lets nothing through.
    useless: Vec<Useless>,
}

impl Ended {
    fn without_verdict(publication: Publication, code: u8) -> Self {
        Self {
            publication,
            code,
            kept: Vec::new(),
            with_accepted: None,
            to_complete: Vec::new(),
            useless: Vec::new(),
        }
    }
}

/// What there is to publish.
async fn result(case: &Case<'_>, path: &Path, origin: Origin<'_>) -> Result<Ended, Failure> {
    let arguments = case.arguments;
    if let Some(why) = arguments.skipped.as_deref().filter(|why| !why.is_empty()) {
        let title = format!("not measured: {}", report::plain(why));
        let skipped = unjudged(arguments, Ending::Skipped, &title);
        return Ok(Ended::without_verdict(skipped, exit::PASSED));
    }
    let home = path.parent().unwrap_or(case.project);
    // Before what `check` has left: one that did not come to its end left nothing of this run.
    if let Some(code) = arguments.check_exit
        && ![exit::PASSED, exit::FAILED, exit::INCONCLUSIVE].contains(&code)
    {
        let (ending, mut why) = not_measured(code);
        if let (Origin::Own, exit::NOT_MEASURED) = (origin, code) {
            why = unmeasured::told(home).unwrap_or(why);
        }
        let publication = unjudged(arguments, ending, why);
        return Ok(Ended::without_verdict(publication, code));
    }
    let has_passed = arguments.check_exit.is_none_or(|code| code == exit::PASSED);
    if let (Origin::Own, true, Some(why)) = (origin, has_passed, leaving_out::told(home)) {
        let title = format!("not measured: {}", report::plain(&why));
        let skipped = unjudged(arguments, Ending::Skipped, &title);
        return Ok(Ended::without_verdict(skipped, exit::PASSED));
    }
    let name = &case.config.plan.project;
    let vetted = match origin {
        Origin::Own => own(path, name),
        Origin::Foreign(merge) | Origin::Unasked(merge) => {
            vetting::read(path, name).and_then(|file| measured_that(file, merge))
        }
    };
    let not_verified = |why: &str, code| {
        let why = format!("could not verify: {why}");
        let publication = unjudged(arguments, Ending::NotVerified, &why);
        Ok(Ended::without_verdict(publication, code))
    };
    match vetted {
        // The stored baselines may be on a server.
        Ok(RunFile { base: Err(_), .. }) if matches!(origin, Origin::Unasked(_)) => not_verified(
            "base was not measured, and the stored baselines are not looked into yet",
            exit::NOT_MEASURED,
        ),
        Ok(file) => match judged(case, &file, origin).await {
            // Nothing may be left to be waited for.
            Err(failure @ (Failure::Store(_) | Failure::Checkout(_))) => {
                note(&failure.message());
                let what = if matches!(failure, Failure::Store(_)) {
                    "the stored baselines could not be read"
                } else {
                    "the history of base could not be read"
                };
                not_verified(
                    &format!("{what}, see the log of the job"),
                    exit::UNREACHABLE,
                )
            }
            other => other,
        },
        Err(why) => not_verified(&why, exit::NOT_MEASURED),
    }
}

/// The run file that an earlier step of this job has written.
fn own(path: &Path, project: &str) -> Result<RunFile, String> {
    let read = run_files::load(&[path.to_owned()]);
    let runs = read.map_err(|error| error.to_string())?;
    let run = runs.into_iter().next().ok_or("there is no run file")?;
    run_files::same_project(&run, "the configuration", project)
        .map_err(|error| error.to_string())?;
    Ok(run.file)
}

async fn judged(case: &Case<'_>, file: &RunFile, origin: Origin<'_>) -> Result<Ended, Failure> {
    let Case {
        arguments,
        config,
        project,
        accepted,
        is_accepted_run,
    } = case;
    let repository = Repository::of(project)?;
    let base = match origin {
        Origin::Foreign(merge) | Origin::Unasked(merge) => merge.base.as_deref(),
        Origin::Own => None,
    };
    // A clone that is not deep enough has not even base.
    let base = base.filter(|base| repository.has(base)).unwrap_or("HEAD");
    let (reference, against) = references::find(file, config, &repository, base).await?;
    let mut rules = Rules::of(config);
    let (found, useless) = accepted_in(accepted, file, &reference, &rules, *is_accepted_run);
    rules.accepted = found.iter().map(|one| one.acceptance.clone()).collect();
    let open = found
        .iter()
        .map(|one| Some((one.standing.clone(), one.to_complete?)));
    let to_complete = open.flatten().collect();
    let kept: Vec<AcceptedOnce> = found.into_iter().map(|one| one.kept).collect();
    if let Err(error) = record(&kept, config).await {
        note(&format!("what was accepted is not in the store: {error}"));
    }
    let Judged {
        pages,
        outcome,
        findings,
    } = judging::judge(file, &reference, against, &rules)?;
    // Whoever sends a run may leave base out of it: what was compared with nothing is no pass.
    if let (Origin::Foreign(_), Reference::Targets { why }) = (origin, &reference)
        && matches!(outcome, Outcome::Pass | Outcome::Warn)
    {
        let why = format!(
            "could not verify: there is nothing to compare with: {}",
            report::plain(why)
        );
        let publication = unjudged(arguments, Ending::NotVerified, &why);
        return Ok(Ended::without_verdict(publication, exit::NOT_MEASURED));
    }
    let comment = pages.quiet.clone().unwrap_or_else(|| pages.comment.clone());
    let prefix = annotating::prefix(project);
    let publication = Publication {
        id: arguments.id.clone(),
        ending: Ending::Judged(outcome),
        title: title(outcome, &pages.headline),
        comment: (!arguments.no_comment).then_some(comment),
        only_where_one_is: false,
        page: pages.comment.clone(),
        full: pages.full.clone(),
        annotations: annotating::of(&findings, outcome, &prefix),
    };
    Ok(Ended {
        publication,
        code: exit_code(outcome),
        with_accepted: (!kept.is_empty()).then_some((pages, outcome)),
        kept,
        to_complete,
        useless,
    })
}

/// Something accepted, by the metric of the run that it is about.
struct Found<'a> {
    /// Where it is recorded.
    standing: &'a Standing,
    /// What its record does not say yet, and needs to where no limit was said.
    to_complete: Option<Worse>,
    /// For the verdict.
    acceptance: Acceptance,
    /// For the history.
    kept: AcceptedOnce,
}

/// What was accepted, by the metrics of the run.
fn accepted_in<'a>(
    accepted: &'a [Standing],
    file: &RunFile,
    reference: &Reference,
    rules: &Rules,
    is_accepted_run: bool,
) -> (Vec<Found<'a>>, Vec<Useless>) {
    let (mut found, mut useless) = (Vec::new(), Vec::new());
    if accepted.is_empty() {
        return (found, useless);
    }
    let weighed = judging::weigh(&file.head, reference, rules);
    for one in accepted {
        let said = &one.accepted;
        let id = match explain::find(&said.metric, &weighed.comparisons) {
            Ok(id) => id.clone(),
            Err(error) => {
                note(&format!("an acceptance is of no use: {error}"));
                let why = useless::of_name(&error.to_string());
                useless.push(Useless::of(said, why));
                continue;
            }
        };
        let comparison = weighed.comparisons.iter().find(|one| one.id == id);
        // Where it got no worse, nobody knows how much worse it may be.
        let now = comparison.and_then(Comparison::regression);
        let measured = match now {
            Some(now) if is_accepted_run && said.is_open() => now.remembered(),
            Some(_) | None => said.worse(),
        };
        let why = comparison.and_then(|one| useless::of_metric(said, one, measured));
        useless.extend(why.map(|why| Useless::of(said, why)));
        if said.up_to.is_none() && !measured.is_known() && now.is_some() {
            note(&format!(
                "an acceptance of `{}` by `{}` does not count: it has no limit, and how much worse it was \
                 is not recorded; accept it again",
                report::plain(&said.metric),
                said.by
            ));
            continue;
        }
        let is_open = is_accepted_run && said.up_to.is_none() && said.is_open();
        found.push(Found {
            standing: one,
            // What was no worse then is not accepted however bad it reads when it is measured again.
            to_complete: is_open.then(|| now.map_or(Worse::of(Some(0.0), None), |_| measured)),
            kept: AcceptedOnce {
                commit: said.head.clone(),
                metric: id.to_string(),
                ceiling: said.up_to,
                by: said.by.clone(),
                because: said.because.clone(),
                at: one.at.format(&Rfc3339).unwrap_or_default(),
                pull_request: i64::try_from(one.pull).ok(),
                measured: measured.share,
                added: measured.added,
                merged_as: None,
                merging: Merging::NotAsked,
            },
            acceptance: Acceptance {
                id,
                up_to: said.up_to,
                measured,
                by: said.by.clone(),
                because: said.because.clone(),
            },
        });
    }
    (found, useless)
}

/// Keeps what was accepted where the history is: on a server, or in a file that is there already.
async fn record(accepted: &[AcceptedOnce], config: &Config) -> Result<(), StoreError> {
    let is_kept = match &config.store {
        Location::Sqlite(path) => path.exists(),
        Location::Postgres(_) => true,
    };
    if accepted.is_empty() || !is_kept {
        return Ok(());
    }
    let store = BaselineStore::connect(&config.store).await?;
    for one in accepted {
        store.record(&config.plan.project, one).await?;
    }
    store.close().await;
    Ok(())
}

/// One line for a status; it says what its colour does not.
fn title(outcome: Outcome, headline: &str) -> String {
    let mut title = headline.to_owned();
    if outcome == Outcome::Fail {
        title = format!("failed: {title}");
    }
    title
}

/// A run file of another job must be of the commits that GitHub says it is of.
fn measured_that(file: RunFile, merge: &Merge) -> Result<RunFile, String> {
    let head = &file.head.revision.commit;
    if *head != merge.head {
        return Err(format!(
            "it measured {}, not {}",
            report::plain(head),
            merge.head
        ));
    }
    if let (Ok(base), Some(expected)) = (&file.base, &merge.base)
        && base.revision.commit != *expected
    {
        return Err(format!(
            "it compared with {}, not with the merge base {expected}",
            report::plain(&base.revision.commit)
        ));
    }
    Ok(file)
}

/// What stands where there is nothing to judge.
fn unjudged(arguments: &Publish, ending: Ending, why: &str) -> Publication {
    let text = format!("## ❔ Tollgate: {}", report::inert(why));
    Publication {
        id: arguments.id.clone(),
        ending,
        title: why.to_owned(),
        comment: (!arguments.no_comment).then(|| text.clone()),
        only_where_one_is: ending != Ending::NotVerified,
        page: text.clone(),
        full: text,
        annotations: Vec::new(),
    }
}

/// Why `tollgate check` has nothing to judge.
fn not_measured(code: u8) -> (Ending, &'static str) {
    match code {
        exit::USAGE => (
            Ending::NotVerified,
            "the configuration is wrong, see the log of the job",
        ),
        exit::NOT_MEASURED => (
            Ending::NotVerified,
            "head could not be built, started or measured, see the log of the job",
        ),
        exit::UNREACHABLE => (
            Ending::NotVerified,
            "the stored baselines could not be read, see the log of the job",
        ),
        exit::INTERRUPTED => (Ending::Cancelled, "the job was cancelled"),
        _ => (
            Ending::NotVerified,
            "the check ended in an unknown way, see the log of the job",
        ),
    }
}

fn target(context: &Context, head: &str, pull: Option<u64>) -> Target {
    Target {
        head: head.to_owned(),
        pull,
        order: context.order,
        run_url: context.run_url.clone(),
        job: None,
    }
}

/// A connection to the repository of the workflow.
pub(super) fn client(token: &Option<String>, context: &Context) -> Result<Client, Failure> {
    let token = token.as_deref().ok_or_else(|| {
        Failure::Usage(
            "there is no token: set `GITHUB_TOKEN` to `${{ github.token }}` for this step"
                .to_owned(),
        )
    })?;
    Ok(Client::new(&context.address, token, Pace::default())?)
}

fn gate(on: GateOn) -> Gate {
    Gate {
        status: matches!(on, GateOn::Status | GateOn::Both),
        check: matches!(on, GateOn::Check | GateOn::Both),
    }
}

fn read_only_note(why: ReadOnly) -> &'static str {
    match why {
        ReadOnly::Fork => {
            "this pull request comes from a fork, so its token may only read: the report is in the \
             job summary, and a `workflow_run` workflow can publish it"
        }
        ReadOnly::Dependabot => {
            "this pull request comes from Dependabot, so its token may only read: the report is in \
             the job summary, and a `workflow_run` workflow can publish it"
        }
    }
}

/// Says whether anything is left to be waited for, and the rest as [`say_troubles`].
fn say(published: &Published, strict: bool) -> Option<u8> {
    if !published.is_open {
        settled();
    }
    say_troubles(published, strict)
}

/// Says what was left out and what did not work, in the log and in the job summary. Returns an
/// exit code where that is what the job fails for.
fn say_troubles(published: &Published, strict: bool) -> Option<u8> {
    for line in &published.notes {
        note(line);
    }
    for trouble in &published.troubles {
        note(&with_hint(trouble));
        let markdown = format!("> [!WARNING]\n> {}", report::inert(&trouble.to_string()));
        let hint = unpublished::hint_block(trouble.hint().as_deref());
        summarise(&format!("{markdown}\n{hint}"));
        workflow::warn(&trouble.to_string());
    }
    if published.troubles.iter().any(GithubError::is_mistake) {
        return Some(exit::USAGE);
    }
    (strict && !published.troubles.is_empty()).then_some(exit::UNREACHABLE)
}

fn with_hint(trouble: &GithubError) -> String {
    match trouble.hint() {
        Some(hint) => format!("{trouble}\nhint: {hint}"),
        None => trouble.to_string(),
    }
}
