//! What holds for every part of the file, whatever its keys: nothing is written twice, and
//! nothing is written and left empty.
//!
//! Must not know any key, except that below `json` a user may write what he likes.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::error::quote;

/// Reads a whole document and keeps nothing.
pub(super) struct Shape {
    key: Option<String>,
    free: bool,
}

impl Shape {
    /// The shape of a document.
    pub(super) fn document() -> Self {
        Self {
            key: None,
            free: false,
        }
    }

    fn entry(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            free: self.free || self.key.as_deref() == Some("json"),
        }
    }

    fn item(&self) -> Self {
        Self {
            key: None,
            free: self.free || self.key.as_deref() == Some("json"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.key {
            _ if self.free => Ok(()),
            Some(key) => Err(E::custom(format!(
                "{} has no value\ngive it one, or remove the key",
                quote(&key)
            ))),
            None => Err(E::custom("there is no value here")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.item())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key_seed(Key { seen: &seen })? {
            map.next_value_seed(self.entry(&key))?;
            seen.insert(key);
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(
            "YAML tags have no meaning here\nput the value in quotes if it starts with `!`",
        ))
    }
}

/// Reads a key and fails if it was there before.
struct Key<'a> {
    seen: &'a BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        if self.seen.contains(key) {
            return Err(E::custom(format!(
                "the key {} is written twice\nkeep one of them",
                quote(key)
            )));
        }
        Ok(key.to_owned())
    }
}
