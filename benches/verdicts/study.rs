//! The study: every lane, every pull request and every world, many times over.
//!
//! Each piece of work has a random source of its own, seeded by [`SEED`] and its name, so the
//! figures do not depend on the number of threads nor on what else the folder holds. Must not
//! print.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use tollgate::compare::policy::{CPU_TOLERANCE, LATENCY_TOLERANCE, TAIL_TOLERANCE};

use crate::designs::{Draw, Lane, Seen};
use crate::procedures::ours::{Case, Judged, Plan};
use crate::procedures::{Comparison, PEERS, as_written, ours};
use crate::results::{Key, Results, Tally, Truth};
use crate::traces::{Effect, METRICS, Metric, true_change};
use crate::worlds::World;

/// Where every random source begins.
pub(crate) const SEED: u64 = 20_251_122;
/// Comparisons per endpoint, design and effect, and pull requests per design.
pub(crate) const REPETITIONS: usize = 1_000;
/// Comparisons per world and effect.
pub(crate) const WORLD_REPETITIONS: usize = 2_000;
/// Endpoints of a pull request.
pub(crate) const PULL_REQUEST_ENDPOINTS: usize = 20;
/// A true change of so many times the tolerance counts as a slow-down of a metric: closer to the
/// tolerance the right answer is a coin toss.
pub(crate) const SLOW_DOWN_FROM: f64 = 1.2;
/// What is planted in the worlds, in per cent.
const WORLD_EFFECTS: [f64; 2] = [5.0, 10.0];
/// Threads that count. Nothing is timed here, so they may share the machine.
const THREADS: usize = 2;

/// The procedure this is about.
pub(crate) const OURS: &str = "ours";
/// The same with half of the blocks.
pub(crate) const OURS_AT_12: &str = "ours_at_12";
/// The procedure as it was first written down.
pub(crate) const AS_WRITTEN: &str = "ours_as_written";
/// Median latency or CPU time, judged together.
pub(crate) const P50_OR_CPU: &str = "p50_or_cpu";
/// All metrics of a pull request, judged together.
pub(crate) const PULL_REQUEST: &str = "all";

/// What ours allows a metric to change by; it never judges the mean.
pub(crate) fn tolerance(metric: Metric) -> Option<f64> {
    match metric {
        Metric::P50 => Some(LATENCY_TOLERANCE),
        Metric::Cpu => Some(CPU_TOLERANCE),
        Metric::P95 => Some(TAIL_TOLERANCE),
        Metric::Mean => None,
    }
}

/// From which true change on a metric counts as slowed down.
pub(crate) fn slow_down_from(metric: Metric) -> f64 {
    tolerance(metric).unwrap_or(LATENCY_TOLERANCE) * SLOW_DOWN_FROM
}

/// The metrics ours judges: their place in [`METRICS`] and their tolerance.
fn judged_metrics() -> impl Iterator<Item = (usize, Metric, f64)> {
    METRICS
        .into_iter()
        .enumerate()
        .filter_map(|(index, metric)| Some((index, metric, tolerance(metric)?)))
}

/// Runs all of it.
pub(crate) fn run(lanes: &[Lane<'_>], worlds: &[World]) -> Results {
    let mut work: Vec<Box<dyn Fn() -> Results + Send + Sync + '_>> = Vec::new();
    for lane in lanes {
        work.push(Box::new(move || Tallies::of_lane(lane).results()));
    }
    for unchanged in unchanged_by_design(lanes) {
        work.push(Box::new(move || pull_requests(&unchanged)));
    }
    for world in worlds {
        work.push(Box::new(move || Tallies::of_world(*world).results()));
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Results::default());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(part) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counted = part();
                    if let Ok(mut results) = results.lock() {
                        results.merge(counted);
                    }
                }
            });
        }
    });
    results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A random source for one piece of work: the seed, and the name by the FNV-1a hash.
fn random_for(name: &str) -> Rng {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Rng::with_seed(SEED ^ hash)
}

