//! How often a change point is raised where nothing changed, and found where something did:
//! this rule beside Otava's and "over 110 % of the previous night", on simulated nights.
//!
//! `cargo bench --bench change_points [-- SERIES]`; 2,000 series of each kind take about a minute.
//! Prints a table, and every number again as `figure NAME VALUE`.

#![expect(clippy::print_stdout, reason = "it exists to print")]

use std::time::Instant;

use fastrand::Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};
use tollgate::compare::change_points::change_points;

/// Series of each kind, where no other number is given.
const SERIES: u64 = 2_000;
/// Nights of a series.
const NIGHTS: usize = 100;
/// How far from the true night a change point may be and still count as found.
const NEAR: usize = 1;
/// The step to be found: 10 %.
const STEP: f64 = 1.1;

fn main() {
    let series = std::env::args().find_map(|argument| argument.parse().ok());
    let mut table = Table::begin(series.unwrap_or(SERIES));
    for (name, world) in unchanged().into_iter().chain(outliers()) {
        table.row(&format!("raised: {name}"), |rule, seed| {
            !rule(&world(seed)).is_empty()
        });
    }
    for (name, world) in before_a_step() {
        for nights in [1, 2, 3, 5, 10] {
            let title = format!("found by night {nights}: +10 %, {name}");
            table.row(&title, |rule, seed| is_found(rule, world(seed), nights));
        }
    }
    for (name, world, truth) in shapes() {
        let title = format!("all and nothing else: {name}");
        table.row(&title, |rule, seed| rule(&world(seed)) == truth);
    }
    time_per_series(&mut table.figures);
    println!("\n{}", table.figures.join("\n"));
}

type Rule = fn(&[f64]) -> Vec<usize>;
type World = Box<dyn Fn(u64) -> Vec<f64>>;

/// The rules compared: name, name of the figure, and the rule.
const RULES: [(&str, &str, Rule); 4] = [
    ("this", "this", this),
    ("Otava p 0.001", "otava", |series| otava(series, 0.001, 0.0)),
    ("Otava 1e-5 and 3 %", "otava-strict", |series| {
        otava(series, 1e-5, 0.03)
    }),
    ("over 110 %", "over-110", over_previous),
];

/// Shares in per cent, printed row by row; the figures are kept for the end.
struct Table {
    series: u64,
    figures: Vec<String>,
}

impl Table {
    fn begin(series: u64) -> Self {
        println!("{series} series of {NIGHTS} nights of each kind; shares in %\n");
        let names = RULES.map(|(name, _, _)| format!("{name:>20}"));
        println!("{:46}{}", "", names.concat());
        let figures = Vec::new();
        Self { series, figures }
    }

    /// In how many of the series something holds, by rule.
    fn row(&mut self, title: &str, holds: impl Fn(Rule, u64) -> bool) {
        let name = figure_name(title);
        let cells = RULES.map(|(_, key, rule)| {
            let count = (0..self.series).filter(|seed| holds(rule, *seed)).count();
            let share = 100.0 * real(count) / self.series as f64;
            let figure = format!("figure change-points/{name}/{key} {share:.2}");
            self.figures.push(figure);
            format!("{share:>20.2}")
        });
        println!("{title:46}{}", cells.concat());
    }
}

/// Letters and digits, with a dash for everything between.
fn figure_name(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_lowercase()
}

/// Nights whose level never changed.
fn unchanged() -> Vec<(&'static str, World)> {
    let world = |noise: Noise| -> World { Box::new(move |seed| noise.nights(NIGHTS, seed)) };
    vec![
        ("white, 1 % spread", world(Noise::white(0.01))),
        ("white, 3 % spread", world(Noise::white(0.03))),
        ("white, 5 % spread", world(Noise::white(0.05))),
        ("AR(0.3), 3 % spread", world(Noise::following(0.03, 0.3))),
        ("AR(0.5), 1 % spread", world(Noise::following(0.01, 0.5))),
        ("AR(0.5), 3 % spread", world(Noise::following(0.03, 0.5))),
        ("AR(0.5), 5 % spread", world(Noise::following(0.05, 0.5))),
        ("AR(0.7), 3 % spread", world(Noise::following(0.03, 0.7))),
        ("Student t3, 2 % scale", Box::new(heavy_tailed)),
        ("one night in 4 is 10 % slower", two_kinds(0.25)),
        ("one night in 10 is 10 % slower", two_kinds(0.1)),
        ("one night in 20 is 10 % slower", two_kinds(0.05)),
    ]
}

