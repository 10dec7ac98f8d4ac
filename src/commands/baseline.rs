//! `tollgate baseline`: measures revisions into the store, and shows what is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::letting::{Merged, SetAside};
use super::references::MOST_STORED;
use super::refreshing::{self, Before};
use super::session::{interruptible, interruptible_blocking, load, supervisor};
use super::{explain, output, publish, snapshot};
use crate::cli::{Baseline, ListFormat, Project};
use crate::config::Config;
use crate::failure::Failure;
use crate::github::Client;
use crate::github::event::Context;
use crate::github::pulls::{self, PullRequest};
use crate::measure::Bench;
use crate::measure::checkout::{self, Base, Checkout, Head, Repository};
use crate::measure::progress::{Progress, note};
use crate::model::worse::written;
use crate::model::{self, MetricId, PhaseKind, Run};
use crate::report;
use crate::store::{AcceptedOnce, BaselineStore, Merging, Point, StoredRun};

/// So many pull requests that are not known to be merged are asked for at once.
const MOST_ASKED: usize = 50;

/// Runs one of the baseline commands.
pub async fn baseline(command: &Baseline) -> Result<(), Failure> {
    match command {
        Baseline::Refresh { project, .. } => Box::pin(refresh(command, project)).await,
        Baseline::Pin {
            project,
            run,
            release,
        } => {
            let (config, store) = opened(project).await?;
            let is_there = store.pin(&config.plan.project, *run, release).await?;
            store.close().await;
            if !is_there {
                return Err(Failure::Usage(format!(
                    "no stored run `{run}`; `tollgate baseline list` shows what there is"
                )));
            }
            output::print(&format!("run {run} is the reference of release {release}"));
            Ok(())
        }
        Baseline::Prune { project, keep } => {
            let (config, store) = opened(project).await?;
            let removed = store.prune(&config.plan.project, *keep).await?;
            store.close().await;
            output::print(&format!("{removed} runs removed"));
            Ok(())
        }
        Baseline::History {
            project,
            limit,
            metric,
        } => {
            let id: MetricId = metric.parse().map_err(|_| {
                Failure::Usage(format!(
                    "`{}` is no metric; write it as in `report.json`, such as `endpoint/list/p50`",
                    report::plain(metric)
                ))
            })?;
            let (config, store) = opened(project).await?;
            let points = store.history(&config.plan.project, &id, *limit).await?;
            store.close().await;
            output::print(&history(&points));
            Ok(())
        }
        Baseline::Accepted { project } => {
            let (config, store) = opened(project).await?;
            let accepted = store.accepted(&config.plan.project).await?;
            store.close().await;
            let lines = accepted.iter().map(|one| {
                let limit = match one.ceiling {
                    Some(ceiling) => format!(" up to {}", written(ceiling)),
                    None => String::new(),
                };
                let commit = one.commit.get(..10).unwrap_or(&one.commit);
                format!(
                    "{}  {commit}  {}{limit}: `{}` because {}\n",
                    one.at, one.metric, one.by, one.because
                )
            });
            let text = lines.collect::<String>();
            output::print(if text.is_empty() {
                "nothing was accepted"
            } else {
                &text
            });
            Ok(())
        }
        Baseline::Pull { project, branch } => {
            let client = client(branch.token.as_ref())?;
            let (config, store) = opened(project).await?;
            let name = &config.plan.project;
            let number = snapshot::pull(&store, name, &client, branch).await;
            let asked = match &number {
                Ok(_) => ask_what_was_merged(&client, &store, name).await,
                Err(_) => Ok(()),
            };
            store.close().await;
            output::print(&format!("{} new runs of `{}`", number?, branch.branch));
            asked
        }
        Baseline::Push {
            project,
            branch,
            limit,
            file,
        } => {
            let (config, _) = load(project)?;
            let client = client(branch.token.as_ref())?;
            let name = &config.plan.project;
            let is_new = snapshot::push(&client, name, branch, *limit, file).await?;
            let said = if is_new {
                "added to"
            } else {
                "nothing is new on"
            };
            output::print(&format!("{said} `{}`", branch.branch));
            Ok(())
        }
        Baseline::List {
            project,
            limit,
            format,
        } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let runs = store.list(&config.plan.project, *limit).await?;
            store.close().await;
            output::print(&match format {
                ListFormat::Text => table(&runs),
                ListFormat::Json => json(&runs),
            });
            Ok(())
        }
        Baseline::Export {
            project,
            limit,
            file,
        } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let number = snapshot::export(&store, &config.plan.project, *limit, file).await;
            store.close().await;
            output::print(&format!("{} runs in `{}`", number?, file.display()));
            Ok(())
        }
        Baseline::Import {
            project,
            file,
            from_branch,
            path,
        } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let name = &config.plan.project;
            let store = BaselineStore::connect(&config.store).await?;
            let said = match (file, from_branch) {
                (Some(file), _) => {
                    let number = snapshot::import(&store, name, file).await;
                    number.map(|number| format!("{number} new runs of `{}`", file.display()))
                }
                (None, Some(branch)) => {
                    let repository = Repository::of(&folder)?;
                    let number = snapshot::import_from(&store, name, &repository, branch, path);
                    number.await.map(|number| imported_from(branch, number))
                }
                (None, None) => Err(Failure::Usage("say which file".to_owned())),
            };
            store.close().await;
            output::print(&said?);
            Ok(())
        }
        Baseline::Show { project, run } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let found = store.show(&config.plan.project, run).await?;
            store.close().await;
            let found = found.ok_or_else(|| {
                Failure::Usage(format!(
                    "no stored run `{run}`; `tollgate baseline list` shows what there is"
                ))
            })?;
            output::print(&serde_json::to_string_pretty(&found).unwrap_or_default());
            Ok(())
        }
    }
}

