//! In which night a series moved to another level.
//!
//! Energy divergence proposes where (`energy.rs`), tests between the two neighbouring segments
//! accept. Everything is computed on logarithms, so that a change is relative and the unit does
//! not matter. A division is accepted when all of these hold:
//!
//! 1. Student's t test between the two segments, with their pooled variance, has
//!    p ≤ [`ACCEPTED_P`]. Pooled, because three nights have no variance worth using. Nights that
//!    follow each other (lag-1 autocorrelation above [`AUTOCORRELATED`]) count for fewer, and a
//!    few wild nights are pulled in first.
//! 2. The medians differ by at least [`LEAST_MAGNITUDE`]. Between two segments without any noise
//!    this does not matter: there, changed is changed.
//! 3. Welch's t test, each segment by its own variance and with nothing pulled in, has
//!    p ≤ [`OWN_SPREAD_P`]: two bad nights and a good one are no level.
//!
//! A t test, because 1e-5 by permutation would take 100,000 permutations of every candidate.
//! Measured on 2,000 series of each kind by `cargo bench --bench change_points`, in %:
//!
//! | 100 nights | this | Otava, p 0.001 | Otava, 1e-5 and 3 % | over 110 % of the last |
//! |---|---|---|---|---|
//! | raised: white, spread 3 % | 0.05 | 4.4 | 0.0 | 71 |
//! | raised: AR(0.5), spread 3 % | 0.45 | 63 | 11 | 7 |
//! | raised: AR(0.7), spread 3 % | 0.85 | 90 | 41 | 0.2 |
//! | raised: spread 1 %, 3 % spells of one or two bad nights | 1.1 | 36 | 16 | 95 |
//! | raised: spread 1 %, one night in ten 10 % slower | 3.7 | 14 | 1.7 | 99 |
//! | raised: spread 1 %, then ten nights of 5 % | 6.1 | 37 | 18 | 64 |
//! | +10 % found by the third night, spread 1 % | 99.9 | 99.9 | 100 | 49 |
//! | +10 % found by the third night, spread 2 % | 95 | 99 | 99.6 | 49 |
//! | +10 % found by the fifth night, spread 3 % | 93 | 98 | 96 | 52 |
//! | +10 % found by the tenth night, spread 3 %, AR(0.5) | 68 | 96 | 94 | 50 |
//! | +10 % found by the third night, spread 1 %, bad nights | 68 | 47 | 31 | 52 |
//!
//! Must not know metrics, runs or machines: `history.rs` does.

use std::fmt;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::energy::{self, real, same};
use super::stored::{MAD_TO_SPREAD, median};

/// The largest p value of an accepted change point. Not the usual 0.001: a division is searched
/// among all nights, and by chance the best of a hundred candidates is below 0.001 in 4 % of
/// series of 100 nights that never changed (in 63 % where nights have an autocorrelation of 0.5;
/// Otava's rule, measured). A hundred candidates at 1e-5 are below 0.1 % together (Bonferroni).
pub const ACCEPTED_P: f64 = 1e-5;
/// The smallest relative change of a change point, relative to the smaller level. Below it lies
/// what differs between two identical processes and between two updates of a runner.
pub const LEAST_MAGNITUDE: f64 = 0.03;
/// Nights without which there is no level. One bad night at the end must not be a change point,
/// nor two; three is the most with which a step of 10 % is still found within three nights.
pub const LEAST_NIGHTS: usize = 3;
/// The largest p value when each segment is judged by its own variance. The pooled test does not
/// see that a short segment has a variance of its own: without this one, two bad nights of the
/// last three raise a change point in 73 % of cases (with it: 0 %), bad nights anywhere in 38 %
/// (1.1 %), and ten noisier nights in 15 % (6.1 %).
pub const OWN_SPREAD_P: f64 = 0.05;
/// The lag-1 autocorrelation above which nights are not taken for independent. At 0.3, series
/// with an autocorrelation of 0.3 raise a change point in 1.9 % of cases, at 0.2 in 0.7 %; a step
/// of 10 % at a spread of 3 % is found by the third night in 57 % and 54 %. Without this, an
/// autocorrelation of 0.5 raises one in 15 %.
pub const AUTOCORRELATED: f64 = 0.2;
/// The largest autocorrelation believed; at 1 a series has no level.
const LARGEST_AUTOCORRELATION: f64 = 0.95;
/// How many robust standard deviations from its level a wild night is, and how near it is pulled.
/// A normal night is beyond 4 once in 16,000. Without pulling in, a step after bad nights is found
/// by the third night in 26 % of cases, with it in 68 %; any value from 4 to 6 measures the same.
const OUTLIER: f64 = 4.0;
/// The largest share of wild nights that is an accident. More of them are a second kind of night
/// and belong to the variance: pulled in all the same, a quarter of nights that is 10 % slower
/// raises a change point in 29 % of series, otherwise in 0.5 %.
const MOST_OUTLIERS: f64 = 0.1;
/// The fewest nights a robust standard deviation is taken from.
const OUTLIERS_FROM: usize = 12;
/// How often bounds are moved and judged again; two are usually enough.
const ROUNDS: usize = 5;

