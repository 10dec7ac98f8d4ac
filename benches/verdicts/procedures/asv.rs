//! asv (airspeed velocity), `asv continuous` and `asv compare`: a factor on medians, and a
//! difference that a rank test believes.
//!
//! Written again from its documented rules, not from its code.

use super::Comparison;
use super::numbers::{median, real, sorted};
use super::rank_sum::{binomial, two_sided};

/// The default of `--factor`: less than this is not reported.
const FACTOR: f64 = 1.1;
/// The p value below which two samples differ.
const P_VALUE: f64 = 0.002;
/// The mass outside the interval of a median, half of it on each side.
const OUTSIDE: f64 = 0.01;

/// Slower by the factor, and different: by Mann-Whitney's test where enough samples make its p
/// value reachable, else by intervals of the medians that do not overlap. A single sample an arm
/// leaves the factor alone to decide.
pub(crate) fn continuous(comparison: &Comparison<'_>) -> bool {
    let (base, head) = (comparison.base, comparison.head);
    median(head) > median(base) * FACTOR && is_different(base, head)
}

fn is_different(base: &[f64], head: &[f64]) -> bool {
    let fewer = base.len().min(head.len());
    if 1.0 / binomial(base.len() + head.len(), fewer) < P_VALUE {
        return two_sided(base, head) < P_VALUE;
    }
    if fewer < 2 {
        return true;
    }
    interval(base).1 < interval(head).0
}

/// The 99 % interval of a median: between order statistics where there are enough of them, else
/// stretched to the quantiles of the posterior under exponential noise around the median.
pub(crate) fn interval(samples: &[f64]) -> (f64, f64) {
    let sorted = sorted(samples);
    let (count, last) = (sorted.len(), sorted.len() - 1);
    let mut below = 0.0;
    let mut outer = None;
    for rank in 0..=count / 2 {
        below += binomial(count, rank) / 2.0_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
        if below <= OUTSIDE / 2.0 {
            outer = Some(rank);
        }
    }
    match outer {
        Some(rank) => (sorted[rank], sorted[last - rank]),
        None => (
            posterior_quantile(&sorted, OUTSIDE / 2.0).min(sorted[0]),
            posterior_quantile(&sorted, 1.0 - OUTSIDE / 2.0).max(sorted[last]),
        ),
    }
}

/// A quantile of the density `∝ (Σ |value − x|)^(−n)` over the location `x`. The sum is linear
/// between two neighbouring values, so each piece has its integral in closed form.
fn posterior_quantile(sorted: &[f64], share: f64) -> f64 {
    let scale: f64 = sorted
        .iter()
        .map(|value| (value - median(sorted)).abs())
        .sum();
    if scale <= 0.0 {
        return sorted[0];
    }
    let pieces = pieces(sorted, scale);
    let total: f64 = pieces.iter().map(Piece::mass).sum();
    let mut left = share * total;
    for piece in &pieces {
        if left <= piece.mass() {
            return piece.at(left);
        }
        left -= piece.mass();
    }
    sorted[sorted.len() - 1]
}

/// A stretch of the location between two neighbouring values, or beyond all of them.
struct Piece {
    from: f64,
    to: f64,
    /// The scaled sum of distances is `offset + slope · x` here.
    offset: f64,
    slope: f64,
    power: f64,
    scale: f64,
}

fn pieces(sorted: &[f64], scale: f64) -> Vec<Piece> {
    let count = sorted.len();
    let piece = |below: usize| Piece {
        from: below
            .checked_sub(1)
            .map_or(f64::NEG_INFINITY, |index| sorted[index]),
        to: sorted.get(below).copied().unwrap_or(f64::INFINITY),
        offset: sorted[below..].iter().sum::<f64>() - sorted[..below].iter().sum::<f64>(),
        slope: 2.0 * real(below) - real(count),
        power: real(count) - 1.0,
        scale,
    };
    (0..=count).map(piece).collect()
}

impl Piece {
    /// The scaled sum of distances at a location; infinite at the ends of the world.
    fn distance(&self, location: f64) -> f64 {
        if location.is_infinite() {
            f64::INFINITY
        } else {
            (self.offset + self.slope * location) / self.scale
        }
    }

    fn is_flat(&self) -> bool {
        self.slope.abs() < 0.5
    }

    fn mass(&self) -> f64 {
        if self.is_flat() {
            return (self.to - self.from) * self.distance(self.from).powf(-self.power - 1.0);
        }
        let (from, to) = (self.distance(self.from), self.distance(self.to));
        let factor = self.scale / (self.slope * self.power);
        factor * (from.powf(-self.power) - to.powf(-self.power))
    }

    /// The location up to which this piece holds `mass`.
    fn at(&self, mass: f64) -> f64 {
        if self.is_flat() {
            return self.from + mass / self.distance(self.from).powf(-self.power - 1.0);
        }
        let start = self.distance(self.from).powf(-self.power);
        let left = start - mass * self.slope * self.power / self.scale;
        (left.powf(-1.0 / self.power) * self.scale - self.offset) / self.slope
    }
}
