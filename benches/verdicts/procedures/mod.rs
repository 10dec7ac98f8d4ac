//! The procedures: each tool's rule for "head is slower than base", one file per family.
//!
//! A peer sees one metric of one comparison and says yes or no. Ours is different: it asks for
//! blocks step by step and may say that it cannot tell, so it has a shape of its own in
//! [`ours`]. Nothing here may know where the numbers come from, a recording or a simulation.

pub(crate) mod as_written;
pub(crate) mod asv;
pub(crate) mod bencher;
pub(crate) mod criterion;
pub(crate) mod github_action_benchmark;
pub(crate) mod numbers;
pub(crate) mod ours;
pub(crate) mod perfgate;
pub(crate) mod rank_sum;
pub(crate) mod textbook;

use fastrand::Rng;

/// One metric of base and head, as the peers see it. Larger is worse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison<'a> {
    /// One number for each earlier run of unchanged code, oldest first.
    pub(crate) history: &'a [f64],
    /// The number of head that is of the same kind as those of the history.
    pub(crate) reported: f64,
    /// The one number of the newest run of unchanged code.
    pub(crate) previous: f64,
    /// The one number of the whole run of head.
    pub(crate) current: f64,
    /// Base measured for this comparison: one number per block.
    pub(crate) base: &'a [f64],
    /// Head measured for this comparison: one number per block.
    pub(crate) head: &'a [f64],
}

/// A rule under the name it has in the tables and figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Lower snake case.
    pub(crate) name: &'static str,
    /// What the rule is, for the reader of a table.
    pub(crate) rule: &'static str,
    /// Whether it would call head slower. Only a bootstrap draws from the random source.
    pub(crate) flags: fn(&Comparison<'_>, &mut Rng) -> bool,
}

/// Every peer, in the order of the tables.
pub(crate) const PEERS: [Peer; 11] = [
    Peer {
        name: "gab_200",
        rule: "github-action-benchmark, default: over 200 % of the previous number",
        flags: |comparison, _| github_action_benchmark::at_200(comparison),
    },
    Peer {
        name: "gab_110",
        rule: "github-action-benchmark at 110 %",
        flags: |comparison, _| github_action_benchmark::at_110(comparison),
    },
    Peer {
        name: "bencher_25",
        rule: "Bencher, relative recipe: over 125 % of base in the same job",
        flags: |comparison, _| bencher::relative_25(comparison),
    },
    Peer {
        name: "bencher_t99",
        rule: "Bencher, default: above the 0.99 prediction limit of up to 64 earlier numbers",
        flags: |comparison, _| bencher::t99(comparison),
    },
    Peer {
        name: "perfgate",
        rule: "perfgate, default: median over 120 % of the median of base",
        flags: |comparison, _| perfgate::budget_20(comparison),
    },
    Peer {
        name: "fixed_10",
        rule: "home-made: mean over 110 % of the mean of base",
        flags: |comparison, _| textbook::fixed_10(comparison),
    },
    Peer {
        name: "asv",
        rule: "asv, default: median over 110 %, and Mann-Whitney p < 0.002",
        flags: |comparison, _| asv::continuous(comparison),
    },
    Peer {
        name: "criterion",
        rule: "criterion, default: bootstrapped t test p < 0.05, and 95 % interval beyond 1 %",
        flags: criterion::regressed,
    },
    Peer {
        name: "mann_whitney_05",
        rule: "textbook: Mann-Whitney p < 0.05, head slower",
        flags: |comparison, _| textbook::mann_whitney(comparison),
    },
    Peer {
        name: "welch_05",
        rule: "textbook: Welch's t test p < 0.05, head slower",
        flags: |comparison, _| textbook::welch(comparison),
    },
    Peer {
        name: "mann_whitney_5pct",
        rule: "home-made: Mann-Whitney p < 0.05, and median over 105 %",
        flags: |comparison, _| textbook::mann_whitney_and_5(comparison),
    },
];
