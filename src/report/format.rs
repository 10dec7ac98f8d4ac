//! Numbers as people read them.
//!
//! Must not judge: a sign or a word here follows the numbers, never a tolerance.

use crate::model::worse::UP_FROM_ZERO;
use crate::model::{Better, Change, Estimate, Metric, Target, Unit};

/// A value in its unit: `12.3 ms`, `184.2 KB` (1000-based), `21.0 queries`, `10.4/min`.
pub(super) fn quantity(metric: Metric, value: f64) -> String {
    match metric.unit() {
        Unit::Bytes => bytes(value),
        Unit::Milliseconds => milliseconds(value),
        Unit::PerMinute => format!("{}/min", number(value, 1)),
        Unit::Share => percent(value),
        Unit::Count => format!("{} {}", number(value, 1), counted(metric)),
    }
}

/// A value with a digit more than in the report, for those who compare two of them.
pub(super) fn finely(metric: Metric, value: f64) -> String {
    match metric.unit() {
        Unit::Milliseconds => in_milliseconds(value, 1),
        Unit::Bytes | Unit::PerMinute | Unit::Share | Unit::Count => quantity(metric, value),
    }
}

/// A value to its last digit, where it is known that well: `184,213 B`.
pub(super) fn exactly(metric: Metric, value: f64) -> String {
    match metric.unit() {
        Unit::Bytes if value.abs() < 1e15 => format!("{} B", grouped(&format!("{value:.0}"))),
        Unit::Bytes | Unit::Milliseconds | Unit::PerMinute | Unit::Share | Unit::Count => {
            finely(metric, value)
        }
    }
}

/// What a difference must exceed: `0.3 ms`, `1 KB`.
pub(super) fn floor(metric: Metric, value: f64) -> String {
    without_zero_decimals(&quantity(metric, value))
}

/// Text of a value with its sign in front: `+38.0 queries`, `−4,096 B`.
pub(super) fn with_sign(value: f64, text: impl Fn(f64) -> String) -> String {
    let sign = match value {
        value if value > 0.0 => "+",
        value if value < 0.0 => "−",
        _ => "",
    };
    format!("{sign}{}", text(value.abs()))
}

/// A relative change as the value itself moved, without an interval.
pub(super) fn moved(metric: Metric, worse_by: f64) -> String {
    let worse_by = Estimate::exact(worse_by);
    change(metric, Change { worse_by }).0
}

/// A probability: `0.0013`, `3.1e-9`.
pub(super) fn chance(value: f64) -> String {
    if value >= 0.0001 {
        format!("{value:.4}")
    } else {
        format!("{value:.1e}")
    }
}

/// The target of a metric with its direction: `≤ 200 ms`, `≥ 10/min`.
pub(super) fn limit(metric: Metric, target: &Target) -> String {
    let sign = match metric.better() {
        Better::Lower => "≤",
        Better::Higher => "≥",
    };
    let text = quantity(metric, target.limit);
    format!("{sign} {}", without_zero_decimals(&text))
}

/// How far a value is from its target: `inside by 412 KB (18 %)`, `over by 12 ms (6 %)`.
pub(super) fn gap(metric: Metric, target: &Target, value: f64) -> String {
    let (beyond, word) = match metric.better() {
        Better::Lower => (value - target.limit, "over by"),
        Better::Higher => (target.limit - value, "short by"),
    };
    let word = if beyond > 0.0 { word } else { "inside by" };
    let distance = without_zero_decimals(&match metric.unit() {
        // What is counted is clear from the value beside it.
        Unit::Count => number(beyond.abs(), 1),
        Unit::Bytes | Unit::Milliseconds | Unit::PerMinute | Unit::Share => {
            quantity(metric, beyond.abs())
        }
    });
    if target.limit > 0.0 {
        let share = number(beyond.abs() / target.limit * 100.0, 0);
        format!("{word} {distance} ({share} %)")
    } else {
        format!("{word} {distance}")
    }
}