/// A night from which on a series is at another level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// Index of the first night at the new level.
    pub index: usize,
    /// Median before, in the unit of the series.
    pub before: f64,
    /// Median from `index` on, in the unit of the series.
    pub after: f64,
    /// How likely a difference like this is between nights of the same level: p of the pooled
    /// t test, 0 where neither side has any noise.
    pub p_value: f64,
    /// Nights at the level before, back to the change point before.
    pub nights_before: usize,
    /// Nights at the new level, up to the next change point.
    pub nights_after: usize,
}

/// Why a series could not be searched. Nights are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Fewer nights than two levels need.
    TooShort {
        /// Nights there are.
        have: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Which night.
        night: usize,
    },
    /// A value is zero or negative: it has no logarithm, and no relative change.
    NotPositive {
        /// Which night.
        night: usize,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { have } => {
                write!(f, "{have} of {} nights measured", 2 * LEAST_NIGHTS)
            }
            Self::NotFinite { night } => write!(f, "night {night} is not a number"),
            Self::NotPositive { night } => write!(f, "night {night} is not above zero"),
        }
    }
}

/// Finds where the level of a series changed, in order. One value a night, the oldest first.
pub fn change_points(series: &[f64]) -> Result<Vec<ChangePoint>, Unusable> {
    let logs = logarithms(series)?;
    let mut bounds = energy::divide(&logs, LEAST_NIGHTS);
    remove_weak(&logs, &mut bounds);
    for _ in 0..ROUNDS {
        if !energy::adjust(&logs, &mut bounds, LEAST_NIGHTS) {
            break;
        }
        remove_weak(&logs, &mut bounds);
    }
    let steps = steps(&logs, &bounds);
    let described = bounds.windows(3).zip(steps);
    Ok(described
        .map(|(bounds, step)| describe(series, bounds, &step))
        .collect())
}

fn logarithms(series: &[f64]) -> Result<Vec<f64>, Unusable> {
    if let Some(index) = series.iter().position(|value| !value.is_finite()) {
        return Err(Unusable::NotFinite { night: index + 1 });
    }
    if let Some(index) = series.iter().position(|value| *value <= 0.0) {
        return Err(Unusable::NotPositive { night: index + 1 });
    }
    if series.len() < 2 * LEAST_NIGHTS {
        return Err(Unusable::TooShort { have: series.len() });
    }
    Ok(series.iter().map(|value| value.ln()).collect())
}

fn describe(series: &[f64], bounds: &[usize], step: &Step) -> ChangePoint {
    let (start, index, end) = (bounds[0], bounds[1], bounds[2]);
    ChangePoint {
        index,
        before: median(&series[start..index]),
        after: median(&series[index..end]),
        p_value: step.p_value,
        nights_before: index - start,
        nights_after: end - index,
    }
}

