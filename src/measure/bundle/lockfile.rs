//! Which versions a lockfile chose, and who asks for them: `pnpm why` for every package manager.
//!
//! Reads `package-lock.json` (versions 1, 2 and 3), `pnpm-lock.yaml` (6 and 9), `yarn.lock` (classic
//! and berry) and `bun.lock`. All become one graph of packages. Must not run a package manager, and
//! must not claim what the file does not say: what cannot be resolved is left out.

mod npm;
mod pnpm;
mod yarn;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// Larger lockfiles are not read; that of the largest known repositories has 3 MB.
const LARGEST: u64 = 32_000_000;
/// Where a `package.json` names what it needs.
const NEEDS: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
];

/// How a lockfile is read.
type Reader = fn(&str, &Seen<'_>) -> Result<Locked, String>;

/// The files, in the order in which they are looked for.
const READERS: [(&str, Reader); 5] = [
    ("package-lock.json", npm::read),
    ("npm-shrinkwrap.json", npm::read),
    ("pnpm-lock.yaml", pnpm::read),
    ("yarn.lock", yarn::read),
    ("bun.lock", npm::read_bun),
];

/// A package of a lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Package {
    /// Name in the registry.
    name: String,
    version: String,
    /// Those it needs: the name that it asks for, and the place in [`Locked::packages`].
    needs: Vec<(String, usize)>,
}

/// What a lockfile says, seen from one frontend.
#[derive(Debug, Default, PartialEq, Eq)]
struct Locked {
    packages: Vec<Package>,
    /// What the frontend itself asks for: the name in its `package.json`, and the package.
    asked: Vec<(String, usize)>,
}

impl Locked {
    /// What is asked for under another name than the registry has: `lo4: npm:lodash@4.17.21`. The
    /// folder it is installed in has this name.
    fn aliases(&self) -> impl Iterator<Item = (&str, &Package)> {
        let needs = self.packages.iter().flat_map(|it| &it.needs);
        let all = self.asked.iter().chain(needs);
        all.filter_map(|(name, index)| Some((name.as_str(), self.packages.get(*index)?)))
            // A package of the workspace has no version, and a folder for a name.
            .filter(|(name, package)| *name != package.name && !package.version.is_empty())
    }
}

/// The frontend a lockfile is read for.
#[derive(Debug)]
struct Seen<'a> {
    /// Its folder relative to that of the lockfile; empty when it is the same.
    directory: &'a str,
    /// What its `package.json` asks for, with the range.
    asks: &'a BTreeMap<String, String>,
}

/// A lockfile and the frontend that it is read for.
#[derive(Debug, Default)]
pub(super) struct Lock {
    /// The file, relative to the project.
    pub(super) file: String,
    /// Text of the frontend's `package.json`, and the file relative to the project.
    description: String,
    described_in: String,
    locked: Locked,
}

/// The way from the frontend's `package.json` to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Line of `package.json` that asks for the first.
    pub(super) line: u32,
    /// Name and version of each package on the way, the last one included; a package of the workspace
    /// has no version.
    pub(super) packages: Vec<(String, String)>,
}

impl Lock {
    /// Reads the lockfile nearest to the frontend in `folder`, which is `directory` of the project;
    /// none when there is none. What cannot be read is named in `skipped`.
    pub(super) fn find(folder: &Path, directory: &str, skipped: &mut Vec<String>) -> Option<Self> {
        let inside: Vec<&str> = directory
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        for up in 0..=inside.len() {
            let above = folder.ancestors().nth(up)?;
            let (outer, inner) = inside.split_at(inside.len() - up);
            for (name, read) in READERS {
                let path = above.join(name);
                if !path.is_file() {
                    continue;
                }
                let file = [outer, &[name]].concat().join("/");
                let description =
                    fs::read_to_string(folder.join("package.json")).unwrap_or_default();
                let seen = Seen {
                    directory: &inner.join("/"),
                    asks: &asks(&description),
                };
                match text(&path).and_then(|text| read(&text, &seen)) {
                    Ok(locked) => {
                        return Some(Self {
                            file,
                            description,
                            described_in: [&inside[..], &["package.json"]].concat().join("/"),
                            locked,
                        });
                    }
                    Err(why) => {
                        skipped.push(format!(
                            "`{file}` cannot be read, so nobody knows who asks for a package: {why}"
                        ));
                        return None;
                    }
                }
            }
        }
        None
    }

    /// The version of a package, where the lockfile has one only.
    pub(super) fn only_version(&self, name: &str) -> Option<&str> {
        let named = self.locked.packages.iter().filter(|it| it.name == name);
        let aliases = self.locked.aliases().filter(|(alias, _)| *alias == name);
        let mut versions = named.chain(aliases.map(|(_, package)| package));
        let first = versions.next()?;
        let is_only = versions.all(|other| other.version == first.version);
        is_only.then_some(first.version.as_str())
    }