/// A relative change as the value itself moved: `+41.2 %`; its interval, where there is one.
pub(super) fn change(metric: Metric, change: Change) -> (String, Option<String>) {
    let worse = change.worse_by;
    let (point, low, high) = match metric.better() {
        Better::Lower => (worse.point, worse.low, worse.high),
        Better::Higher => (-worse.point, -worse.high, -worse.low),
    };
    if point >= f64::MAX {
        return (UP_FROM_ZERO.to_owned(), None);
    }
    let exact = (high - low).abs() < f64::EPSILON;
    let interval = (!exact).then(|| {
        let (low, high) = (signed(low), signed(high));
        format!("{} … {}", without_plus(&low), without_plus(&high))
    });
    (format!("{} %", signed(point)), interval)
}

/// A share as per cent: `3.1 %`.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value > 0.0 && value < 0.05 {
        return "< 0.1 %".to_owned();
    }
    format!("{} %", number(value, 1))
}

/// A duration: `0.4 s`, `41 s`, `3 min 12 s`.
pub(super) fn seconds(value: f64) -> String {
    if value < 9.95 {
        return format!("{value:.1} s");
    }
    let whole = value.round();
    let minutes = (whole / 60.0).floor();
    let rest = whole - minutes * 60.0;
    if minutes < 1.0 {
        format!("{rest:.0} s")
    } else {
        format!("{minutes:.0} min {rest:.0} s")
    }
}

/// A number of things: `1 metric`, `31 metrics`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", grouped(&number.to_string()))
}

/// Bytes, 1000-based.
pub(super) fn bytes(value: f64) -> String {
    let size = value.abs();
    if size < 999.5 {
        format!("{} B", number(value, 0))
    } else if size < 999_950.0 {
        format!("{} KB", number(value / 1e3, 1))
    } else if size < 999_950_000.0 {
        format!("{} MB", number(value / 1e6, 2))
    } else {
        format!("{} GB", number(value / 1e9, 2))
    }
}

/// The memory of a machine: `16 GB`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
pub(super) fn memory(size: u64) -> String {
    format!("{:.0} GB", size as f64 / 1e9)
}

fn milliseconds(value: f64) -> String {
    in_milliseconds(value, 0)
}

/// With more decimals than people need at a glance.
fn in_milliseconds(value: f64, more: usize) -> String {
    let size = value.abs();
    if size >= 999.5 {
        return format!("{} s", number(value / 1e3, 2 + more));
    }
    let decimals = more
        + match size {
            size if size >= 99.95 => 0,
            size if size >= 9.995 => 1,
            size if size >= 0.9995 => 2,
            _ => 3,
        };
    format!("{value:.decimals$} ms")
}

/// What a count counts, in the plural: its values are means and have a decimal.
fn counted(metric: Metric) -> &'static str {
    match metric {
        Metric::QueriesPerRequest => "queries",
        Metric::RowsPerRequest => "rows",
        Metric::PagesPerRequest => "pages",
        Metric::CacheCommandsPerRequest => "commands",
        Metric::CacheMissesPerRequest => "misses",
        Metric::ModelLoadsPerRequest => "loads",
        Metric::ModelRunsPerRequest => "runs",
        Metric::QueueDepth => "messages",
        Metric::BatchGain => "times",
        Metric::InitialJs
        | Metric::InitialCss
        | Metric::OnDemand
        | Metric::Total
        | Metric::Size
        | Metric::LatencyP50
        | Metric::LatencyP95
        | Metric::LatencyMean
        | Metric::ColdStart
        | Metric::CpuPerRequest
        | Metric::Throughput
        | Metric::ErrorRate
        | Metric::DifferentAnswers
        | Metric::QueryMean
        | Metric::ResponseBytes
        | Metric::Memory
        | Metric::BytesReadPerRequest
        | Metric::PeakMemory
        | Metric::GpuMemory
        | Metric::GpuUtilization => "",
    }
}

fn without_plus(text: &str) -> &str {
    text.strip_prefix('+').unwrap_or(text)
}

/// A share as per cent with the sign in front and a real minus: `+41.2`, `−3.0`, `0.0`.
fn signed(share: f64) -> String {
    let value = share * 100.0;
    if value.abs() < 0.05 {
        return "0.0".to_owned();
    }
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{}", number(value.abs(), 1))
}