/// Nights whose level never changed, some of them bad.
fn outliers() -> Vec<(&'static str, World)> {
    let calm = |seed| Noise::white(0.01).nights(NIGHTS, seed);
    vec![
        (
            "1 %, and the last night +30 %",
            Box::new(move |seed| times(calm(seed), NIGHTS - 1..NIGHTS, 1.3)),
        ),
        (
            "1 %, and two of the last three +30 %",
            Box::new(move |seed| times(calm(seed), NIGHTS - 3..NIGHTS - 1, 1.3)),
        ),
        (
            "1 %, and 3 % spells of 1 or 2 bad nights",
            Box::new(move |seed| with_bad_nights(calm(seed), seed)),
        ),
        (
            "1 %, then ten nights of 5 % spread",
            Box::new(move |seed| {
                let mut nights = calm(seed);
                let wild = Noise::white(0.05).nights(10, seed + 1_000_000);
                nights[NIGHTS - 10..].copy_from_slice(&wild);
                nights
            }),
        ),
    ]
}

/// Nights with several changes, and where they are.
fn shapes() -> Vec<(&'static str, World, Vec<usize>)> {
    let calm = |seed| Noise::white(0.01).nights(NIGHTS, seed);
    vec![
        (
            "a bump of 5 nights, 1 %",
            Box::new(move |seed| times(calm(seed), 45..50, STEP)),
            vec![45, 50],
        ),
        (
            "a bump of 10 nights, 1 %",
            Box::new(move |seed| times(calm(seed), 45..55, STEP)),
            vec![45, 55],
        ),
        (
            "two steps of 6 %, 1 %",
            Box::new(move |seed| times(times(calm(seed), 40..NIGHTS, 1.06), 70..NIGHTS, 1.06)),
            vec![40, 70],
        ),
    ]
}

/// Nights to which a step is added in the middle.
fn before_a_step() -> Vec<(&'static str, World)> {
    let world = |noise: Noise| -> World { Box::new(move |seed| noise.nights(NIGHTS, seed)) };
    vec![
        ("1 % spread", world(Noise::white(0.01))),
        ("2 % spread", world(Noise::white(0.02))),
        ("3 % spread", world(Noise::white(0.03))),
        ("3 %, AR(0.5)", world(Noise::following(0.03, 0.5))),
        (
            "1 %, bad nights",
            Box::new(move |seed| with_bad_nights(Noise::white(0.01).nights(NIGHTS, seed), seed)),
        ),
    ]
}

/// Whether a step in the middle is found on one of the first `nights` nights after it.
fn is_found(rule: Rule, unchanged: Vec<f64>, nights: usize) -> bool {
    let step = unchanged.len() / 2;
    let end = unchanged.len();
    let series = times(unchanged, step..end, STEP);
    (1..=nights).any(|night| {
        let found = rule(&series[..step + night]);
        found.iter().any(|index| index.abs_diff(step) <= NEAR)
    })
}

/// Prints how long one search takes.
fn time_per_series(figures: &mut Vec<String>) {
    println!();
    for nights in [100, 365, 1_000] {
        let series: Vec<Vec<f64>> = (0..10)
            .map(|seed| Noise::following(0.03, 0.5).nights(nights, seed))
            .collect();
        let start = Instant::now();
        let found: usize = series.iter().map(|series| this(series).len()).sum();
        let millis = start.elapsed().as_secs_f64() * 1e3 / real(series.len());
        println!("{nights} nights: {millis:.2} ms a series ({found} change points in 10)");
        figures.push(format!(
            "figure change-points/{nights}-nights-ms/this {millis:.2}"
        ));
    }
}

// ---- rules

fn this(series: &[f64]) -> Vec<usize> {
    let found = change_points(series).unwrap_or_default();
    found.iter().map(|point| point.index).collect()
}

