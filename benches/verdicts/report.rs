//! What the study prints: tables for a reader, one computed sentence, and figures for a script.
//!
//! Every number comes from [`Results`]. Must not count or judge anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use crate::designs::{SEQUENTIAL, serves_sequential};
use crate::procedures::PEERS;
use crate::procedures::numbers::real;
use crate::procedures::ours::Plan;
use crate::results::{Key, Over, Results, Tally};
use crate::study::{
    AS_WRITTEN, OURS, OURS_AT_12, P50_OR_CPU, PULL_REQUEST, PULL_REQUEST_ENDPOINTS, REPETITIONS,
    SEED, SLOW_DOWN_FROM, WORLD_REPETITIONS, slow_down_from, tolerance,
};
use crate::table::{Table, fine, per_cent};
use crate::traces::{Effect, METRICS, Metric, Visit, mean_blocks};
use crate::worlds::WORLDS;

/// The design the product measures in; sequential peers are held against ours in it.
const HOME: &str = "zip";
/// Worlds side by side in a table.
const WORLDS_A_TABLE: usize = 5;
/// A row of the tables: procedure, design, metric.
type Row<'a> = (&'a str, &'a str, &'a str);

/// All of it, in the order printed.
pub(crate) fn whole(visits: &[Visit], results: &Results) -> Result<String, fmt::Error> {
    let mut out = String::new();
    header(&mut out, visits)?;
    for metric in METRICS {
        recorded(&mut out, results, metric)?;
    }
    synthetic(&mut out, results)?;
    details(&mut out, results)?;
    pull_requests(&mut out, results)?;
    left_out(&mut out, results)?;
    check(&mut out, results)?;
    figures(&mut out, results)?;
    Ok(out)
}