/// Removes bounds, the weakest first, until all that are left stand. Its neighbours are judged
/// again after each, for they now have a longer segment on one side.
fn remove_weak(logs: &[f64], bounds: &mut Vec<usize>) {
    while let Some(index) = weakest(&steps(logs, bounds)) {
        bounds.remove(index + 1);
    }
}

/// The steps between neighbouring segments.
fn steps(logs: &[f64], bounds: &[usize]) -> Vec<Step> {
    let correlation = autocorrelation(logs, bounds);
    let step = |bounds: &[usize]| {
        let (start, index, end) = (bounds[0], bounds[1], bounds[2]);
        Step::between(&logs[start..index], &logs[index..end], correlation)
    };
    bounds.windows(3).map(step).collect()
}

/// The step to remove next: the least significant one; when all are significant, the smallest one
/// that is too small; when all are large, the most doubtful. Doubts come last, because the short
/// segments of the beginning raise them everywhere.
fn weakest(steps: &[Step]) -> Option<usize> {
    let most = |weakness: fn(&Step) -> f64| {
        let weak = (0..steps.len()).filter(|index| weakness(&steps[*index]) > 1.0);
        weak.max_by(|left, right| weakness(&steps[*left]).total_cmp(&weakness(&steps[*right])))
    };
    most(Step::chance)
        .or_else(|| most(Step::smallness))
        .or_else(|| most(Step::doubt))
}

/// What is known of the step between two neighbouring segments.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Distance of the medians, in log units.
    size: f64,
    /// p of the pooled t test.
    p_value: f64,
    /// p of Welch's t test.
    own_spread_p: f64,
    /// Whether each side is one value over and over.
    is_noise_free: bool,
}

impl Step {
    fn between(left: &[f64], right: &[f64], correlation: f64) -> Self {
        let size = (median(right) - median(left)).abs();
        if is_constant(left) && is_constant(right) {
            let p_value = if size > 0.0 { 0.0 } else { 1.0 };
            return Self {
                size,
                p_value,
                own_spread_p: p_value,
                is_noise_free: true,
            };
        }
        let own = [left, right].map(|values| Side::of(values, correlation));
        let calmed = calm(left, right);
        let calmed = calmed.map(|values| Side::of(&values, correlation));
        Self {
            size,
            p_value: pooled_p(&calmed),
            own_spread_p: welch_p(&own),
            is_noise_free: false,
        }
    }

    /// How far the step is from being significant; at most 1 is.
    fn chance(&self) -> f64 {
        self.p_value / ACCEPTED_P
    }

    /// How far the step is from being large enough; at most 1 is.
    fn smallness(&self) -> f64 {
        if self.is_noise_free {
            0.0
        } else {
            LEAST_MAGNITUDE.ln_1p() / self.size
        }
    }

    /// How far the step is from standing by each side's own variance; at most 1 does.
    fn doubt(&self) -> f64 {
        self.own_spread_p / OWN_SPREAD_P
    }
}

/// One segment, for a t test.
#[derive(Debug, Clone, Copy)]
struct Side {
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
    /// What the sum of squares is divided by for the variance of a night: n − 1 for independent
    /// nights, less where nights follow each other.
    freedom: f64,
    /// Variance of the mean over the variance of a night: 1/n for independent nights.
    share: f64,
}

impl Side {
    fn of(values: &[f64], correlation: f64) -> Self {
        let count = real(values.len());
        let mean = mean(values);
        let inflation = inflation(values.len(), correlation);
        Self {
            mean,
            squares: values.iter().map(|value| (value - mean).powi(2)).sum(),
            freedom: count - inflation,
            share: inflation / count,
        }
    }
}

/// How much larger the variance of a mean of `count` nights is when they have this lag-1
/// autocorrelation: `1 + 2 Σ (1 − k/n) ρ^k`, exact for a first-order autoregression.
/// Bayley, G. V. and Hammersley, J. M. (1946), "The effective number of independent observations
/// in an autocorrelated time series".
fn inflation(count: usize, correlation: f64) -> f64 {
    let mut power = 1.0;
    let terms = (1..count).map(|lag| {
        power *= correlation;
        (1.0 - real(lag) / real(count)) * power
    });
    1.0 + 2.0 * terms.sum::<f64>()
}

