//! `yarn.lock`: of yarn 1, in a form of its own, and of later ones, which is YAML. Both lock what
//! somebody asks for: a name with a range.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Locked, Package, Seen, name_and_version};

/// What both forms say of a package.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "text")]
    version: String,
    /// Name and version as the registry has them; berry only.
    resolution: String,
    dependencies: BTreeMap<String, String>,
    #[serde(rename = "optionalDependencies")]
    optional: BTreeMap<String, String>,
}

/// The version of `__metadata` is a number.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_yaml::Value::deserialize(deserializer)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

/// Reads the file.
pub(super) fn read(text: &str, seen: &Seen<'_>) -> Result<Locked, String> {
    let is_berry = text.lines().any(|line| line.starts_with("__metadata:"));
    let entries = match is_berry {
        true => serde_yaml::from_str(text).map_err(|error| error.to_string())?,
        false => classic(text)?,
    };
    Ok(graph(&entries, seen))
}

fn graph(entries: &BTreeMap<String, Entry>, seen: &Seen<'_>) -> Locked {
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, key) in entries.keys().enumerate() {
        keys.extend(descriptors(key).map(|descriptor| (descriptor, index)));
    }
    let resolve = |name: &str, range: &str| -> Option<usize> {
        let plain = keys.get(format!("{name}@{range}").as_str());
        // Yarn 2 and 3 leave the protocol out where they name what a package needs.
        let with_protocol = || keys.get(format!("{name}@npm:{range}").as_str());
        plain.or_else(with_protocol).copied()
    };
    let packages = entries.iter().map(|(key, entry)| {
        let alias = |text: &'_ str| {
            let (name, version) = name_and_version(text)?;
            let real = version.strip_prefix("npm:").and_then(name_and_version);
            Some(real.map_or(name, |(real, _)| real).to_owned())
        };
        let known = match entry.resolution.is_empty() {
            true => descriptors(key).next().and_then(alias),
            false => alias(&entry.resolution),
        };
        let needs = entry.dependencies.iter().chain(&entry.optional);
        Package {
            name: known.unwrap_or_else(|| key.clone()),
            // A package of the workspace has no version of its own.
            version: match entry.version.as_str() {
                "0.0.0-use.local" => String::new(),
                version => version.to_owned(),
            },
            needs: needs
                .filter_map(|(name, range)| Some((name.clone(), resolve(name, range)?)))
                .collect(),
        }
    });
    let asked =
        (seen.asks.iter()).filter_map(|(name, range)| Some((name.clone(), resolve(name, range)?)));
    Locked {
        packages: packages.collect(),
        asked: asked.collect(),
    }
}

/// What is asked for in `a@^1.0.0, a@^1.2.0`.
fn descriptors(key: &str) -> impl Iterator<Item = &str> {
    key.split(", ").map(|it| it.trim_matches('"'))
}

/// Blocks of a line without indent, two spaces before what is said of it, and four before what it
/// needs.
fn classic(text: &str) -> Result<BTreeMap<String, Entry>, String> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut key = String::new();
    let mut section = "";
    for (number, line) in (1..).zip(text.lines()) {
        let inner = line.trim_start();
        if inner.is_empty() || inner.starts_with('#') {
            continue;
        }
        let wrong = || format!("line {number} is not what yarn writes");
        match line.len() - inner.len() {
            0 => {
                key = inner.strip_suffix(':').ok_or_else(wrong)?.to_owned();
                section = "";
                entries.insert(key.clone(), Entry::default());
            }
            2 => {
                section = inner.strip_suffix(':').unwrap_or_default();
                if let Some(version) = inner.strip_prefix("version ") {
                    let entry = entries.get_mut(&key).ok_or_else(wrong)?;
                    version.trim_matches('"').clone_into(&mut entry.version);
                }
            }
            _ => {
                let entry = entries.get_mut(&key).ok_or_else(wrong)?;
                let (name, range) = inner.split_once(' ').ok_or_else(wrong)?;
                let needs = match section {
                    "dependencies" => &mut entry.dependencies,
                    "optionalDependencies" => &mut entry.optional,
                    _ => continue,
                };
                let plain = |text: &str| text.trim_matches('"').to_owned();
                needs.insert(plain(name), plain(range));
            }
        }
    }
    match entries.is_empty() && !text.contains("yarn lockfile") {
        true => Err("it holds no package".to_owned()),
        false => Ok(entries),
    }
}