/// Fixed decimals below a thousand, none above, with a comma between thousands.
fn number(value: f64, decimals: usize) -> String {
    // A share of a finite value need not be finite in per cent.
    let value = value.clamp(-f64::MAX, f64::MAX);
    if value.abs() < 999.5 {
        format!("{value:.decimals$}")
    } else if value.abs() < 1e15 {
        grouped(&format!("{value:.0}"))
    } else {
        format!("{value:.1e}")
    }
}

/// `12345` as `12,345`.
fn grouped(digits: &str) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

/// `200.0 ms` as `200 ms`: a target is as round as it was written.
fn without_zero_decimals(text: &str) -> String {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.contains('.') {
        let number = number.trim_end_matches('0').trim_end_matches('.');
        format!("{number}{unit}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BudgetVerdict;

    fn target(limit: f64) -> Target {
        Target {
            limit,
            verdict: BudgetVerdict::Met,
        }
    }

    #[test]
    fn values_are_readable() {
        let cases = [
            (Metric::LatencyP50, 0.0184, "0.018 ms"),
            (Metric::LatencyP50, 5.118, "5.12 ms"),
            (Metric::LatencyP50, 12.34, "12.3 ms"),
            (Metric::LatencyP50, 212.7, "213 ms"),
            (Metric::LatencyMean, 4_812.0, "4.81 s"),
            (Metric::InitialJs, 512.0, "512 B"),
            (Metric::InitialJs, 184_213.0, "184.2 KB"),
            (Metric::Memory, 412_300_000.0, "412.30 MB"),
            (Metric::QueriesPerRequest, 21.0, "21.0 queries"),
            (Metric::RowsPerRequest, 12_000.0, "12,000 rows"),
            (Metric::Throughput, 10.43, "10.4/min"),
            (Metric::ErrorRate, 0.3, "30.0 %"),
            (Metric::ErrorRate, 0.0001, "< 0.1 %"),
        ];
        for (metric, value, expected) in cases {
            assert_eq!(quantity(metric, value), expected);
        }
    }

    #[test]
    fn a_gap_says_which_side() {
        let text = |metric, limit, value| gap(metric, &target(limit), value);
        assert_eq!(
            text(Metric::LatencyMean, 200.0, 212.0),
            "over by 12 ms (6 %)"
        );
        assert_eq!(
            text(Metric::InitialJs, 500e3, 88e3),
            "inside by 412 KB (82 %)"
        );
        assert_eq!(text(Metric::Throughput, 10.0, 8.0), "short by 2/min (20 %)");
        assert_eq!(text(Metric::ErrorRate, 0.0, 0.2), "over by 20 %");
        assert_eq!(
            text(Metric::QueriesPerRequest, 5.0, 21.0),
            "over by 16 (320 %)"
        );
        assert_eq!(limit(Metric::LatencyMean, &target(200.0)), "≤ 200 ms");
        assert_eq!(limit(Metric::Throughput, &target(10.0)), "≥ 10/min");
        assert_eq!(limit(Metric::InitialJs, &target(500e3)), "≤ 500 KB");
    }

    #[test]
    fn a_change_points_where_the_value_went() {
        let worse_by = Estimate {
            point: 0.1,
            low: 0.08,
            high: 0.12,
        };
        let both = |metric| change(metric, Change { worse_by });
        assert_eq!(
            both(Metric::LatencyP50),
            ("+10.0 %".to_owned(), Some("8.0 … 12.0".to_owned()))
        );
        assert_eq!(
            both(Metric::Throughput),
            ("−10.0 %".to_owned(), Some("−12.0 … −8.0".to_owned()))
        );
        let from_zero = Change {
            worse_by: Estimate::exact(f64::MAX),
        };
        assert_eq!(change(Metric::RowsPerRequest, from_zero).0, "up from zero");
    }

    #[test]
    fn durations_and_counts_read_as_words() {
        assert_eq!(seconds(0.42), "0.4 s");
        assert_eq!(seconds(59.7), "1 min 0 s");
        assert_eq!(seconds(192.0), "3 min 12 s");
        assert_eq!(count(1, "metric", "metrics"), "1 metric");
        assert_eq!(count(3_000, "metric", "metrics"), "3,000 metrics");
    }
}
