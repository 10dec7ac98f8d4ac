//! How often something happens, known from a few tries: a share with its exact interval.
//!
//! Clopper, C. and Pearson, E. S. (1934), "The use of confidence or fiducial limits illustrated
//! in the case of the binomial".

use statrs::distribution::{Beta, ContinuousCDF};

use super::estimate::CONFIDENCE;
use crate::model::Estimate;

/// The share of `tries` in which it happened, with its two-sided 95 % interval. Without tries
/// nothing is known: 0 to 1.
pub fn rate(happened: u32, tries: u32) -> Estimate {
    if tries == 0 {
        return Estimate {
            point: 0.0,
            low: 0.0,
            high: 1.0,
        };
    }
    let (k, n) = (f64::from(happened.min(tries)), f64::from(tries));
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let quantile = |a: f64, b: f64, share: f64| {
        Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(share))
    };
    Estimate {
        point: k / n,
        low: if happened == 0 {
            0.0
        } else {
            quantile(k, n - k + 1.0, tail)
        },
        high: if happened >= tries {
            1.0
        } else {
            quantile(k + 1.0, n - k, 1.0 - tail)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(happened: u32, tries: u32) -> (f64, f64) {
        let rate = rate(happened, tries);
        (
            (rate.low * 1e4).round() / 1e4,
            (rate.high * 1e4).round() / 1e4,
        )
    }

    #[test]
    fn agrees_with_published_tables() {
        // 1 - 0.025^(1/20), and the table of Clopper and Pearson for 1 and 10 of 20.
        assert_eq!(bounds(0, 20), (0.0, 0.1684));
        assert_eq!(bounds(1, 20), (0.0013, 0.2487));
        assert_eq!(bounds(10, 20), (0.2720, 0.7280));
        assert_eq!(bounds(20, 20), (0.8316, 1.0));
    }

    #[test]
    fn nothing_tried_is_nothing_known() {
        assert_eq!(bounds(0, 0), (0.0, 1.0));
    }
}
