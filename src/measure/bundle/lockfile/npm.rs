//! `package-lock.json` and `bun.lock`: packages by the path they are installed at, found as Node
//! finds them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Locked, Package, Seen, name_and_version};

const FOLDER: &str = "node_modules/";
/// Where a package of a lockfile names what it needs at run time.
const NEEDS: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];

#[derive(Debug, Deserialize)]
struct File {
    /// By path, since version 2.
    #[serde(default)]
    packages: BTreeMap<String, Value>,
    /// Nested, in version 1.
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
}

/// A package at a path.
#[derive(Debug, Default)]
struct Entry {
    name: String,
    version: String,
    needs: Vec<String>,
    /// The path that it stands for, of a package of the workspace.
    link: Option<String>,
}

/// Reads versions 1, 2 and 3 of npm's file.
pub(super) fn read(text: &str, seen: &Seen<'_>) -> Result<Locked, String> {
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut entries = BTreeMap::new();
    if file.packages.is_empty() {
        nested(&file.dependencies, "", &mut entries);
    } else {
        for (path, package) in &file.packages {
            entries.insert(path.clone(), entry_at(path, package));
        }
    }
    Ok(graph(&entries, seen.directory, seen))
}

fn entry_at(path: &str, package: &Value) -> Entry {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let at = path.rfind(FOLDER).map_or(0, |at| at + FOLDER.len());
    let is_link = package.get("link").and_then(Value::as_bool) == Some(true);
    Entry {
        name: text("name").unwrap_or(&path[at..]).to_owned(),
        version: text("version").unwrap_or_default().to_owned(),
        needs: needs(package),
        link: text("resolved").filter(|_| is_link).map(str::to_owned),
    }
}

fn needs(package: &Value) -> Vec<String> {
    let objects = NEEDS.iter().filter_map(|key| package.get(key)?.as_object());
    objects.flat_map(|needs| needs.keys().cloned()).collect()
}

/// Version 1: what is installed inside a package is inside of it in the file as well.
fn nested(packages: &BTreeMap<String, Value>, above: &str, entries: &mut BTreeMap<String, Entry>) {
    for (name, package) in packages {
        let path = format!("{above}{FOLDER}{name}");
        let version = package.get("version").and_then(Value::as_str);
        let version = version.unwrap_or_default();
        let alias = version.strip_prefix("npm:").and_then(name_and_version);
        let (name, version) = alias.unwrap_or((name, version));
        let requires = package.get("requires").and_then(Value::as_object);
        let inner = package.get("dependencies").and_then(Value::as_object);
        let entry = Entry {
            name: name.to_owned(),
            version: version.to_owned(),
            needs: requires.map_or_else(Vec::new, |it| it.keys().cloned().collect()),
            link: None,
        };
        if let Some(inner) = inner {
            let inner: BTreeMap<String, Value> = inner
                .iter()
                .map(|(key, it)| (key.clone(), it.clone()))
                .collect();
            nested(&inner, &format!("{path}/"), entries);
        }
        entries.insert(path, entry);
    }
}

#[derive(Debug, Deserialize)]
struct Bun {
    #[serde(default)]
    workspaces: BTreeMap<String, Value>,
    packages: BTreeMap<String, Vec<Value>>,
}

/// Reads bun's file. It is JSON with commas after the last members, which YAML allows.
pub(super) fn read_bun(text: &str, seen: &Seen<'_>) -> Result<Locked, String> {
    let file: Bun = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let mut entries = BTreeMap::new();
    for (key, package) in &file.packages {
        let Some((name, version)) = package
            .first()
            .and_then(Value::as_str)
            .and_then(name_and_version)
        else {
            continue;
        };
        // A package of the workspace is described beside the others.
        let (version, described) = match version.strip_prefix("workspace:") {
            Some(folder) => ("", file.workspaces.get(folder)),
            None => (version, package.iter().find(|it| it.is_object())),
        };
        let path: Vec<String> = names_of(key)
            .map(|name| format!("{FOLDER}{name}"))
            .collect();
        let entry = Entry {
            name: name.to_owned(),
            version: version.to_owned(),
            needs: described.map_or_else(Vec::new, needs),
            link: None,
        };
        entries.insert(path.join("/"), entry);
    }
    // What a package of the workspace has of its own lies below its name.
    let name = file.workspaces.get(seen.directory);
    let name = name.and_then(|it| it.get("name")?.as_str());
    let from = match name.filter(|_| !seen.directory.is_empty()) {
        Some(name) => format!("{FOLDER}{name}"),
        None => String::new(),
    };
    Ok(graph(&entries, &from, seen))
}

/// The packages in `a/@scope/b/c`: `a`, `@scope/b` and `c`.
fn names_of(key: &str) -> impl Iterator<Item = String> {
    let mut parts = key.split('/');
    std::iter::from_fn(move || {
        let first = parts.next()?;
        Some(match first.starts_with('@') {
            true => format!("{first}/{}", parts.next().unwrap_or_default()),
            false => first.to_owned(),
        })
    })
}

fn graph(entries: &BTreeMap<String, Entry>, from: &str, seen: &Seen<'_>) -> Locked {
    let index: BTreeMap<&str, usize> = (entries.keys().map(String::as_str)).zip(0..).collect();
    let resolve = |from: &str, name: &str| -> Option<usize> {
        let path = find(entries, from, name)?;
        let entry = entries.get(&path)?;
        let target = entry
            .link
            .as_deref()
            .filter(|link| entries.contains_key(*link));
        index.get(target.unwrap_or(&path)).copied()
    };
    let packages = entries.iter().map(|(path, entry)| Package {
        name: entry.name.clone(),
        version: entry.version.clone(),
        needs: (entry.needs.iter())
            .filter_map(|name| Some((name.clone(), resolve(path, name)?)))
            .collect(),
    });
    let asked = (seen.asks.keys())
        .filter_map(|name| Some((name.clone(), resolve(from, name)?)))
        .collect();
    Locked {
        packages: packages.collect(),
        asked,
    }
}

/// The path of what `name` means in the package at `from`: inside of it, or beside one that holds
/// it.
fn find(entries: &BTreeMap<String, Entry>, from: &str, name: &str) -> Option<String> {
    let mut folder = from;
    loop {
        let path = match folder {
            "" => format!("{FOLDER}{name}"),
            _ => format!("{folder}/{FOLDER}{name}"),
        };
        if entries.contains_key(&path) {
            return Some(path);
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        folder = folder
            .strip_suffix("node_modules")
            .map_or(folder, |above| above.trim_end_matches('/'));
    }
}
