//! The Mann-Whitney U test: exact for small samples, by the normal distribution for larger ones.
//!
//! Must not decide: which p value is small enough is for the rule that asks.

use statrs::distribution::{ContinuousCDF, Normal};

use super::numbers::real;

/// Up to this many values an arm, p values are exact.
const EXACT_UP_TO: usize = 20;

/// The two-sided p value of "base and head come from one distribution".
///
/// Ties are resolved against a difference, as asv does: each tied pair counts for the side that
/// brings U nearer to its middle.
pub(crate) fn two_sided(base: &[f64], head: &[f64]) -> f64 {
    let pairs = base.len() * head.len();
    let (above, ties) = wins(base, head);
    let smaller = above.min(pairs - above - ties);
    let statistic = (smaller + ties).min(pairs / 2);
    let share = if base.len().max(head.len()) > EXACT_UP_TO {
        normal_tail(statistic, base.len(), head.len())
    } else {
        exact_tail(statistic, base.len(), head.len())
    };
    (2.0 * share).min(1.0)
}

/// In how many pairs head is above base, and how many are tied.
fn wins(base: &[f64], head: &[f64]) -> (usize, usize) {
    let mut above = 0;
    let mut ties = 0;
    for left in base {
        for right in head {
            above += usize::from(right > left);
            ties += usize::from(right.to_bits() == left.to_bits());
        }
    }
    (above, ties)
}

/// The chance of a U this small, from the number of orderings that lead to each U.
fn exact_tail(statistic: usize, first: usize, second: usize) -> f64 {
    let orderings = orderings(first, second, statistic);
    orderings.iter().sum::<f64>() / binomial(first + second, first)
}

/// How many orderings of `first` and `second` values have U = 0, 1, …, `largest`: the
/// coefficients of the Gaussian binomial, `∏ (1 − q^(second + i)) / (1 − q^i)`.
fn orderings(first: usize, second: usize, largest: usize) -> Vec<f64> {
    let mut counts = vec![0.0; largest + 1];
    counts[0] = 1.0;
    for factor in 1..=first {
        for power in (second + factor..=largest).rev() {
            counts[power] -= counts[power - second - factor];
        }
        for power in factor..=largest {
            counts[power] += counts[power - factor];
        }
    }
    counts
}

fn normal_tail(statistic: usize, first: usize, second: usize) -> f64 {
    let (first, second) = (real(first), real(second));
    let variance = first * second * (first + second + 1.0) / 12.0;
    let score = (real(statistic) - first * second / 2.0) / variance.sqrt();
    Normal::standard().cdf(score)
}

/// How many ways there are to choose `chosen` of `count`.
pub(crate) fn binomial(count: usize, chosen: usize) -> f64 {
    let chosen = chosen.min(count - chosen);
    (1..=chosen).fold(1.0, |ways, step| {
        ways * real(count - chosen + step) / real(step)
    })
}
