//! From recordings to comparisons: which blocks of base and head a procedure gets to see.
//!
//! *Paired*, for each design recorded: 24 blocks drawn with replacement within one visit, base
//! and head of a drawn block staying together. For unchanged code the arms of a block change
//! places at random, so that any constant difference between two identical arms averages out.
//!
//! *Sequential*: what a tool sees that measures base first and head after it. No recording here
//! was made that way, but each holds one: base is an arm of the first half of a visit, head the
//! other arm of its second half. These are consecutive blocks in the order recorded, each used
//! once: drawing 24 from the few blocks of a half would make any test believe in more evidence
//! than there is, and blame the peers for it. So a sequential comparison has as many blocks as
//! half a visit has; in the synthetic worlds it has the full 24. Visits of the design `duet` are
//! left out: there each arm ran beside the other.
//!
//! Must not judge.

use std::collections::BTreeSet;

use fastrand::Rng;

use crate::procedures::Comparison;
use crate::procedures::bencher::HISTORY;
use crate::procedures::numbers::mean;
use crate::traces::{Block, Effect, Values, Visit};

/// The name of the design that is put together from halves.
pub(crate) const SEQUENTIAL: &str = "sequential";
/// The design in which both arms are under load at once.
const DUET: &str = "duet";

/// One endpoint under one design and effect, with the visits to draw from.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    /// A recorded design, or [`SEQUENTIAL`].
    pub(crate) design: &'a str,
    /// The endpoint.
    pub(crate) endpoint: &'a str,
    /// What was planted.
    pub(crate) effect: Effect,
    /// The visits, in the order recorded. Never empty.
    pub(crate) visits: Vec<&'a Visit>,
    /// For a sequential lane and each of its visits: base in the visits before it.
    earlier: Vec<Vec<Values>>,
}

/// What a procedure gets to see in one repetition, of all metrics.
#[derive(Debug)]
pub(crate) struct Draw {
    history: Vec<Values>,
    reported: Values,
    base: Vec<Values>,
    head: Vec<Values>,
}

/// One metric of a [`Draw`].
#[derive(Debug)]
pub(crate) struct Seen {
    history: Vec<f64>,
    reported: f64,
    /// Base, one number per block.
    pub(crate) base: Vec<f64>,
    /// Head, one number per block.
    pub(crate) head: Vec<f64>,
}

/// Every lane of a folder: all recorded designs, and the sequential one.
pub(crate) fn lanes(visits: &[Visit]) -> Vec<Lane<'_>> {
    let keys: BTreeSet<(&str, &str, Effect)> = visits
        .iter()
        .flat_map(|visit| {
            let recorded = (&*visit.design, &*visit.endpoint, visit.effect);
            let sequential = (SEQUENTIAL, &*visit.endpoint, visit.effect);
            std::iter::once(recorded).chain(serves_sequential(visit).then_some(sequential))
        })
        .collect();
    keys.into_iter()
        .map(|(design, endpoint, effect)| lane(visits, design, endpoint, effect))
        .collect()
}

/// Whether a visit can be cut into a stretch of base and one of head.
pub(crate) fn serves_sequential(visit: &Visit) -> bool {
    visit.design != DUET && visit.blocks.len() >= 2
}

fn lane<'a>(visits: &'a [Visit], design: &'a str, endpoint: &'a str, effect: Effect) -> Lane<'a> {
    let is_sequential = design == SEQUENTIAL;
    let belongs = |visit: &&Visit| {
        let fits = if is_sequential {
            serves_sequential(visit)
        } else {
            visit.design == design
        };
        fits && visit.endpoint == endpoint && visit.effect == effect
    };
    let chosen: Vec<&Visit> = visits.iter().filter(belongs).collect();
    let earlier = if is_sequential {
        chosen.iter().map(|visit| before(visits, visit)).collect()
    } else {
        Vec::new()
    };
    Lane {
        design,
        endpoint,
        effect,
        visits: chosen,
        earlier,
    }
}

/// Base in every earlier visit of the same endpoint and design: arm 0 is unchanged code in all of
/// them, whatever was planted in the other arm.
fn before(visits: &[Visit], this: &Visit) -> Vec<Values> {
    visits
        .iter()
        .take_while(|visit| !std::ptr::eq(*visit, this))
        .filter(|visit| visit.endpoint == this.endpoint && visit.design == this.design)
        .flat_map(|visit| visit.blocks.iter().map(|block| block.base))
        .collect()
}

impl Lane<'_> {
    /// Whether this is the design put together from halves.
    pub(crate) fn is_sequential(&self) -> bool {
        self.design == SEQUENTIAL
    }

    /// The numbers of one repetition; `blocks` an arm where blocks are drawn.
    pub(crate) fn draw(&self, blocks: usize, random: &mut Rng) -> Draw {
        let chosen = random.usize(..self.visits.len());
        if self.is_sequential() {
            self.halves(chosen, random)
        } else {
            self.resampled(self.visits[chosen], blocks, random)
        }
    }

    fn resampled(&self, visit: &Visit, blocks: usize, random: &mut Rng) -> Draw {
        let (base, head): (Vec<Values>, Vec<Values>) = (0..blocks)
            .map(|_| {
                let block = visit.blocks[random.usize(..visit.blocks.len())];
                self.arms(block, random)
            })
            .unzip();
        Draw {
            history: base.clone(),
            reported: head[random.usize(..head.len())],
            base,
            head,
        }
    }

    fn halves(&self, chosen: usize, random: &mut Rng) -> Draw {
        let blocks = &self.visits[chosen].blocks;
        let middle = blocks.len() / 2;
        let is_swapped = self.effect == Effect::NONE && random.bool();
        let arm = |block: &Block, is_head: bool| {
            if is_head == is_swapped {
                block.base
            } else {
                block.head
            }
        };
        let base: Vec<Values> = blocks[..middle]
            .iter()
            .map(|block| arm(block, false))
            .collect();
        let head: Vec<Values> = blocks[middle..]
            .iter()
            .map(|block| arm(block, true))
            .collect();
        let mut history = self.earlier[chosen].clone();
        history.extend(&base);
        history.drain(..history.len().saturating_sub(HISTORY));
        Draw {
            history,
            reported: head[random.usize(..head.len())],
            base,
            head,
        }
    }

    /// Base and head of a block; in either order where both are unchanged code.
    fn arms(&self, block: Block, random: &mut Rng) -> (Values, Values) {
        if self.effect == Effect::NONE && random.bool() {
            (block.head, block.base)
        } else {
            (block.base, block.head)
        }
    }
}

impl Draw {
    /// One metric of it.
    pub(crate) fn metric(&self, index: usize) -> Seen {
        let of = |values: &[Values]| values.iter().map(|values| values[index]).collect();
        Seen {
            history: of(&self.history),
            reported: self.reported[index],
            base: of(&self.base),
            head: of(&self.head),
        }
    }
}

impl Seen {
    /// As the peers see it. The history and the number held against it are single blocks: a
    /// limit made from blocks is no limit for a mean of many. Tools that compare one number with
    /// one number get the mean of all blocks of each arm, so none has less to go by than ours.
    pub(crate) fn comparison(&self) -> Comparison<'_> {
        Comparison {
            history: &self.history,
            reported: self.reported,
            previous: mean(&self.base),
            current: mean(&self.head),
            base: &self.base,
            head: &self.head,
        }
    }
}