fn header(out: &mut String, visits: &[Visit]) -> fmt::Result {
    let names = |name: fn(&Visit) -> &str| {
        let names: BTreeSet<&str> = visits.iter().map(name).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let effects: BTreeSet<Effect> = visits.iter().map(|visit| visit.effect).collect();
    let effects: Vec<String> = effects.iter().map(|effect| effect.title()).collect();
    let allowed: Vec<String> = METRICS
        .iter()
        .filter_map(|metric| {
            let tolerance = tolerance(*metric)? * 100.0;
            Some(format!("{} {tolerance} %", metric.name()))
        })
        .collect();
    writeln!(out, "Verdict procedures on recorded traces\n")?;
    writeln!(
        out,
        "Read:        {} visits of {:.1} blocks; endpoints {}; designs {}; planted {}",
        visits.len(),
        mean_blocks(visits),
        names(|visit| &visit.endpoint),
        names(|visit| &visit.design),
        effects.join(", "),
    )?;
    writeln!(
        out,
        "Repetitions: {REPETITIONS} comparisons per endpoint, design and effect; {REPETITIONS} pull \
         requests per design; {WORLD_REPETITIONS} comparisons per world; seed {SEED}"
    )?;
    writeln!(
        out,
        "             None seen in n comparisons still allows a share of 3/n; that the recordings are \
         few is not in that"
    )?;
    writeln!(
        out,
        "Budget:      {} blocks an arm for everybody, drawn from a visit; sequential: as many as half \
         a visit has, first half base, second half head (visits: {})",
        Plan::FULL.blocks(),
        sequential_visits(visits),
    )?;
    writeln!(
        out,
        "Ours:        {} + {} blocks; tolerances {}; absolute floors are OFF here (0.0), since the \
         recorded endpoints are faster than the floors of the product",
        Plan::FULL.first,
        Plan::FULL.fresh,
        allowed.join(", "),
    )?;
    writeln!(
        out,
        "Slow-down:   \"caught\" is over the endpoints whose metric truly changed by at least {SLOW_DOWN_FROM} \
         times the tolerance (see \"left out\"); the figures *_all_endpoints are over all\n"
    )?;
    writeln!(out, "The rules:")?;
    for peer in PEERS {
        writeln!(out, "  {:<18} {}", peer.name, peer.rule)?;
    }
    writeln!(
        out,
        "  {AS_WRITTEN:<18} ours as first written down: 8 blocks, 16 fresh, 0.01, no early look"
    )?;
    writeln!(out, "  {OURS:<18} the product's own code\n")
}

/// How many visits the sequential design has at each effect: each is one or two comparisons, so
/// its shares move in large steps where visits are few.
fn sequential_visits(visits: &[Visit]) -> String {
    let mut counts: BTreeMap<Effect, usize> = BTreeMap::new();
    for visit in visits.iter().filter(|visit| serves_sequential(visit)) {
        *counts.entry(visit.effect).or_default() += 1;
    }
    let counts = counts
        .iter()
        .map(|(effect, count)| format!("{count} at {}", effect.title()));
    counts.collect::<Vec<_>>().join(", ")
}

/// Every procedure on one metric of the recordings, the designs side by side.
fn recorded(out: &mut String, results: &Results, metric: Metric) -> fmt::Result {
    let designs: Vec<&str> = results
        .designs(metric.name())
        .into_iter()
        .filter(|design| !is_world(design))
        .collect();
    writeln!(
        out,
        "{}: share called a regression, in per cent",
        metric.name()
    )?;
    writeln!(out, "{}", side_by_side(results, &designs, metric.name()))
}

fn synthetic(out: &mut String, results: &Results) -> fmt::Result {
    writeln!(
        out,
        "Synthetic worlds: share called a regression, in per cent"
    )?;
    writeln!(
        out,
        "Peers run sequentially in one job, ours interleaved; Bencher and github-action-benchmark \
         compare with earlier jobs."
    )?;
    for world in WORLDS {
        writeln!(out, "  {:<13} {}", world.name, world.about)?;
    }
    writeln!(out)?;
    let names = WORLDS.map(|world| format!("world_{}", world.name));
    for some in names.chunks(WORLDS_A_TABLE) {
        let designs: Vec<&str> = some.iter().map(String::as_str).collect();
        writeln!(
            out,
            "{}",
            side_by_side(results, &designs, Metric::P50.name())
        )?;
    }
    Ok(())
}

fn is_world(design: &str) -> bool {
    design.starts_with("world_")
}

fn side_by_side(results: &Results, designs: &[&str], metric: &str) -> Table {
    let columns: Vec<(&str, Vec<Effect>)> = designs
        .iter()
        .map(|design| (*design, shown_effects(results, design, metric)))
        .collect();
    let mut table = Table::default();
    let mut first = vec![String::new()];
    let mut second = vec!["procedure".to_owned()];
    for (design, effects) in &columns {
        first.push((*design).to_owned());
        first.extend(effects.iter().map(|_| String::new()));
        second.push("false alarms".to_owned());
        second.extend(effects.iter().map(|effect| effect.title()));
    }
    table.row(first);
    table.row(second);
    for procedure in procedures() {
        let cells = columns.iter().flat_map(|(design, effects)| {
            let row = (procedure, *design, metric);
            let caught = effects
                .iter()
                .map(move |effect| results.caught(row, *effect, Over::SlowDowns));
            std::iter::once(fine(results.false_alarms(row))).chain(caught.map(per_cent))
        });
        table.row(std::iter::once(procedure.to_owned()).chain(cells));
    }
    table
}

/// The effects that slowed at least one endpoint down in this metric.
fn shown_effects(results: &Results, design: &str, metric: &str) -> Vec<Effect> {
    let mut effects = results.effects(design);
    effects.retain(|effect| {
        let row = (PEERS[0].name, design, metric);
        results.caught(row, *effect, Over::SlowDowns).is_some()
    });
    effects
}

/// The rows of a table, ours last.
fn procedures() -> impl Iterator<Item = &'static str> {
    let peers = PEERS.into_iter().map(|peer| peer.name);
    peers.chain([AS_WRITTEN, OURS])
}

/// Ours by endpoint.
fn details(out: &mut String, results: &Results) -> fmt::Result {
    for metric in METRICS.into_iter().filter(|one| tolerance(*one).is_some()) {
        for design in results.designs(metric.name()) {
            if design == SEQUENTIAL || is_world(design) {
                continue;
            }
            writeln!(
                out,
                "Ours by endpoint, {design}, {}: per cent, and blocks until an answer (open: no answer)",
                metric.name()
            )?;
            writeln!(out, "{}", by_endpoint(results, design, metric.name()))?;
        }
    }
    Ok(())
}

