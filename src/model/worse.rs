//! How much worse something is, in numbers and in words.
//!
//! Must not decide whether that is too much.

use super::metric::Unit;

/// What is said of growth from zero: there is no share of it.
pub const UP_FROM_ZERO: &str = "up from zero";

/// How much worse something is, as far as that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Worse {
    /// As a share of what it was; none of zero.
    pub share: Option<f64>,
    /// In the metric's unit.
    pub added: Option<f64>,
}

impl Worse {
    /// What numbers say: a share that is no number, or the `f64::MAX` of growth from zero, says nothing.
    pub fn of(share: Option<f64>, added: Option<f64>) -> Self {
        let is_size = |size: &f64| size.is_finite() && *size < f64::MAX;
        Self {
            share: share.filter(is_size),
            added: added.filter(is_size),
        }
    }

    /// Whether anything is known.
    pub fn is_known(self) -> bool {
        self.share.is_some() || self.added.is_some()
    }

    /// What is to be remembered of it: the share, and of growth from zero how much it was.
    pub fn remembered(self) -> Self {
        Self {
            added: self.added.filter(|_| self.share.is_none()),
            ..self
        }
    }

    /// Whether it is no more than a limit in any respect that the limit knows; a limit that knows nothing
    /// holds nothing.
    pub fn is_within(self, limit: Self) -> bool {
        let holds = |size: Option<f64>, most: Option<f64>| {
            most.is_none_or(|most| size.is_some_and(|size| size <= most))
        };
        limit.is_known() && holds(self.share, limit.share) && holds(self.added, limit.added)
    }

    /// In words: `12.3 % worse`, `up from zero by 3`.
    pub fn in_words(self, unit: Unit) -> String {
        match self.share {
            Some(share) => format!("{} worse", percent(share)),
            None => format!("{UP_FROM_ZERO}{}", self.by(unit)),
        }
    }

    /// The same with what it is compared with: `12.3 % worse than in release 2`, `up from zero in release 2
    /// by 3`.
    pub fn than(self, when: &str, unit: Unit) -> String {
        match self.share {
            Some(share) => format!("{} worse than in {when}", percent(share)),
            None => format!("{UP_FROM_ZERO} in {when}{}", self.by(unit)),
        }
    }

    fn by(self, unit: Unit) -> String {
        match self.added {
            Some(added) => format!(" by {}", amount(added, unit)),
            None => String::new(),
        }
    }
}

/// A measured share: `12.3 %`.
pub fn percent(share: f64) -> String {
    let value = (share * 100.0).clamp(-f64::MAX, f64::MAX);
    if value.abs() < 1e15 {
        format!("{value:.1} %")
    } else {
        format!("{value:.1e} %")
    }
}

/// A share that somebody wrote, as they wrote it: `7 %`, `0.25 %`.
pub fn written(share: f64) -> String {
    format!("{} %", rounded(share * 100.0))
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format!("{} B", rounded(value)),
        Unit::Milliseconds => format!("{} ms", rounded(value)),
        Unit::PerMinute => format!("{}/min", rounded(value)),
        Unit::Share => percent(value),
        Unit::Count => rounded(value),
    }
}

/// A number with at most six decimals: what a product of two numbers adds behind them is nobody's.
fn rounded(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_said_as_it_was_written() {
        for (number, expected) in [
            (7.0, "7 %"),
            (7.5, "7.5 %"),
            (0.25, "0.25 %"),
            (110.0, "110 %"),
            (57.0, "57 %"),
            (0.0, "0 %"),
            (10_000.0, "10000 %"),
        ] {
            assert_eq!(written(number / 100.0), expected);
        }
    }

    #[test]
    fn growth_from_zero_has_words_and_no_share() {
        let from_zero = Worse::of(Some(f64::MAX), Some(3.0));
        assert_eq!(from_zero.in_words(Unit::Count), "up from zero by 3");
        assert_eq!(
            from_zero.than("the last night, abc", Unit::Bytes),
            "up from zero in the last night, abc by 3 B"
        );
        let unknown = Worse::of(Some(f64::INFINITY), None);
        assert_eq!(unknown.in_words(Unit::Count), "up from zero");
        assert!(!unknown.is_known());
        let worse = Worse::of(Some(0.0712), Some(3.0));
        assert_eq!(worse.in_words(Unit::Count), "7.1 % worse");
        assert_eq!(percent(f64::MAX), "1.8e308 %");
    }

    #[test]
    fn every_limit_that_is_known_holds() {
        let worse = Worse::of(Some(0.5), Some(4.0));
        let from_zero = Worse::of(Some(f64::MAX), Some(4.0));
        for (share, added, holds, holds_from_zero) in [
            (Some(0.5), None, true, false),
            (None, Some(4.0), true, true),
            (Some(0.5), Some(3.0), false, false),
            (Some(0.4), Some(4.0), false, false),
            (None, Some(3.0), false, false),
            (None, None, false, false),
            (Some(f64::MAX), None, false, false),
            (Some(f64::INFINITY), Some(f64::MAX), false, false),
        ] {
            let limit = Worse::of(share, added);
            assert_eq!(worse.is_within(limit), holds, "{limit:?}");
            assert_eq!(from_zero.is_within(limit), holds_from_zero, "{limit:?}");
        }
    }
}