/// More than 110 % of the previous night, as github-action-benchmark and others alarm.
fn over_previous(series: &[f64]) -> Vec<usize> {
    (1..series.len())
        .filter(|night| series[*night] > 1.1 * series[night - 1])
        .collect()
}

/// Apache Otava as its `docs/MATH.md` and the paper describe it (Fleming et al. 2023, "Hunter"):
/// windows of 50 nights, each 25 after the one before or at the last change point; divided at the
/// largest energy divergence while Student's t test has p ≤ 10 p; then the weakest are removed
/// while p ≥ `p`, and the smallest while no larger than `magnitude`. Its t test takes standard
/// deviations with n in the denominator (`np.std`) for ones with n − 1, which makes it about
/// twice as liberal on short segments as its p says.
fn otava(series: &[f64], p: f64, magnitude: f64) -> Vec<usize> {
    const WINDOW: usize = 50;
    let mut found: Vec<usize> = Vec::new();
    let mut start = 0;
    while start < series.len() {
        let end = (start + WINDOW).min(series.len());
        let new = otava_window(&series[start..end], 10.0 * p);
        found.extend(new.iter().map(|index| index + start));
        let last = new.last().map_or(0, |index| index + start);
        start = last.max(start + WINDOW / 2);
    }
    found.sort_unstable();
    found.dedup();
    otava_merge(series, found, p, magnitude)
}

fn otava_window(window: &[f64], p: f64) -> Vec<usize> {
    let mut bounds = vec![0, window.len()];
    loop {
        let candidates = bounds
            .windows(2)
            .filter_map(|pair| otava_candidate(window, pair[0], pair[1]));
        let best = candidates.max_by(|left, right| left.0.total_cmp(&right.0));
        match best {
            Some((_, start, index, end))
                if otava_p(&window[start..index], &window[index..end]) <= p =>
            {
                bounds.push(index);
                bounds.sort_unstable();
            }
            _ => return bounds[1..bounds.len() - 1].to_vec(),
        }
    }
}

/// The largest divergence over all divisions and all ends: divergence, start, division, end.
fn otava_candidate(window: &[f64], start: usize, end: usize) -> Option<(f64, usize, usize, usize)> {
    let values = &window[start..end];
    let count = values.len();
    // sums[i][j]: sum of distances between the first i and the first j values.
    let mut sums = vec![vec![0.0; count + 1]; count + 1];
    for i in 0..count {
        for j in 0..count {
            let distance = (values[i] - values[j]).abs();
            sums[i + 1][j + 1] = distance + sums[i][j + 1] + sums[i + 1][j] - sums[i][j];
        }
    }
    let mut best: Option<(f64, usize)> = None;
    for left in 1..count {
        for stop in left + 1..=count {
            let (n, m) = (real(left), real(stop - left));
            let between = sums[left][stop] - sums[left][left];
            let within_left = sums[left][left] / 2.0;
            let within_right = (sums[stop][stop] - 2.0 * sums[left][stop] + sums[left][left]) / 2.0;
            let share = |within: f64, pairs: f64| if pairs > 0.0 { within / pairs } else { 0.0 };
            let divergence = 2.0 / (m + n)
                * (between - m * share(within_left, n - 1.0) - n * share(within_right, m - 1.0));
            if best.is_none_or(|best| divergence > best.0) {
                best = Some((divergence, left));
            }
        }
    }
    best.map(|(divergence, left)| (divergence, start, start + left, end))
}

fn otava_merge(series: &[f64], mut found: Vec<usize>, p: f64, magnitude: f64) -> Vec<usize> {
    loop {
        let bounds = [&[0], found.as_slice(), &[series.len()]].concat();
        let sides = bounds.windows(3).map(|bounds| {
            let before = &series[bounds[0]..bounds[1]];
            (before, &series[bounds[1]..bounds[2]])
        });
        let sides: Vec<_> = sides.enumerate().collect();
        let p_values = sides.iter().map(|(i, (l, r))| (*i, otava_p(l, r)));
        let sizes = sides.iter().map(|(i, (l, r))| (*i, otava_size(l, r)));
        let weakest = p_values.max_by(|left, right| left.1.total_cmp(&right.1));
        let smallest = sizes.min_by(|left, right| left.1.total_cmp(&right.1));
        match (weakest, smallest) {
            (Some((index, found_p)), _) if found_p >= p => found.remove(index),
            (_, Some((index, size))) if size <= magnitude => found.remove(index),
            _ => return found,
        };
    }
}