fn by_endpoint(results: &Results, design: &str, metric: &str) -> Table {
    let effects = results.effects(design);
    let mut table = Table::default();
    let mut groups = ["", "unchanged", "", ""].map(str::to_owned).to_vec();
    let mut titles = ["endpoint", "flagged", "open", "blocks"]
        .map(str::to_owned)
        .to_vec();
    for effect in &effects {
        groups.push(effect.title());
        groups.extend(["", "", ""].map(str::to_owned));
        titles.extend(["true", "caught", "at 12", "open"].map(str::to_owned));
    }
    table.row(groups);
    table.row(titles);
    for endpoint in endpoints(results, design, metric) {
        let mut cells = vec![endpoint.to_owned()];
        let at = |procedure, effect| find(results, (procedure, design, metric), endpoint, effect);
        let unchanged = at(OURS, Effect::NONE).map(|(_, tally)| tally);
        cells.push(fine(unchanged.map(Tally::flagged)));
        cells.push(per_cent(unchanged.map(Tally::inconclusive)));
        cells.push(unchanged.map_or_else(dash, |tally| format!("{:.1}", tally.blocks())));
        for effect in &effects {
            let full = at(OURS, *effect);
            let truth = full.and_then(|(key, _)| results.truth(key));
            let half = at(OURS_AT_12, *effect);
            cells.push(truth.map_or_else(dash, |truth| format!("{:+.1}", truth.change * 100.0)));
            cells.push(per_cent(full.map(|(_, tally)| tally.flagged())));
            cells.push(per_cent(half.map(|(_, tally)| tally.flagged())));
            cells.push(per_cent(full.map(|(_, tally)| tally.inconclusive())));
        }
        table.row(cells);
    }
    table
}

fn dash() -> String {
    "-".to_owned()
}

fn endpoints<'a>(results: &'a Results, design: &str, metric: &str) -> BTreeSet<&'a str> {
    let keys = results.tallies.keys();
    keys.filter(|key| key.procedure == OURS && key.design == design && key.metric == metric)
        .map(|key| &*key.endpoint)
        .collect()
}

fn find<'a>(
    results: &'a Results,
    (procedure, design, metric): Row<'_>,
    endpoint: &str,
    effect: Effect,
) -> Option<(&'a Key, &'a Tally)> {
    results
        .endpoints(procedure, design, metric, effect, Over::All)
        .into_iter()
        .find(|(key, _)| key.endpoint == endpoint)
}

fn pull_requests(out: &mut String, results: &Results) -> fmt::Result {
    let designs = results.designs(PULL_REQUEST);
    if designs.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "Pull requests that change nothing, {PULL_REQUEST_ENDPOINTS} endpoints with all metrics of \
         ours, corrected over all of them"
    )?;
    let mut table = Table::default();
    table.row(
        [
            "design",
            "any false alarm",
            "any no answer",
            "blocks an endpoint",
        ]
        .map(str::to_owned),
    );
    for design in designs {
        let row = (OURS, design, PULL_REQUEST);
        let of = |take| results.mean(row, Effect::NONE, Over::All, take);
        table.row([
            design.to_owned(),
            fine(of(Tally::flagged)),
            per_cent(of(Tally::inconclusive)),
            of(blocks_an_endpoint).map_or_else(dash, |blocks| format!("{blocks:.1}")),
        ]);
    }
    writeln!(out, "{table}")
}

fn blocks_an_endpoint(tally: &Tally) -> f64 {
    tally.blocks() / real(PULL_REQUEST_ENDPOINTS)
}

