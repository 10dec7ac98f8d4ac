//! Where a series divides best: the energy divergence of E-Divisive, with exponent 1.
//!
//! Matteson, D. S. and James, N. A. (2014), "A Nonparametric Approach for Multiple Change Point
//! Analysis of Multivariate Data", JASA 109. It asks how much further apart the values of the two
//! sides are from each other than among themselves, so it needs no assumption about their
//! distribution. It only proposes: what is accepted is decided in
//! [`change_points`](super::change_points).
//!
//! Segments are written as *bounds*: `0`, every first index of a later segment, and the length.

/// Divides a series again and again until no segment can be divided any more, whatever the
/// divergence. Stopping at the first division that does not convince would hide a short bump in
/// the middle: half of a bump against the rest is no difference, its two edges are.
pub(super) fn divide(values: &[f64], least: usize) -> Vec<usize> {
    let mut bounds = vec![0, values.len()];
    let mut segments = vec![(0, values.len())];
    while let Some((start, end)) = segments.pop() {
        if let Some(length) = most_divergent(&values[start..end], least) {
            let middle = start + length;
            bounds.push(middle);
            segments.extend([(start, middle), (middle, end)]);
        }
    }
    bounds.sort_unstable();
    bounds
}

/// Moves every bound to where its two neighbouring segments together divide best; whether any
/// moved. A bound found while its neighbours were not yet known may be some nights off.
pub(super) fn adjust(values: &[f64], bounds: &mut [usize], least: usize) -> bool {
    let before = bounds.to_vec();
    for (index, window) in before.windows(3).enumerate() {
        let (start, end) = (window[0], window[2]);
        let best = most_divergent(&values[start..end], least).map(|length| start + length);
        // The left neighbour may have moved towards this bound.
        let moved = best.filter(|best| *best >= bounds[index] + least);
        bounds[index + 1] = moved.unwrap_or(bounds[index + 1]);
    }
    before != *bounds
}

/// The length of the left side of the division with the largest divergence, with at least `least`
/// values on each side. None where there are too few values or all are the same.
fn most_divergent(values: &[f64], least: usize) -> Option<usize> {
    let first = *values.first()?;
    if values.iter().all(|value| same(*value, first)) {
        return None;
    }
    let mut distances = Distances::undivided(values);
    let mut best = None;
    let mut largest = f64::NEG_INFINITY;
    for left in 1..values.len() {
        distances.move_left(values, left - 1);
        let is_long_enough = left >= least && values.len() - left >= least;
        let divergence = distances.divergence(left, values.len() - left);
        if is_long_enough && divergence > largest {
            largest = divergence;
            best = Some(left);
        }
    }
    best
}

/// Whether two values have the same bits.
pub(super) fn same(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits()
}

/// Sums of absolute differences over all pairs, by where the two values of a pair are.
struct Distances {
    between: f64,
    within_left: f64,
    within_right: f64,
}

impl Distances {
    /// Everything is on the right.
    fn undivided(values: &[f64]) -> Self {
        let to_later = |(index, value)| distance_to(&values[index + 1..], value);
        Self {
            between: 0.0,
            within_left: 0.0,
            within_right: values.iter().copied().enumerate().map(to_later).sum(),
        }
    }

    /// Moves the value at `index`, the first of the right side, to the left side.
    fn move_left(&mut self, values: &[f64], index: usize) {
        let to_left = distance_to(&values[..index], values[index]);
        let to_right = distance_to(&values[index + 1..], values[index]);
        self.within_left += to_left;
        self.within_right -= to_right;
        self.between += to_right - to_left;
    }

    /// The divergence, scaled by the sizes of the two sides (equation 5 of the paper).
    fn divergence(&self, left: usize, right: usize) -> f64 {
        let (m, n) = (real(left), real(right));
        // A single value has no distance to itself: 0 of 0 pairs.
        let pairs = |count: f64| (count * (count - 1.0) / 2.0).max(1.0);
        let between = 2.0 * self.between / (m * n);
        let within = self.within_left / pairs(m) + self.within_right / pairs(n);
        m * n / (m + n) * (between - within)
    }
}

fn distance_to(values: &[f64], from: f64) -> f64 {
    values.iter().map(|value| (value - from).abs()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a count of nights")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The divergence as the paper writes it, pair by pair.
    fn divergence_by_definition(left: &[f64], right: &[f64]) -> f64 {
        let (m, n) = (real(left.len()), real(right.len()));
        let all = |one: &[f64], other: &[f64]| -> f64 {
            one.iter().map(|value| distance_to(other, *value)).sum()
        };
        let between = 2.0 / (m * n) * all(left, right);
        let within_left = all(left, left) / (m * (m - 1.0));
        let within_right = all(right, right) / (n * (n - 1.0));
        m * n / (m + n) * (between - within_left - within_right)
    }

    #[test]
    fn agrees_with_the_definition_at_every_division() {
        let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 5.0];
        let mut distances = Distances::undivided(&values);
        distances.move_left(&values, 0);
        for left in 2..values.len() - 1 {
            distances.move_left(&values, left - 1);
            let (one, other) = values.split_at(left);
            let expected = divergence_by_definition(one, other);
            let found = distances.divergence(left, values.len() - left);
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
    }

    #[test]
    fn divides_at_the_step_and_never_below_the_least_length() {
        let mut values = [1.0; 10];
        values[6..].fill(2.0);
        assert_eq!(divide(&values, 3), [0, 6, 10]);
        assert_eq!(divide(&values, 5), [0, 5, 10]);
        assert_eq!(divide(&values, 6), [0, 10]);
    }

    #[test]
    fn what_is_constant_or_short_is_one_segment() {
        assert_eq!(divide(&[1.0; 50], 3), [0, 50]);
        assert_eq!(divide(&[1.0, 2.0, 3.0], 3), [0, 3]);
        assert_eq!(divide(&[], 3), [0, 0]);
    }

    #[test]
    fn a_bound_moves_to_where_it_belongs() {
        let mut values = [1.0; 20];
        values[12..].fill(2.0);
        let mut bounds = [0, 9, 20];
        assert!(adjust(&values, &mut bounds, 3));
        assert_eq!(bounds, [0, 12, 20]);
        assert!(!adjust(&values, &mut bounds, 3));
    }
}