fn otava_size(left: &[f64], right: &[f64]) -> f64 {
    let ratio = mean(right) / mean(left);
    (ratio - 1.0).abs().max((1.0 / ratio - 1.0).abs())
}

fn otava_p(left: &[f64], right: &[f64]) -> f64 {
    let (n, m) = (real(left.len()), real(right.len()));
    let freedom = n + m - 2.0;
    // The mistake: divided by n, and then used as if divided by n − 1.
    let variance = |values: &[f64]| squares(values) / real(values.len());
    let pooled = ((n - 1.0) * variance(left) + (m - 1.0) * variance(right)) / freedom;
    let error = (pooled * (1.0 / n + 1.0 / m)).sqrt();
    let difference = (mean(left) - mean(right)).abs();
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if error > 0.0 => 2.0 * student.sf(difference / error),
        Ok(_) if difference > 0.0 => 0.0,
        _ => 1.0,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / real(values.len())
}

fn squares(values: &[f64]) -> f64 {
    let center = mean(values);
    values.iter().map(|value| (value - center).powi(2)).sum()
}

// ---- worlds

/// Noise of nights: its spread in log units, and its lag-1 autocorrelation.
#[derive(Clone, Copy)]
struct Noise {
    spread: f64,
    correlation: f64,
}

impl Noise {
    fn white(spread: f64) -> Self {
        Self::following(spread, 0.0)
    }

    fn following(spread: f64, correlation: f64) -> Self {
        Self {
            spread,
            correlation,
        }
    }

    /// Nights around 100; the same for the same seed.
    fn nights(self, count: usize, seed: u64) -> Vec<f64> {
        let mut random = Rng::with_seed(seed);
        let mut state = normal(&mut random);
        let fresh = (1.0 - self.correlation.powi(2)).sqrt();
        let night = |_| {
            let value = 100.0 * (self.spread * state).exp();
            state = self.correlation * state + fresh * normal(&mut random);
            value
        };
        (0..count).map(night).collect()
    }
}

fn heavy_tailed(seed: u64) -> Vec<f64> {
    let mut random = Rng::with_seed(seed);
    let night = |_| {
        let value = normal(&mut random);
        let chi: f64 = (0..3).map(|_| normal(&mut random).powi(2)).sum();
        100.0 * (0.02 * value / (chi / 3.0).sqrt()).exp()
    };
    (0..NIGHTS).map(night).collect()
}

/// This share of nights is 10 % slower, as when memory happens to be laid out badly.
fn two_kinds(share: f64) -> World {
    Box::new(move |seed| {
        let mut random = Rng::with_seed(seed + 2_000_000);
        let nights = Noise::white(0.01).nights(NIGHTS, seed);
        let kind = |night| {
            if random.f64() < share {
                STEP * night
            } else {
                night
            }
        };
        nights.into_iter().map(kind).collect()
    })
}

/// Spells of one or two nights, 15 to 45 % slower, starting on 3 % of nights.
fn with_bad_nights(mut nights: Vec<f64>, seed: u64) -> Vec<f64> {
    let mut random = Rng::with_seed(seed + 3_000_000);
    let mut night = 0;
    while night < nights.len() {
        if random.f64() < 0.03 {
            let end = (night + 1 + random.usize(..2)).min(nights.len());
            let slower = 1.15 + 0.3 * random.f64();
            nights = times(nights, night..end, slower);
            night = end;
        }
        night += 1;
    }
    nights
}

fn times(mut nights: Vec<f64>, which: std::ops::Range<usize>, factor: f64) -> Vec<f64> {
    for night in &mut nights[which] {
        *night *= factor;
    }
    nights
}

/// A standard normal value, by Box and Muller.
fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

fn real(count: usize) -> f64 {
    count as f64
}