/// Where the planted work did not slow the metric down by enough to be called that.
fn left_out(out: &mut String, results: &Results) -> fmt::Result {
    writeln!(
        out,
        "Left out of \"caught\", because the true change of the metric (median of all recorded blocks) \
         is less than {SLOW_DOWN_FROM} times the tolerance:"
    )?;
    for metric in METRICS {
        let from = slow_down_from(metric) * 100.0;
        writeln!(out, "  {} (less than {from:.1} %)", metric.name())?;
        for design in results.designs(metric.name()) {
            for effect in results.effects(design) {
                let row = (PEERS[0].name, design, metric.name());
                let names: Vec<String> = results
                    .endpoints(row.0, row.1, row.2, effect, Over::All)
                    .into_iter()
                    .filter_map(|(key, _)| {
                        let truth = results.truth(key)?;
                        let change = truth.change * 100.0;
                        (!truth.is_slow_down).then(|| format!("{} {change:+.1} %", key.endpoint))
                    })
                    .collect();
                if !names.is_empty() {
                    writeln!(
                        out,
                        "    {design}, {}: {}",
                        effect.title(),
                        names.join(", ")
                    )?;
                }
            }
        }
    }
    writeln!(out)
}

/// Whether any row of a peer is at least as good as ours on both counts, by comparing numbers.
fn check(out: &mut String, results: &Results) -> fmt::Result {
    let home = home(results);
    let (at_home, elsewhere): (Vec<Match<'_>>, Vec<Match<'_>>) = matches_to_play(results, home)
        .into_iter()
        .partition(|(theirs, ours)| ours.0 == home || is_world(theirs.0));
    let product = format!("peers sequential, in {home} and in the worlds, against ours in {home}");
    check_of(out, results, &product, &at_home)?;
    check_of(
        out,
        results,
        "in the other designs recorded, against ours in the same",
        &elsewhere,
    )
}

fn check_of(out: &mut String, results: &Results, what: &str, matches: &[Match<'_>]) -> fmt::Result {
    let played: Vec<(Outcome, String)> = matches
        .iter()
        .flat_map(|pair| outcomes(results, *pair))
        .collect();
    if played.is_empty() {
        return Ok(());
    }
    let count = |outcome| played.iter().filter(|(one, _)| *one == outcome).count();
    writeln!(
        out,
        "Check ({what}): of {} comparisons of false alarms and of what is caught, a peer is better \
         on one and no worse on the other in {}, equal on both in {}, and worse on at least one in {}.",
        played.len(),
        count(Outcome::Better),
        count(Outcome::Equal),
        count(Outcome::Worse),
    )?;
    for (outcome, line) in played {
        match outcome {
            Outcome::Better => writeln!(out, "  better: {line}")?,
            Outcome::Equal => writeln!(out, "  equal:  {line}")?,
            Outcome::Worse => {}
        }
    }
    writeln!(out)
}

/// A peer against ours, on both counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Better,
    Equal,
    Worse,
}

/// Every peer against ours at every effect of its design.
fn outcomes(results: &Results, (theirs, ours): Match<'_>) -> Vec<(Outcome, String)> {
    let score = |procedure, (design, metric), effect| {
        let row = (procedure, design, metric);
        let caught = results.caught(row, effect, Over::SlowDowns)?;
        Some((results.false_alarms(row)?, caught))
    };
    let mut outcomes = Vec::new();
    for peer in PEERS {
        for effect in results.effects(theirs.0) {
            let scores = (score(peer.name, theirs, effect), score(OURS, ours, effect));
            if let (Some(peers), Some(own)) = scores {
                let line = format!(
                    "{}.{}.{} at {}: {} / {}, ours.{}.{}: {} / {}",
                    peer.name,
                    theirs.0,
                    theirs.1,
                    effect.title(),
                    fine(Some(peers.0)),
                    fine(Some(peers.1)),
                    ours.0,
                    ours.1,
                    fine(Some(own.0)),
                    fine(Some(own.1)),
                );
                outcomes.push((outcome(peers, own), line));
            }
        }
    }
    outcomes
}

/// The first pair of false alarms and caught, seen from the second.
fn outcome(peers: (f64, f64), own: (f64, f64)) -> Outcome {
    if peers.0 > own.0 || peers.1 < own.1 {
        Outcome::Worse
    } else if peers.0 < own.0 || peers.1 > own.1 {
        Outcome::Better
    } else {
        Outcome::Equal
    }
}

/// Design and metric of peers, and of ours that they are held against.
type Match<'a> = ((&'a str, &'a str), (&'a str, &'a str));

/// The design sequential peers are held against: the product's, or the first that was recorded.
fn home(results: &Results) -> &str {
    let mut designs = results.designs(P50_OR_CPU);
    designs.sort_by_key(|design| *design != HOME);
    designs.first().copied().unwrap_or(HOME)
}