fn imported_from(branch: &str, number: Option<usize>) -> String {
    match number {
        Some(number) => format!("{number} new runs of `{branch}`"),
        None => format!(
            "there is no branch `{branch}` in this clone, so nothing is imported: a clone of all \
             branches (`fetch-depth: 0`) has it once a night was kept"
        ),
    }
}

/// Asks GitHub as which commits the pull requests were merged on which something was accepted: where it
/// rebases them, no commit says so.
async fn ask_what_was_merged(
    client: &Client,
    store: &BaselineStore,
    project: &str,
) -> Result<(), Failure> {
    let mut asked: BTreeMap<i64, Option<PullRequest>> = BTreeMap::new();
    let mut all = store.accepted(project).await?;
    all.retain(|one| !one.merging.is_final());
    // Newest first; but those that nobody has asked for yet before all others.
    all.sort_by_key(|one| one.merging);
    for mut one in all {
        let Some(number) = one.pull_request else {
            continue;
        };
        let Ok(pull) = u64::try_from(number) else {
            continue;
        };
        if asked.len() == MOST_ASKED && !asked.contains_key(&number) {
            break;
        }
        let known = match asked.get(&number) {
            Some(known) => known.clone(),
            None => match pulls::get(client, pull).await {
                Ok(pull) => Some(pull),
                Err(error) if error.is_forbidden() => {
                    note(&format!(
                        "whether #{number} was merged is not known: {error}"
                    ));
                    if let Some(hint) = error.hint() {
                        note(&format!("hint: {hint}"));
                    }
                    None
                }
                Err(error) => return Err(error.into()),
            },
        };
        asked.insert(number, known.clone());
        if let Some(pull) = known {
            one.merging = merging(&pull, &one.commit);
            if pull.merged {
                one.merged_as = pull.merge_commit_sha;
            }
            store.record(project, &one).await?;
        }
    }
    Ok(())
}

/// What a pull request says of a commit that was accepted on it.
fn merging(pull: &PullRequest, commit: &str) -> Merging {
    match (pull.merged, pull.state.as_str()) {
        (true, _) if pull.head.sha == commit => Merging::Merged,
        (true, _) => Merging::Superseded,
        (false, "open") => Merging::Open,
        (false, _) => Merging::Closed,
    }
}

/// The configuration, and its store.
async fn opened(project: &Project) -> Result<(Config, BaselineStore), Failure> {
    let (config, folder) = load(project)?;
    checkout::home(&folder)?;
    let store = BaselineStore::connect(&config.store).await?;
    Ok((config, store))
}

fn client(token: Option<&String>) -> Result<Client, Failure> {
    let context = Context::of_environment()?;
    publish::client(&token.cloned(), &context)
}