    /// The `package.json` that [`Way::line`] is of, relative to the project.
    pub(super) fn described_in(&self) -> &str {
        &self.described_in
    }

    /// The shortest way to every package that the frontend's `package.json` leads to, by name and
    /// version; one that is asked for under another name is there under both. Of ways of one
    /// length, that of the first asked for.
    pub(super) fn ways(&self) -> BTreeMap<(&str, &str), Way> {
        let packages = &self.locked.packages;
        let mut reached: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        let mut asked: BTreeMap<usize, &str> = BTreeMap::new();
        let mut open = VecDeque::new();
        for (name, index) in &self.locked.asked {
            if reached.insert(*index, None).is_none() {
                asked.insert(*index, name);
                open.push_back(*index);
            }
        }
        while let Some(index) = open.pop_front() {
            for &(_, next) in packages.get(index).map_or(&[][..], |it| &it.needs) {
                if next < packages.len() && !reached.contains_key(&next) {
                    reached.insert(next, Some(index));
                    open.push_back(next);
                }
            }
        }
        let mut ways: BTreeMap<(&str, &str), Way> = BTreeMap::new();
        for &index in reached.keys() {
            let mut on_the_way = vec![index];
            while let Some(Some(before)) = on_the_way.last().and_then(|last| reached.get(last)) {
                on_the_way.push(*before);
            }
            on_the_way.reverse();
            let first = on_the_way.first().and_then(|first| asked.get(first));
            let (Some(target), Some(first)) = (packages.get(index), first) else {
                continue;
            };
            // A package of the workspace has the name that it is asked for by.
            let named = |(at, index): (usize, &usize)| -> Option<(String, String)> {
                let package = packages.get(*index)?;
                let before = at
                    .checked_sub(1)
                    .and_then(|at| packages.get(on_the_way[at]));
                let asked_for = match before {
                    Some(before) => before.needs.iter().find(|(_, to)| to == index),
                    None => None,
                };
                let asked_for = asked_for.map_or(*first, |(name, _)| name);
                let name = match package.version.as_str() {
                    "" => asked_for,
                    _ => &package.name,
                };
                Some((name.to_owned(), package.version.clone()))
            };
            let way = Way {
                line: line_of(&self.description, first),
                packages: on_the_way.iter().enumerate().filter_map(named).collect(),
            };
            let key = (target.name.as_str(), target.version.as_str());
            // pnpm locks a package once for each set of peers.
            let is_shorter =
                (ways.get(&key)).is_none_or(|known| known.packages.len() > way.packages.len());
            if is_shorter {
                ways.insert(key, way);
            }
        }
        for (alias, package) in self.locked.aliases() {
            let version = package.version.as_str();
            if let Some(way) = ways.get(&(package.name.as_str(), version)) {
                let way = way.clone();
                ways.entry((alias, version)).or_insert(way);
            }
        }
        ways
    }
}

fn text(path: &PathBuf) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!(
            "it has {} MB, more than the {} MB that are read",
            size / 1_000_000,
            LARGEST / 1_000_000
        ));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// What a `package.json` asks for, with the range.
fn asks(description: &str) -> BTreeMap<String, String> {
    let json: serde_json::Value = serde_json::from_str(description).unwrap_or_default();
    let mut asks = BTreeMap::new();
    for key in NEEDS {
        let needs = json.get(key).and_then(|it| it.as_object());
        for (name, range) in needs.into_iter().flatten() {
            let range = range.as_str().unwrap_or_default().to_owned();
            asks.entry(name.clone()).or_insert(range);
        }
    }
    asks
}

/// The line of a dependency in a `package.json`, counted from 1; the first when it is not there.
fn line_of(description: &str, name: &str) -> u32 {
    let key = serde_json::Value::from(name).to_string();
    let start = NEEDS
        .iter()
        .filter_map(|needs| description.find(&format!("\"{needs}\"")))
        .min()
        .unwrap_or(0);
    let rest = &description[start..];
    let is_key = |at: &usize| rest[at + key.len()..].trim_ascii_start().starts_with(':');
    let at = rest.match_indices(&key).map(|(at, _)| at).find(is_key);
    let before = &description[..at.map_or(0, |at| start + at)];
    u32::try_from(before.matches('\n').count()).map_or(u32::MAX, |lines| lines + 1)
}

/// Name and version in `@scope/name@1.2.3`, of which what follows `(` are peers.
fn name_and_version(text: &str) -> Option<(&str, &str)> {
    let at = text.get(1..)?.find('@')? + 1;
    let (name, version) = (&text[..at], &text[at + 1..]);
    let version = version.split('(').next().unwrap_or(version);
    (!version.is_empty()).then_some((name, version))
}

#[cfg(test)]
mod tests;