/// The tallies of one design, endpoint and effect while they are counted.
struct Tallies<'a> {
    design: String,
    endpoint: &'a str,
    effect: Effect,
    counted: BTreeMap<(&'static str, &'static str, Effect), Tally>,
    truths: BTreeMap<(&'static str, Effect), Truth>,
}

impl<'a> Tallies<'a> {
    fn new(design: String, endpoint: &'a str, effect: Effect) -> Self {
        Self {
            design,
            endpoint,
            effect,
            counted: BTreeMap::new(),
            truths: BTreeMap::new(),
        }
    }

    fn of_lane(lane: &Lane<'a>) -> Self {
        let mut tallies = Self::new(lane.design.to_owned(), lane.endpoint, lane.effect);
        tallies.know_truth(lane);
        let name = format!("{} {} {}", lane.design, lane.endpoint, lane.effect);
        let mut random = random_for(&name);
        let mut bootstrap = random.fork();
        for _ in 0..REPETITIONS {
            let draw = lane.draw(Plan::FULL.blocks(), &mut random);
            for (index, metric) in METRICS.into_iter().enumerate() {
                let seen = draw.metric(index);
                tallies.ask_peers(
                    metric.name(),
                    lane.effect,
                    &seen.comparison(),
                    &mut bootstrap,
                );
            }
            if !lane.is_sequential() {
                tallies.ask_ours_about(&draw);
            }
        }
        tallies
    }

    fn of_world(world: World) -> Self {
        let name = format!("world_{}", world.name);
        let mut random = random_for(&name);
        let mut bootstrap = random.fork();
        let mut tallies = Self::new(name, "simulated", Effect::NONE);
        let metric = Metric::P50.name();
        let planted = WORLD_EFFECTS.map(|per_cent| (Effect::slower_by(per_cent), per_cent));
        for (effect, per_cent) in planted {
            let truth = Truth {
                change: per_cent / 100.0,
                is_slow_down: true,
            };
            tallies.truths.insert((metric, effect), truth);
        }
        for _ in 0..WORLD_REPETITIONS {
            let unchanged = world.measure(&mut random);
            for (effect, per_cent) in [(Effect::NONE, 0.0)].into_iter().chain(planted) {
                let measured = unchanged.with_head_at(1.0 + per_cent / 100.0);
                tallies.ask_peers(metric, effect, &measured.comparison(), &mut bootstrap);
                let [base, head] = measured.interleaved();
                let case = Case {
                    base,
                    head,
                    tolerance: LATENCY_TOLERANCE,
                };
                tallies.ask_ours(metric, effect, &case);
            }
        }
        tallies
    }

    fn know_truth(&mut self, lane: &Lane<'_>) {
        for (index, metric) in METRICS.into_iter().enumerate() {
            if let Some(change) = true_change(&lane.visits, index) {
                let truth = Truth {
                    change,
                    is_slow_down: change >= slow_down_from(metric),
                };
                self.truths.insert((metric.name(), lane.effect), truth);
            }
        }
        let either = [Metric::P50, Metric::Cpu]
            .into_iter()
            .filter_map(|metric| self.truths.get(&(metric.name(), lane.effect)))
            .max_by(|left, right| left.change.total_cmp(&right.change))
            .copied();
        if let Some(truth) = either {
            self.truths.insert((P50_OR_CPU, lane.effect), truth);
        }
    }

    fn tally(
        &mut self,
        procedure: &'static str,
        metric: &'static str,
        effect: Effect,
    ) -> &mut Tally {
        self.counted.entry((procedure, metric, effect)).or_default()
    }

    fn ask_peers(
        &mut self,
        metric: &'static str,
        effect: Effect,
        comparison: &Comparison<'_>,
        bootstrap: &mut Rng,
    ) {
        for peer in PEERS {
            let is_flagged = (peer.flags)(comparison, bootstrap);
            self.tally(peer.name, metric, effect).say(is_flagged);
        }
    }

    fn ask_ours(&mut self, metric: &'static str, effect: Effect, case: &Case<'_>) {
        let answers = [
            (AS_WRITTEN, as_written::judge(case, Plan::FULL)),
            (OURS, ours::judge(case, Plan::FULL)),
            (OURS_AT_12, ours::judge(case, Plan::SHORT)),
        ];
        for (procedure, judged) in answers {
            self.tally(procedure, metric, effect).judge(judged);
        }
    }