/// Measures a revision, and stores it where it can be a baseline.
async fn refresh(command: &Baseline, project: &Project) -> Result<(), Failure> {
    let Baseline::Refresh {
        project: _,
        revision,
        repeat,
        accept,
        because,
        pin,
        keep,
    } = command
    else {
        return Ok(());
    };
    let (config, folder) = load(project)?;
    checkout::home(&folder)?;
    // A store that cannot be reached is known before hours of measuring, not after.
    BaselineStore::connect(&config.store).await?.close().await;
    let mut nights = Vec::new();
    for _ in 0..*repeat {
        nights.push(night(&config, &folder, revision).await?);
    }
    let Some(run) = nights.last() else {
        return Ok(());
    };
    let name = &config.plan.project;
    let repository = Repository::of(&folder)?;
    let ancestors = repository.ancestors(&run.revision.commit)?;
    let store = BaselineStore::connect(&config.store).await?;
    let last = store.nearest(name, &ancestors).await?;
    let series = store.series(name, &ancestors, MOST_STORED).await?;
    let pinned = store.pinned(name).await?;
    let (accepted, set_aside) = match &last {
        Some(last) => since(last, run, store.accepted(name).await?, &repository)?,
        // Nothing is worse than a night that was not.
        None => Default::default(),
    };
    let new = accept
        .iter()
        .map(|metric| accepted_here(metric, because.as_deref(), run))
        .collect::<Result<Vec<_>, _>>()?;
    let night = refreshing::judge(
        &nights,
        &Before {
            last: last.as_ref(),
            series: &series,
            pinned: &pinned,
            accepted: &accepted,
            tonight: &new,
            set_aside: &set_aside,
        },
        &config.policy,
    );
    for line in &night.told {
        output::print(line);
    }
    let new_ones = set_aside
        .iter()
        .filter(|one| last.as_ref().is_some_and(|last| is_news(one, last)));
    for line in new_ones.map(refreshing::does_not_count) {
        if !night.told.contains(&line) {
            output::print(&line);
        }
    }
    if !night.refused.is_empty() {
        store.close().await;
        return Err(Failure::NotAdvanced { why: night.refused });
    }
    let parent = ancestors.get(1).map(String::as_str);
    let id = store.append(name, run, parent).await?;
    for one in &new {
        match night.regressed.get(&one.metric) {
            Some(worse) => store.record(name, &one.clone().with(*worse)).await?,
            None => output::print(&format!(
                "{} is no worse than in the last night: there is nothing to accept",
                one.metric
            )),
        }
    }
    if let Some(release) = pin {
        store.pin(name, id, release).await?;
    }
    if let Some(keep) = keep {
        let removed = store.prune(name, *keep).await?;
        note(&format!("{removed} old runs removed"));
    }
    store.close().await;
    output::print(&format!(
        "stored run {id}: {} metrics of {} ({})",
        run.samples.len(),
        run.revision.short(),
        run.revision.label
    ));
    Ok(())
}

/// One measurement of a revision, from scratch.
async fn night(config: &Config, folder: &Path, revision: &str) -> Result<Run, Failure> {
    let repository = Repository::of(folder)?;
    let home = checkout::home(folder)?;
    let mut progress = Progress::new();
    progress.phase(PhaseKind::CheckOut);
    progress.step(revision);
    let base = Base::Revision(revision.to_owned());
    let head = Head::Revision(revision.to_owned());
    let checkout =
        interruptible_blocking(move || Ok(Checkout::create(&repository, &base, &head)?)).await?;
    let supervisor = supervisor()?;
    let logs = home.join("logs");
    let mut bench = Bench::alone(&config.plan, &checkout, &supervisor, &home, &logs, progress)?;
    let run = interruptible(Box::pin(measure(&mut bench, config.plan.sampling.blocks))).await?;
    drop(bench);
    refuse_holes(&run)?;
    Ok(run)
}

/// What was accepted and counts tonight, and what does not.
fn since(
    last: &model::Baseline,
    run: &Run,
    accepted: Vec<AcceptedOnce>,
    repository: &Repository,
) -> Result<(Vec<AcceptedOnce>, Vec<SetAside>), Failure> {
    let last = &last.run.revision.commit;
    let new = repository.since(last, &run.revision.commit)?;
    let commits: BTreeSet<String> = new.all.into_iter().collect();
    let tips: BTreeSet<String> = new.tips.into_iter().collect();
    let named = accepted
        .iter()
        .flat_map(|one| [Some(&one.commit), one.merged_as.as_ref()]);
    let mut earlier: BTreeSet<String> = named.flatten().cloned().collect();
    earlier.retain(|commit| !commits.contains(commit) && repository.is_ancestor(commit, last));
    let subjects = new.subjects.iter().map(String::as_str);
    let merged = Merged {
        commits,
        tips,
        earlier,
        is_shallow: repository.is_shallow(),
        ..Merged::default()
    };
    Ok(merged.with(subjects).divide(accepted))
}

