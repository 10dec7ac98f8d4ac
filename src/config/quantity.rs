//! Numbers with their units: `500 KB`, `200 ms`, `1%`, `10/min`.
//!
//! A number without a unit is an error, never a guess. Must not know which key it belongs to.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::error::{Flaw, list, quote};

/// Above this, milliseconds, bytes and counts are mistakes, and sums stay exact.
const LARGEST: f64 = 1e15;

/// Bytes: `500 KB` is 500 000, `500 KiB` is 512 000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size(pub(super) f64);

/// Milliseconds: `200 ms`, `3 s`, `2 min`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Time(pub(super) f64);

/// Events per minute: `10/min`, `200/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(pub(super) f64);

/// A rate of requests: `50/s`, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RateOrAuto {
    /// Events per minute.
    PerMinute(f64),
    /// To be found out.
    Auto,
}

/// A share: `1%` is 0.01.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share(pub(super) f64);

/// A plain number: `5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count(pub(super) f64);

impl Time {
    /// As a duration.
    pub(super) fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0 / 1000.0)
    }
}

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Size,
    Time,
    Rate,
    Share,
    Count,
}

/// A unit: its name, and the fraction that takes it to the base unit. A fraction, because
/// `7 * 0.01` is not `0.07`.
type Scale = (&'static str, f64, f64);

impl Kind {
    const ALL: [Self; 5] = [Self::Size, Self::Time, Self::Rate, Self::Share, Self::Count];

    fn noun(self) -> &'static str {
        match self {
            Self::Size => "a size",
            Self::Time => "a time",
            Self::Rate => "a rate",
            Self::Share => "a percentage",
            Self::Count => "a plain number",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Size => "500 KB",
            Self::Time => "200 ms",
            Self::Rate => "10/min",
            Self::Share => "3%",
            Self::Count => "5",
        }
    }

    fn units(self) -> &'static [Scale] {
        match self {
            Self::Size => &[
                ("KB", 1e3, 1.0),
                ("MB", 1e6, 1.0),
                ("GB", 1e9, 1.0),
                ("KiB", 1024.0, 1.0),
                ("MiB", 1_048_576.0, 1.0),
                ("GiB", 1_073_741_824.0, 1.0),
                ("B", 1.0, 1.0),
            ],
            Self::Time => &[("ms", 1.0, 1.0), ("s", 1e3, 1.0), ("min", 6e4, 1.0)],
            Self::Rate => &[("/min", 1.0, 1.0), ("/s", 60.0, 1.0)],
            Self::Share => &[("%", 1.0, 100.0)],
            Self::Count => &[],
        }
    }

    fn scale(self, unit: &str) -> Option<Scale> {
        let units = self.units().iter();
        units.copied().find(|(name, ..)| *name == unit)
    }
}

fn read(kind: Kind, text: &str) -> Result<f64, Flaw> {
    let example = format!("write for example `{}`", kind.example());
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let Ok(number) = digits.parse::<f64>() else {
        let message = format!("{} is not {}", quote(text), kind.noun());
        return Err(Flaw::new(message).help(example));
    };
    let (numerator, denominator) = match (kind.scale(unit.trim()), unit.trim()) {
        (Some((_, numerator, denominator)), _) => (numerator, denominator),
        (None, "") if kind == Kind::Count => (1.0, 1.0),
        (None, unit) => return Err(wrong_unit(kind, text, digits, unit)),
    };
    let value = number * numerator / denominator;
    if value > LARGEST {
        let message = format!("{} is too large to be meant", quote(text));
        return Err(Flaw::new(message).help(example));
    }
    Ok(value)
}

