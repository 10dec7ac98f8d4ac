//! When requests of an open loop are due.
//!
//! Pure: the same seed gives the same times, so that all arms are sent the same traffic. Users do
//! not wait for one another, so arrivals are a Poisson process unless asked for otherwise.

use std::time::Duration;

use crate::measure::plan::Arrivals;

/// Times since the start, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    random: fastrand::Rng,
    arrivals: Arrivals,
    /// Seconds between two requests on average.
    gap: f64,
    /// When the last one was due.
    at: f64,
}

impl Schedule {
    /// So many requests a second.
    pub(super) fn new(arrivals: Arrivals, per_second: f64, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let gap = 1.0 / per_second;
        let at = match arrivals {
            Arrivals::Poisson => 0.0,
            // Somewhere within the first gap, or every slice would start with a request.
            Arrivals::Uniform => -gap * random.f64(),
        };
        Self {
            random,
            arrivals,
            gap,
            at,
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at += match self.arrivals {
            // `f64` is below 1, so the logarithm is of more than 0.
            Arrivals::Poisson => -self.gap * (1.0 - self.random.f64()).ln(),
            Arrivals::Uniform => self.gap,
        };
        Duration::try_from_secs_f64(self.at.max(0.0)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(arrivals: Arrivals, seed: u64) -> Vec<f64> {
        let times: Vec<f64> = Schedule::new(arrivals, 500.0, seed)
            .take(20_001)
            .map(|at| at.as_secs_f64())
            .collect();
        times.windows(2).map(|two| two[1] - two[0]).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_the_exponential() {
        let gaps = gaps(Arrivals::Poisson, 7);
        let mean_gap = mean(&gaps);
        assert!((mean_gap - 0.002).abs() < 0.000_06, "{mean_gap}");
        let squares: Vec<f64> = gaps.iter().map(|gap| (gap - mean_gap).powi(2)).collect();
        let spread = mean(&squares).sqrt();
        assert!((spread / mean_gap - 1.0).abs() < 0.05, "{spread}");
    }

    #[test]
    fn uniform_gaps_are_all_alike_and_the_first_is_shorter() {
        assert!(
            gaps(Arrivals::Uniform, 7)
                .iter()
                .all(|gap| (gap - 0.002).abs() < 1e-8)
        );
        let first = Schedule::new(Arrivals::Uniform, 500.0, 7).next().unwrap();
        assert!(first < Duration::from_millis(2));
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        assert_eq!(gaps(Arrivals::Poisson, 1), gaps(Arrivals::Poisson, 1));
        assert_ne!(gaps(Arrivals::Poisson, 1), gaps(Arrivals::Poisson, 2));
    }
}