/// Whether nobody has been told yet that an acceptance does not count: it is newer than the last night.
fn is_news(one: &SetAside, last: &model::Baseline) -> bool {
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    !one.is_done && time(&one.accepted.at) > time(&last.run.measured_at)
}

/// What the command line accepts.
fn accepted_here(metric: &str, because: Option<&str>, run: &Run) -> Result<AcceptedOnce, Failure> {
    let ids: Vec<&MetricId> = run.samples.keys().collect();
    let id = explain::find_in(metric, &ids)?;
    let who = ["GITHUB_ACTOR", "USER"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    let now = OffsetDateTime::now_utc().truncate_to_second();
    Ok(AcceptedOnce {
        commit: run.revision.commit.clone(),
        metric: id.to_string(),
        ceiling: None,
        by: report::plain(&who.unwrap_or_else(|| "somebody".to_owned())),
        because: report::plain(because.unwrap_or_default()),
        at: now.format(&Rfc3339).unwrap_or_default(),
        pull_request: None,
        measured: None,
        added: None,
        merged_as: None,
        merging: Merging::NotAsked,
    })
}

async fn measure(bench: &mut Bench<'_>, blocks: u32) -> Result<Run, Failure> {
    let measured = async {
        bench.build().await?;
        bench.start().await?;
        bench.first_stage(None, blocks).await
    }
    .await;
    bench.stop().await;
    measured?;
    bench.name_what_is_missing();
    Ok(bench.run_file(Vec::new()).head)
}

/// A baseline with holes would let later regressions through.
fn refuse_holes(run: &Run) -> Result<(), Failure> {
    if run.samples.is_empty() {
        return Err(Failure::Usage(
            "nothing was measured, so nothing is stored".to_owned(),
        ));
    }
    for (id, why) in &run.not_measured {
        note(&format!("{id}: {why}"));
    }
    let wrong: Vec<&str> = run
        .responses
        .iter()
        .filter(|(_, responses)| responses.wrong_total() > 0)
        .map(|(endpoint, _)| endpoint.as_str())
        .collect();
    if wrong.is_empty() && run.not_measured.is_empty() {
        return Ok(());
    }
    Err(Failure::NotStored {
        endpoints: wrong.join(", "),
        metrics: run.not_measured.len(),
    })
}

fn table(runs: &[StoredRun]) -> String {
    if runs.is_empty() {
        return "no runs are stored; `tollgate baseline refresh` stores one".to_owned();
    }
    let mut text = format!(
        "{:>5}  {:<10}  {:<20}  {:>7}  {}\n",
        "run", "commit", "measured (UTC)", "metrics", "machine"
    );
    for run in runs {
        let commit = run.commit.get(..10).unwrap_or(&run.commit);
        let _infallible = writeln!(
            text,
            "{:>5}  {commit:<10}  {:<20}  {:>7}  {}",
            run.id, run.measured_at, run.metrics, run.machine
        );
    }
    text
}

fn history(points: &[Point]) -> String {
    if points.is_empty() {
        return "nothing is stored of this metric".to_owned();
    }
    let mut text = format!(
        "{:>5}  {:<10}  {:<20}  {:>12}  {:>12}  {:>12}  {}\n",
        "run", "commit", "measured (UTC)", "lowest", "median", "highest", "machine"
    );
    for point in points {
        let commit = point.commit.get(..10).unwrap_or(&point.commit);
        let _infallible = write!(
            text,
            "{:>5}  {commit:<10}  {:<20}  {:>12.3}  {:>12.3}  {:>12.3}  {}",
            point.id, point.measured_at, point.lowest, point.median, point.highest, point.machine
        );
        if !point.pinned.is_empty() {
            let _infallible = write!(text, "  release {}", point.pinned);
        }
        text.push('\n');
    }
    text
}

fn json(runs: &[StoredRun]) -> String {
    let list: Vec<_> = runs
        .iter()
        .map(|run| {
            serde_json::json!({
                "id": run.id,
                "commit": run.commit,
                "parent": run.parent,
                "pinned": run.pinned,
                "label": run.label,
                "measured-at": run.measured_at,
                "metrics": run.metrics,
                "machine": run.machine,
            })
        })
        .collect();
    serde_json::to_string_pretty(&list).unwrap_or_default()
}