    fn ask_ours_about(&mut self, draw: &Draw) {
        let effect = self.effect;
        for (index, metric, tolerance) in judged_metrics() {
            let seen = draw.metric(index);
            self.ask_ours(metric.name(), effect, &case(&seen, tolerance));
        }
        let seen: Vec<(Seen, f64)> = judged_metrics()
            .filter(|(_, metric, _)| matches!(metric, Metric::P50 | Metric::Cpu))
            .map(|(index, _, tolerance)| (draw.metric(index), tolerance))
            .collect();
        let judged = ours::pull_request(&[cases(&seen)], Plan::FULL)[0];
        self.tally(OURS, P50_OR_CPU, effect).judge(judged);
    }

    fn results(self) -> Results {
        let tallies = self
            .counted
            .into_iter()
            .map(|((procedure, metric, effect), tally)| {
                let key = Key {
                    procedure,
                    design: self.design.clone(),
                    metric,
                    endpoint: self.endpoint.to_owned(),
                    effect,
                };
                (key, tally)
            });
        let truths = self.truths.into_iter().map(|((metric, effect), truth)| {
            let place = (
                self.design.clone(),
                metric,
                self.endpoint.to_owned(),
                effect,
            );
            (place, truth)
        });
        Results {
            tallies: tallies.collect(),
            truths: truths.collect(),
        }
    }
}

fn case(seen: &Seen, tolerance: f64) -> Case<'_> {
    Case {
        base: &seen.base,
        head: &seen.head,
        tolerance,
    }
}

fn cases(seen: &[(Seen, f64)]) -> Vec<Case<'_>> {
    seen.iter()
        .map(|(seen, tolerance)| case(seen, *tolerance))
        .collect()
}

/// What a gate over several endpoints says, and the blocks of all of them.
fn together(endpoints: &[Judged]) -> Judged {
    let is_flagged = endpoints.iter().any(|judged| judged.is_flagged);
    Judged {
        is_flagged,
        is_inconclusive: !is_flagged && endpoints.iter().any(|judged| judged.is_inconclusive),
        blocks: endpoints.iter().map(|judged| judged.blocks).sum(),
    }
}

/// The lanes of unchanged code, one group per design ours runs in.
fn unchanged_by_design<'a, 'b>(lanes: &'b [Lane<'a>]) -> Vec<Vec<&'b Lane<'a>>> {
    let mut groups: BTreeMap<&str, Vec<&Lane<'a>>> = BTreeMap::new();
    for lane in lanes {
        if lane.effect == Effect::NONE && !lane.is_sequential() {
            groups.entry(lane.design).or_default().push(lane);
        }
    }
    groups.into_values().collect()
}

/// Pull requests that change nothing, over endpoints of one design: how many raise an alarm, and
/// how many blocks an endpoint takes. The endpoints of the folder are taken in turn.
fn pull_requests(lanes: &[&Lane<'_>]) -> Results {
    let design = lanes[0].design;
    let mut random = random_for(&format!("pull requests {design}"));
    let mut whole = Tally::default();
    for _ in 0..REPETITIONS {
        let seen: Vec<Vec<(Seen, f64)>> = (0..PULL_REQUEST_ENDPOINTS)
            .map(|number| {
                let draw = lanes[number % lanes.len()].draw(Plan::FULL.blocks(), &mut random);
                judged_metrics()
                    .map(|(index, _, tolerance)| (draw.metric(index), tolerance))
                    .collect()
            })
            .collect();
        let endpoints: Vec<Vec<Case<'_>>> = seen.iter().map(|seen| cases(seen)).collect();
        whole.judge(together(&ours::pull_request(&endpoints, Plan::FULL)));
    }
    let key = Key {
        procedure: OURS,
        design: design.to_owned(),
        metric: PULL_REQUEST,
        endpoint: "all".to_owned(),
        effect: Effect::NONE,
    };
    Results {
        tallies: BTreeMap::from([(key, whole)]),
        truths: BTreeMap::new(),
    }
}
