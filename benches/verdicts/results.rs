//! What was counted: a tally for each procedure, design, metric, endpoint and effect, and the
//! shares that follow from them. Must not draw or judge anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::procedures::numbers::{mean, real};
use crate::procedures::ours::Judged;
use crate::traces::Effect;

/// What a tally belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The procedure.
    pub(crate) procedure: &'static str,
    /// The recorded design, the sequential one, or a world.
    pub(crate) design: String,
    /// The metric, or a combination of several.
    pub(crate) metric: &'static str,
    /// The endpoint.
    pub(crate) endpoint: String,
    /// What was planted.
    pub(crate) effect: Effect,
}

/// How often what was said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    repetitions: usize,
    flagged: usize,
    inconclusive: usize,
    blocks: usize,
}

impl Tally {
    /// Counts a yes or no.
    pub(crate) fn say(&mut self, is_flagged: bool) {
        self.repetitions += 1;
        self.flagged += usize::from(is_flagged);
    }

    /// Counts a verdict of ours.
    pub(crate) fn judge(&mut self, judged: Judged) {
        self.say(judged.is_flagged);
        self.inconclusive += usize::from(judged.is_inconclusive);
        self.blocks += judged.blocks;
    }

    /// The share called a regression.
    pub(crate) fn flagged(&self) -> f64 {
        real(self.flagged) / real(self.repetitions)
    }

    /// The share without an answer.
    pub(crate) fn inconclusive(&self) -> f64 {
        real(self.inconclusive) / real(self.repetitions)
    }

    /// Blocks an answer took on average.
    pub(crate) fn blocks(&self) -> f64 {
        real(self.blocks) / real(self.repetitions)
    }
}

/// The change that really was in a metric of head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// As a share.
    pub(crate) change: f64,
    /// Whether it is large enough to count as a slow-down of that metric.
    pub(crate) is_slow_down: bool,
}

/// Design, metric, endpoint and effect.
pub(crate) type Place = (String, &'static str, String, Effect);

/// Everything counted.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// The tallies.
    pub(crate) tallies: BTreeMap<Key, Tally>,
    /// The true changes.
    pub(crate) truths: BTreeMap<Place, Truth>,
}

/// Which endpoints a share is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// All of them.
    All,
    /// Those whose metric became slower by clearly more than the tolerance.
    SlowDowns,
}

impl Results {
    /// Adds what another part of the study counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tallies.extend(other.tallies);
        self.truths.extend(other.truths);
    }

    /// The tallies of a procedure, metric and effect under a design, by endpoint.
    pub(crate) fn endpoints(
        &self,
        procedure: &str,
        design: &str,
        metric: &str,
        effect: Effect,
        over: Over,
    ) -> Vec<(&Key, &Tally)> {
        self.tallies
            .iter()
            .filter(|(key, _)| {
                key.procedure == procedure
                    && key.design == design
                    && key.metric == metric
                    && key.effect == effect
                    && (over == Over::All || self.is_slow_down(key))
            })
            .collect()
    }

    /// The mean over endpoints of what `take` reads from a tally; none without endpoints.
    pub(crate) fn mean(
        &self,
        (procedure, design, metric): (&str, &str, &str),
        effect: Effect,
        over: Over,
        take: fn(&Tally) -> f64,
    ) -> Option<f64> {
        let tallies = self.endpoints(procedure, design, metric, effect, over);
        let values: Vec<f64> = tallies.into_iter().map(|(_, tally)| take(tally)).collect();
        (!values.is_empty()).then(|| mean(&values))
    }

    /// The share of unchanged comparisons that were called a regression.
    pub(crate) fn false_alarms(&self, row: (&str, &str, &str)) -> Option<f64> {
        self.mean(row, Effect::NONE, Over::All, Tally::flagged)
    }

    /// The share of slow-downs that were called one.
    pub(crate) fn caught(
        &self,
        row: (&str, &str, &str),
        effect: Effect,
        over: Over,
    ) -> Option<f64> {
        self.mean(row, effect, over, Tally::flagged)
    }

    /// The true change at a place.
    pub(crate) fn truth(&self, key: &Key) -> Option<Truth> {
        let place = (
            key.design.clone(),
            key.metric,
            key.endpoint.clone(),
            key.effect,
        );
        self.truths.get(&place).copied()
    }

    fn is_slow_down(&self, key: &Key) -> bool {
        self.truth(key).is_some_and(|truth| truth.is_slow_down)
    }

    /// The designs in which a metric was judged.
    pub(crate) fn designs(&self, metric: &str) -> Vec<&str> {
        let designs: BTreeSet<&str> = self
            .tallies
            .keys()
            .filter(|key| key.metric == metric)
            .map(|key| &*key.design)
            .collect();
        designs.into_iter().collect()
    }

    /// What was planted under a design, without the unchanged code.
    pub(crate) fn effects(&self, design: &str) -> Vec<Effect> {
        let effects: BTreeSet<Effect> = self
            .tallies
            .keys()
            .filter(|key| key.design == design && key.effect != Effect::NONE)
            .map(|key| key.effect)
            .collect();
        effects.into_iter().collect()
    }
}