/// Design and metric of a peer, and of ours that it is held against: its own, and for what ours
/// does not do (sequential runs, the mean) the nearest that the product does.
fn matches_to_play<'a>(results: &'a Results, home: &'a str) -> Vec<Match<'a>> {
    let mut matches = Vec::new();
    for metric in METRICS {
        let our_metric = match tolerance(metric) {
            Some(_) => metric.name(),
            None => Metric::P50.name(),
        };
        for design in results.designs(metric.name()) {
            let our_design = if design == SEQUENTIAL { home } else { design };
            matches.push(((design, metric.name()), (our_design, our_metric)));
        }
    }
    matches
}

/// One line per number, and nothing else after them.
fn figures(out: &mut String, results: &Results) -> fmt::Result {
    let rows: BTreeSet<(&str, &str, &str)> = results
        .tallies
        .keys()
        .filter(|key| key.procedure != OURS_AT_12)
        .map(|key| (&*key.design, key.metric, key.procedure))
        .collect();
    for (design, metric, procedure) in rows {
        if metric == PULL_REQUEST {
            pull_request_figures(out, results, design)?;
            continue;
        }
        let row = (procedure, design, metric);
        figure(out, row, "false_alarm", results.false_alarms(row))?;
        for effect in results.effects(design) {
            for (end, over) in [("", Over::SlowDowns), ("_all_endpoints", Over::All)] {
                let what = format!("caught_{effect}{end}");
                figure(out, row, &what, results.caught(row, effect, over))?;
            }
        }
        if [OURS, AS_WRITTEN].contains(&procedure) {
            own_figures(out, results, row)?;
        }
    }
    Ok(())
}

/// What only a procedure has that may need fewer blocks or give no answer.
fn own_figures(out: &mut String, results: &Results, row: Row<'_>) -> fmt::Result {
    let unchanged = |take| results.mean(row, Effect::NONE, Over::All, take);
    let cost: fn(&Tally) -> f64 = |tally| tally.blocks() / real(Plan::FULL.blocks());
    figure(out, row, "cost_unchanged", unchanged(cost))?;
    figure(out, row, "inconclusive", unchanged(Tally::inconclusive))?;
    for effect in results.effects(row.1) {
        let no_answer = results.mean(row, effect, Over::All, Tally::inconclusive);
        figure(out, row, &format!("inconclusive_{effect}"), no_answer)?;
        let worst = results
            .endpoints(row.0, row.1, row.2, effect, Over::SlowDowns)
            .into_iter()
            .map(|(_, tally)| tally.flagged())
            .min_by(f64::total_cmp);
        figure(out, row, &format!("caught_{effect}_worst_endpoint"), worst)?;
    }
    if row.0 == OURS && row.2 != P50_OR_CPU {
        let half = (OURS_AT_12, row.1, row.2);
        figure(out, row, "false_alarm_at_12", results.false_alarms(half))?;
        for effect in results.effects(row.1) {
            let caught = results.caught(half, effect, Over::SlowDowns);
            figure(out, row, &format!("caught_{effect}_at_12"), caught)?;
        }
    }
    Ok(())
}

fn pull_request_figures(out: &mut String, results: &Results, design: &str) -> fmt::Result {
    let row = (OURS, design, PULL_REQUEST);
    let of = |take| results.mean(row, Effect::NONE, Over::All, take);
    let cost: fn(&Tally) -> f64 = |tally| blocks_an_endpoint(tally) / real(Plan::FULL.blocks());
    figure(out, row, "pull_request_false_alarm", of(Tally::flagged))?;
    figure(out, row, "cost_unchanged", of(cost))?;
    figure(out, row, "inconclusive", of(Tally::inconclusive))
}

/// One figure; nothing where there is none.
fn figure(
    out: &mut String,
    (procedure, design, metric): Row<'_>,
    what: &str,
    value: Option<f64>,
) -> fmt::Result {
    match value {
        Some(value) => writeln!(
            out,
            "figure {procedure}.{design}.{metric}.{what} {value:.3}"
        ),
        None => Ok(()),
    }
}