fn wrong_unit(kind: Kind, text: &str, digits: &str, unit: &str) -> Flaw {
    let noun = kind.noun();
    let example = format!("write for example `{}`", kind.example());
    if unit.is_empty() {
        let message = format!("{} has no unit, but {noun} is needed", quote(text));
        return Flaw::new(message).help(example);
    }
    let other = Kind::ALL
        .into_iter()
        .find(|kind| kind.scale(unit).is_some());
    if let Some(other) = other {
        let found = other.noun();
        let message = format!("{} is {found}, but {noun} is needed", quote(text));
        return Flaw::new(message).help(example);
    }
    let flaw = Flaw::new(format!("{} is not a unit of {noun}", quote(unit)));
    let known: Vec<&str> = kind.units().iter().map(|(name, ..)| *name).collect();
    match known.iter().find(|name| name.eq_ignore_ascii_case(unit)) {
        Some(name) => {
            let space = if name.starts_with(['/', '%']) {
                ""
            } else {
                " "
            };
            flaw.help(format!("did you mean `{digits}{space}{name}`?"))
        }
        None if known.is_empty() => flaw.help(example),
        None => flaw.help(format!("{example}; units are {}", list(&known))),
    }
}

/// Reads the text of a scalar as it is written, so that `500` and `"500"` are the same mistake.
struct QuantityVisitor(Kind);

impl Visitor<'_> for QuantityVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} such as `{}`", self.0.noun(), self.0.example())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        read(self.0, text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for RateOrAuto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrAuto;
        impl Visitor<'_> for OrAuto {
            type Value = RateOrAuto;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as `50/s`, or `auto`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RateOrAuto, E> {
                if text == "auto" {
                    return Ok(RateOrAuto::Auto);
                }
                let rate = read(Kind::Rate, text).map_err(E::custom)?;
                Ok(RateOrAuto::PerMinute(rate))
            }
        }
        deserializer.deserialize_str(OrAuto)
    }
}

macro_rules! deserialize {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(QuantityVisitor(Kind::$name)).map(Self)
            }
        }
    )*};
}

deserialize!(Size, Time, Rate, Share, Count);

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind, text: &str) -> f64 {
        read(kind, text).expect(text)
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "decimal quantities are read exactly")]
    fn units_are_what_they_say() {
        assert_eq!(value(Kind::Size, "500 KB"), 500_000.0);
        assert_eq!(value(Kind::Size, "1.5MiB"), 1_572_864.0);
        assert_eq!(value(Kind::Size, "2 GB"), 2e9);
        assert_eq!(value(Kind::Size, "12 B"), 12.0);
        assert_eq!(value(Kind::Time, "200 ms"), 200.0);
        assert_eq!(value(Kind::Time, "2 min"), 120_000.0);
        assert_eq!(value(Kind::Rate, "10/min"), 10.0);
        assert_eq!(value(Kind::Rate, "200 /s"), 12_000.0);
        assert_eq!(value(Kind::Share, "7%"), 0.07);
        assert_eq!(value(Kind::Count, "2.5"), 2.5);
    }

    #[test]
    fn what_is_no_quantity_says_what_would_be() {
        let cases = [
            (
                Kind::Size,
                "500",
                "`500` has no unit, but a size is needed; write for example `500 KB`",
            ),
            (
                Kind::Size,
                "3 s",
                "`3 s` is a time, but a size is needed; write for example `500 KB`",
            ),
            (
                Kind::Size,
                "5 kb",
                "`kb` is not a unit of a size; did you mean `5 KB`?",
            ),
            (
                Kind::Time,
                "5 sec",
                "`sec` is not a unit of a time; write for example `200 ms`; units are `ms`, `s`, `min`",
            ),
            (
                Kind::Time,
                "-5 s",
                "`-5 s` is not a time; write for example `200 ms`",
            ),
            (
                Kind::Time,
                "1.2.3 s",
                "`1.2.3 s` is not a time; write for example `200 ms`",
            ),
            (
                Kind::Share,
                "inf",
                "`inf` is not a percentage; write for example `3%`",
            ),
            (
                Kind::Count,
                "5 s",
                "`5 s` is a time, but a plain number is needed; write for example `5`",
            ),
            (
                Kind::Size,
                "99999999 GB",
                "`99999999 GB` is too large to be meant; write for example `500 KB`",
            ),
        ];
        for (kind, text, expected) in cases {
            let flaw = read(kind, text).expect_err(text);
            assert_eq!(flaw.to_string().replace('\n', "; "), expected);
        }
    }
}
