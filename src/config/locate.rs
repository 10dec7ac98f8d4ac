//! Where a key or a value stands in the text.
//!
//! The YAML parser knows the place of everything, but tells it only in errors. So the way to a
//! path is walked once more and ended by an error at the goal: no second parser of YAML, and no
//! place that differs from the one the parser would name.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A path of keys and indices from the root of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The path of the document.
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// The path of an entry of this mapping.
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The path of an item of this list, counted from 0.
    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// Whether the last step is this key.
    pub(super) fn ends_with(&self, key: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(last)) if last == key)
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// Which half of an entry is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// A place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// Counted from 1.
    pub(super) line: usize,
    /// In characters, counted from 1.
    pub(super) column: usize,
    /// What stands there, where that is known, without quotes.
    pub(super) text: Option<String>,
}

/// The place of a path; of the nearest thing around it where the path does not exist.
pub(super) fn locate(text: &str, path: &KeyPath, target: Target) -> Option<Spot> {
    let mut steps = path.0.as_slice();
    let mut target = target;
    loop {
        if let Some(spot) = walk(text, steps, target) {
            return Some(spot);
        }
        steps = steps.split_last()?.1;
        target = Target::Key;
    }
}

fn walk(text: &str, steps: &[Step], target: Target) -> Option<Spot> {
    let found = RefCell::new(None);
    let seeker = Seeker {
        steps,
        target,
        found: &found,
    };
    let error = seeker
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()?;
    let location = error.location()?;
    Some(Spot {
        line: location.line(),
        column: location.column(),
        text: found.into_inner(),
    })
}

/// Follows the steps and fails at the last.
#[derive(Clone, Copy)]
struct Seeker<'a> {
    steps: &'a [Step],
    target: Target,
    found: &'a RefCell<Option<String>>,
}

impl Seeker<'_> {
    fn stop<E: Error>(&self, text: &str) -> E {
        *self.found.borrow_mut() = Some(text.to_owned());
        E::custom("found")
    }
}

impl<'de> DeserializeSeed<'de> for Seeker<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps.first() {
            Some(Step::Key(_)) => deserializer.deserialize_map(self),
            Some(Step::Index(_)) => deserializer.deserialize_seq(self),
            // For a mapping or a list this is an error too, at the same place.
            None => deserializer.deserialize_str(self),
        }
    }
}

impl<'de> Visitor<'de> for Seeker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of the path")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(self.stop(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(wanted) = map.next_key_seed(KeySeeker(self))? {
            if wanted {
                let rest = &self.steps[1..];
                map.next_value_seed(Seeker {
                    steps: rest,
                    ..self
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some(Step::Index(wanted)) = self.steps.first() else {
            return Ok(());
        };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        let rest = &self.steps[1..];
        items.next_element_seed(Seeker {
            steps: rest,
            ..self
        })?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Says whether a key is the next step, and fails at it when it is the goal.
struct KeySeeker<'a>(Seeker<'a>);

impl<'de> DeserializeSeed<'de> for KeySeeker<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeeker<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match self.0.steps {
            [Step::Key(last)] if last == key && self.0.target == Target::Key => {
                Err(self.0.stop(key))
            }
            [Step::Key(wanted), ..] => Ok(wanted == key),
            [] | [Step::Index(_), ..] => Ok(false),
        }
    }
}