/// p of Student's two-sided t test with the pooled variance of both sides.
fn pooled_p([left, right]: &[Side; 2]) -> f64 {
    let freedom = left.freedom + right.freedom;
    let variance = (left.squares + right.squares) / freedom;
    let error = (variance * (left.share + right.share)).sqrt();
    two_sided_p(left.mean - right.mean, error, freedom)
}

/// p of Welch's two-sided t test, with the degrees of freedom of Satterthwaite.
fn welch_p(sides: &[Side; 2]) -> f64 {
    let [left, right] = sides.map(|side| side.squares / side.freedom * side.share);
    let [by_left, by_right] = sides.map(|side| side.freedom);
    let error = (left + right).sqrt();
    let freedom = (left + right).powi(2) / (left.powi(2) / by_left + right.powi(2) / by_right);
    two_sided_p(sides[0].mean - sides[1].mean, error, freedom)
}

/// p of a difference with this standard error.
fn two_sided_p(difference: f64, error: f64, freedom: f64) -> f64 {
    if error <= 0.0 {
        return if difference.abs() > 0.0 { 0.0 } else { 1.0 };
    }
    match StudentsT::new(0.0, 1.0, freedom.max(1.0)) {
        Ok(student) => 2.0 * student.sf(difference.abs() / error),
        Err(_) => 1.0,
    }
}

/// Both sides with wild nights pulled in, where there are enough nights to know what is wild, and
/// few enough wild ones.
fn calm(left: &[f64], right: &[f64]) -> [Vec<f64>; 2] {
    let sides = [left, right];
    let distances = sides.map(distances).concat();
    let reach = OUTLIER * MAD_TO_SPREAD * median(&distances);
    let wild = distances.iter().filter(|distance| **distance > reach);
    let share = real(wild.count()) / real(distances.len());
    if distances.len() < OUTLIERS_FROM || share > MOST_OUTLIERS {
        return sides.map(<[f64]>::to_vec);
    }
    sides.map(|side| {
        let level = median(side);
        let pull_in = |value: &f64| value.clamp(level - reach, level + reach);
        side.iter().map(pull_in).collect()
    })
}

/// How far each night is from the level of its side.
fn distances(side: &[f64]) -> Vec<f64> {
    let level = median(side);
    side.iter().map(|value| (value - level).abs()).collect()
}

/// The lag-1 autocorrelation of the series without its levels, or 0 where it is small enough to
/// ignore. Removing a level costs about `(1 + 3ρ)/n` each, which is put back (Marriott, F. H. C.
/// and Pope, J. A. (1954), "Bias in the estimation of autocorrelations").
fn autocorrelation(logs: &[f64], bounds: &[usize]) -> f64 {
    let (mut products, mut squares) = (0.0, 0.0);
    for pair in bounds.windows(2) {
        let segment = &logs[pair[0]..pair[1]];
        let level = mean(segment);
        let residuals: Vec<f64> = segment.iter().map(|value| value - level).collect();
        products += residuals.windows(2).map(|two| two[0] * two[1]).sum::<f64>();
        squares += residuals.iter().map(|value| value.powi(2)).sum::<f64>();
    }
    if squares <= 0.0 {
        return 0.0;
    }
    let found = products / squares;
    let segments = real(bounds.len() - 1);
    let corrected = found + segments * (1.0 + 3.0 * found) / real(logs.len());
    if corrected > AUTOCORRELATED {
        corrected.min(LARGEST_AUTOCORRELATION)
    } else {
        0.0
    }
}

fn is_constant(values: &[f64]) -> bool {
    values.iter().all(|value| same(*value, values[0]))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / real(values.len())
}

#[cfg(test)]
mod tests;
