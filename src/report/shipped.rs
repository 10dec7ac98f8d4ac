//! What frontends ship, in words: the sentences of a report, and `tollgate explain bundle`.
//!
//! Must not judge: it says what changed, never whether that is too much.

use std::collections::{BTreeMap, BTreeSet};

use super::escape::plain;
use super::format;
use crate::model::evidence::{Asset, BundleEvidence, EntryLoad, ImportChain, Load, Was};
use crate::model::{Metric, Run};

/// The most names one sentence lists.
const LISTED: usize = 5;
/// The most rows of a list of `tollgate explain bundle`.
const ROWS: usize = 25;

/// What changed about the files of every frontend, apart from sizes.
pub fn changes(base: Option<&Run>, head: &Run) -> Vec<String> {
    let mut sentences = Vec::new();
    for (name, now) in &head.evidence.bundles {
        sentences.extend(compressed(name, now));
        let before = base.and_then(|run| run.evidence.bundles.get(name));
        if let Some(before) = before {
            sentences.extend(files(name, before, now));
            sentences.extend(versions(name, before, now));
            sentences.extend(fetched_again(name, before, now));
        }
    }
    sentences
}

/// The first load of the heaviest page by every compressor, where more than gzip 9 was asked for.
fn compressed(name: &str, now: &BundleEvidence) -> Option<String> {
    let first = now.heaviest_first_load();
    first.iter().find(|asset| asset.brotli.is_some())?;
    let sum = |of: fn(&Asset) -> u64| bytes(first.iter().map(|asset| of(asset)).sum());
    let entries = (now.entries.iter()).filter(|entry| !entry.on_demand && entry.js + entry.css > 0);
    let of_page = if entries.count() > 1 {
        " of the heaviest page"
    } else {
        ""
    };
    Some(format!(
        "{name}: the first load{of_page} is {} with gzip 9, {} with gzip 6, {} with brotli 11",
        sum(|asset| asset.gzip),
        sum(|asset| asset.gzip_level_6.unwrap_or(asset.gzip)),
        sum(|asset| asset.brotli.unwrap_or(asset.gzip)),
    ))
}

/// Files that are new, gone, renamed or split off.
fn files(name: &str, before: &BundleEvidence, now: &BundleEvidence) -> Option<String> {
    let names = |bundle: &BundleEvidence| -> BTreeSet<String> {
        bundle.assets.iter().map(|it| it.name.clone()).collect()
    };
    let (old, new) = (names(before), names(now));
    let mut parts = Vec::new();
    let mut moved = BTreeSet::new();
    for asset in &now.assets {
        match &asset.was {
            Some(Was::Renamed(was)) => {
                parts.push(format!("`{}` is `{was}` under a new name", asset.name));
            }
            Some(Was::SplitFrom(was)) => {
                moved.insert(asset.name.as_str());
                parts.push(format!("`{}` was split off `{was}`", asset.name));
            }
            None => {}
        }
    }
    let fresh = new
        .difference(&old)
        .filter(|name| !moved.contains(name.as_str()));
    parts.extend(fresh.map(|name| format!("`{name}` is new")));
    parts.extend(old.difference(&new).map(|name| format!("`{name}` is gone")));
    (!parts.is_empty()).then(|| format!("{name}: {}", listed(parts, "; ")))
}

/// Packages that have another version than in base.
fn versions(name: &str, before: &BundleEvidence, now: &BundleEvidence) -> Option<String> {
    fn of(bundle: &BundleEvidence) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in &bundle.packages {
            if let Some(version) = &package.version {
                versions
                    .entry(&package.package)
                    .or_default()
                    .insert(version);
            }
        }
        versions
    }
    let old = of(before);
    let all = |versions: &BTreeSet<&str>| Vec::from_iter(versions.iter().copied()).join(" and ");
    let bumped: Vec<String> = of(now)
        .iter()
        .filter_map(|(package, now)| {
            let before = old.get(package)?;
            (before != now).then(|| format!("`{package}` {} → {}", all(before), all(now)))
        })
        .collect();
    (!bumped.is_empty()).then(|| format!("{name}: {}", listed(bumped, ", ")))
}

/// What a browser that has everything of base must fetch.
#[derive(Debug, Default, PartialEq, Eq)]
struct Again {
    files: usize,
    bytes: u64,
    initial: u64,
}

/// None where base does not say what its files are.
fn again(before: &BundleEvidence, now: &BundleEvidence) -> Option<Again> {
    let known: BTreeMap<&str, &str> = before
        .assets
        .iter()
        .map(|asset| (asset.path.as_str(), asset.digest.as_str()))
        .collect();
    if known.values().any(|digest| digest.is_empty()) {
        return None;
    }
    let mut again = Again::default();
    for asset in &now.assets {
        if known.get(asset.path.as_str()) != Some(&asset.digest.as_str()) {
            again.files += 1;
            again.bytes += asset.gzip;
            if asset.load == Load::Initial {
                again.initial += asset.gzip;
            }
        }
    }
    Some(again)
}

fn fetched_again(name: &str, before: &BundleEvidence, now: &BundleEvidence) -> Option<String> {
    let again = again(before, now)?;
    if again.files == 0 {
        return None;
    }
    let all: u64 = now.assets.iter().map(|asset| asset.gzip).sum();
    let initial = now
        .assets
        .iter()
        .filter(|asset| asset.load == Load::Initial);
    let initial: u64 = initial.map(|asset| asset.gzip).sum();
    let entries = (now.entries.iter()).filter(|entry| !entry.on_demand && entry.js + entry.css > 0);
    let of_pages = if entries.count() > 1 {
        " of all pages"
    } else {
        ""
    };
    Some(format!(
        "{name}: a returning visitor fetches {} of the {} of the first load{} again, and {} of {} in \
         all: {} of {} files have another name or content",
        bytes(again.initial),
        bytes(initial),
        of_pages,
        bytes(again.bytes),
        bytes(all),
        again.files,
        now.assets.len(),
    ))
}

fn listed(mut parts: Vec<String>, separator: &str) -> String {
    let more = parts.len().saturating_sub(LISTED);
    parts.truncate(LISTED);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join(separator)
}

#[expect(clippy::cast_precision_loss, reason = "no frontend ships 2^53 bytes")]
fn bytes(bytes: u64) -> String {
    format::quantity(Metric::Size, bytes as f64)
}

#[expect(clippy::cast_precision_loss, reason = "no frontend ships 2^53 bytes")]
fn difference(before: u64, now: u64) -> String {
    let difference = now as f64 - before as f64;
    format::with_sign(difference, |value| format::quantity(Metric::Size, value))
}

/// The frontends of a run, base beside head.
#[derive(Debug, Clone, Copy)]
pub struct Shipped<'a> {
    /// Base, where there is one.
    pub base: Option<&'a Run>,
    /// Head.
    pub head: &'a Run,
}

impl<'a> Shipped<'a> {
    pub(super) fn frontends(
        &self,
    ) -> impl Iterator<Item = (&'a str, Option<&'a BundleEvidence>, &'a BundleEvidence)> {
        let base = self.base.map(|run| &run.evidence.bundles);
        let head = self.head;
        head.evidence.bundles.iter().map(move |(name, now)| {
            (
                name.as_str(),
                base.and_then(|bundles| bundles.get(name)),
                now,
            )
        })
    }

    /// Every frontend: what loads first and on demand, its packages and files.
    pub fn overview(&self) -> String {
        let pages: Vec<String> = self
            .frontends()
            .map(|(name, before, now)| overview(name, before, now))
            .collect();
        match pages.is_empty() {
            true => "The run has no frontend.\n".to_owned(),
            false => pages.join("\n"),
        }
    }

    /// One frontend, package, file, module of the project or route; none when there is none of
    /// that name.
    pub fn about(&self, wanted: &str) -> Option<String> {
        if let Some((name, before, now)) = self.frontends().find(|(name, ..)| *name == wanted) {
            return Some(overview(name, before, now));
        }
        let pages: Vec<String> = self
            .frontends()
            .filter_map(|(name, before, now)| {
                about_package(wanted, name, before, now)
                    .or_else(|| about_file(wanted, name, before, now))
                    .or_else(|| about_module(wanted, name, before, now))
            })
            .collect();
        (!pages.is_empty()).then(|| pages.join("\n"))
    }

    /// What can be asked for, for an error.
    pub fn names(&self) -> Vec<String> {
        self.frontends()
            .flat_map(|(_, _, now)| {
                let packages = now.packages.iter().map(|it| it.package.clone());
                packages.chain(now.assets.iter().map(|it| it.name.clone()))
            })
            .filter(|name| !name.starts_with('('))
            .collect()
    }
}

/// Rows of a label and two numbers, in columns.
#[derive(Debug, Default)]
struct Rows(Vec<(String, u64, u64)>);

impl Rows {
    /// Those that changed first, then by size.
    fn shown(mut self, has_base: bool) -> Vec<String> {
        let changed = |before: u64, now: u64| has_base && before != now;
        self.0.sort_by_key(|(label, before, now)| {
            let difference = if changed(*before, *now) {
                before.abs_diff(*now)
            } else {
                0
            };
            (std::cmp::Reverse((difference, *now)), label.clone())
        });
        let more = self.0.len().saturating_sub(ROWS);
        self.0.truncate(ROWS);
        let labels = self.0.iter().map(|(label, ..)| label.chars().count());
        let width = labels.max().unwrap_or(0);
        let mut lines: Vec<String> = self
            .0
            .iter()
            .map(|(label, before, now)| {
                let space = " ".repeat(width - label.chars().count());
                let numbers = match changed(*before, *now) {
                    true => format!(
                        "{:>10} → {:>9}  {}",
                        bytes(*before),
                        bytes(*now),
                        difference(*before, *now)
                    ),
                    false => format!("{:>10}", bytes(*now)),
                };
                format!("  {label}{space} {numbers}")
            })
            .collect();
        if more > 0 {
            lines.push(format!("  … and {more} more"));
        }
        lines
    }
}

fn overview(name: &str, before: Option<&BundleEvidence>, now: &BundleEvidence) -> String {
    let has_base = before.is_some();
    let before = before.cloned().unwrap_or_default();
    let mut lines = vec![
        format!(
            "{} ships, in bytes after gzip ({}):",
            plain(name),
            plain(&now.encoder)
        ),
        String::new(),
        "First load".to_owned(),
    ];
    lines.extend(entry_rows(&before, now, false).shown(has_base));
    let later = entry_rows(&before, now, true);
    if !later.0.is_empty() {
        lines.extend([
            String::new(),
            "On demand, without what the page has loaded before".to_owned(),
        ]);
        lines.extend(later.shown(has_base));
    }
    lines.extend([String::new(), "Packages".to_owned()]);
    lines.extend(match now.packages.is_empty() {
        true => vec!["  unknown: the build left neither source maps nor a metafile".to_owned()],
        false => package_rows(&before, now).shown(has_base),
    });
    lines.extend([String::new(), "Files".to_owned()]);
    lines.extend(file_rows(&before, now).shown(has_base));
    let deferrable: Vec<String> = (now.deferrable.iter().take(LISTED))
        .map(|it| format!("  {:>10}  {}", bytes(it.gzip), plain(&it.module)))
        .collect();
    if !deferrable.is_empty() {
        lines.extend([
            String::new(),
            "Could load on demand, with all that only it needs".to_owned(),
        ]);
        lines.extend(deferrable);
    }
    lines.push(String::new());
    let sentences = [
        files(name, &before, now),
        versions(name, &before, now),
        fetched_again(name, &before, now),
    ];
    if has_base {
        lines.extend(sentences.into_iter().flatten().map(|it| plain(&it)));
    }
    lines.push(
        "`tollgate explain bundle NAME` says where a package, a file or a module comes from."
            .to_owned(),
    );
    lines.join("\n") + "\n"
}

fn entry_rows(before: &BundleEvidence, now: &BundleEvidence, on_demand: bool) -> Rows {
    let of = |bundle: &BundleEvidence| -> BTreeMap<String, u64> {
        // A site has many pages that load nothing.
        let wanted = |entry: &&EntryLoad| {
            entry.on_demand == on_demand && (on_demand || entry.js + entry.css > 0)
        };
        bundle
            .entries
            .iter()
            .filter(wanted)
            .flat_map(|entry| {
                let name = plain(&entry.name);
                match on_demand {
                    true => vec![(name, entry.js + entry.css)],
                    false => vec![
                        (format!("{name} JS"), entry.js),
                        (format!("{name} CSS"), entry.css),
                    ],
                }
            })
            .collect()
    };
    union(&of(before), &of(now))
}

fn package_rows(before: &BundleEvidence, now: &BundleEvidence) -> Rows {
    let of = |bundle: &BundleEvidence| -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for package in &bundle.packages {
            *sums.entry(plain(&package.package)).or_default() += package.gzip;
        }
        sums
    };
    union(&of(before), &of(now))
}

fn file_rows(before: &BundleEvidence, now: &BundleEvidence) -> Rows {
    let of = |bundle: &BundleEvidence| -> BTreeMap<String, u64> {
        let assets = bundle.assets.iter();
        assets
            .map(|asset| (plain(&asset.name), asset.gzip))
            .collect()
    };
    union(&of(before), &of(now))
}

fn union(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Rows {
    let labels: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let value = |of: &BTreeMap<String, u64>, label: &String| of.get(label).copied().unwrap_or(0);
    let rows = labels
        .into_iter()
        .map(|label| (label.clone(), value(before, label), value(now, label)));
    Rows(rows.collect())
}

fn about_package(
    wanted: &str,
    frontend: &str,
    before: Option<&BundleEvidence>,
    now: &BundleEvidence,
) -> Option<String> {
    let copies = |bundle: &'_ BundleEvidence| {
        bundle
            .packages
            .iter()
            .filter(|it| it.package == wanted)
            .cloned()
            .collect::<Vec<_>>()
    };
    let old = before.map(copies).unwrap_or_default();
    let new = copies(now);
    if old.is_empty() && new.is_empty() {
        return None;
    }
    let mut lines = vec![format!("{} in {}", plain(wanted), plain(frontend))];
    type Of = fn(&crate::model::evidence::PackageBytes) -> u64;
    let rows: [(&str, Of); 3] = [
        ("gzip", |it| it.gzip),
        ("of that on the first load", |it| it.initial_gzip),
        ("raw", |it| it.raw),
    ];
    for (label, of) in rows {
        let (was, is): (u64, u64) = (old.iter().map(of).sum(), new.iter().map(of).sum());
        lines.push(format!(
            "  {label:<26} {}",
            change(before.is_some(), was, is)
        ));
    }
    for copy in &new {
        let version = copy.version.as_deref().unwrap_or("unknown");
        let was: Vec<&str> = old.iter().filter_map(|it| it.version.as_deref()).collect();
        let was = match was.is_empty() || was.contains(&version) {
            true => String::new(),
            false => format!(", in base {}", plain(&was.join(" and "))),
        };
        lines.push(format!("  {:<26} {}{was}", "version", plain(version)));
    }
    let compact = now.common_js.iter().find(|it| it.package == wanted);
    lines.extend(compact.map(|it| {
        let raw = bytes(it.raw);
        let place = plain(&it.place.to_string());
        format!("  {:<26} {raw} raw, such as {place}", "CommonJS")
    }));
    let held = now.parts.iter().filter(|part| part.package == wanted);
    let held: Vec<(&str, u64)> = held.map(|part| (part.asset.as_str(), part.raw)).collect();
    lines.extend(holders(&held, now));
    let chain = now.chains.iter().find(|chain| chain.package == wanted);
    let chain = chain.or_else(|| {
        let before = before.filter(|_| new.is_empty())?;
        before.chains.iter().find(|chain| chain.package == wanted)
    });
    lines.extend(way(chain, loads_first(&held, now)));
    lines.extend(asked_by(wanted, now));
    Some(lines.join("\n") + "\n")
}

/// Who asks for each version of a package, by the lockfile.
fn asked_by(wanted: &str, now: &BundleEvidence) -> Vec<String> {
    let asked = now.asked_by.iter().filter(|it| it.package == wanted);
    let mut lines: Vec<String> = asked
        .map(|it| {
            format!(
                "  {} asks for {}",
                plain(&it.place.to_string()),
                plain(&it.way.join(" → "))
            )
        })
        .collect();
    if let (false, Some(file)) = (lines.is_empty(), &now.lockfile) {
        lines.insert(0, format!("\nWho asks for it, by {}", plain(file)));
    }
    lines
}

fn change(has_base: bool, before: u64, now: u64) -> String {
    match has_base && before != now {
        true => format!(
            "{} → {} ({})",
            bytes(before),
            bytes(now),
            difference(before, now)
        ),
        false => bytes(now),
    }
}

/// A number of a file.
type OfAsset = fn(&Asset) -> u64;

/// The files that hold a package or a module.
fn holders(held: &[(&str, u64)], now: &BundleEvidence) -> Vec<String> {
    let mut lines = vec![String::new(), "In these files (raw bytes)".to_owned()];
    for (path, raw) in held {
        let asset = now.assets.iter().find(|asset| asset.path == *path);
        let when = asset.map_or("", |asset| when(asset.load));
        let name = asset.map_or(*path, |asset| &asset.name);
        lines.push(format!("  {:>10}  {} ({when})", bytes(*raw), plain(name)));
    }
    match held.is_empty() {
        true => Vec::new(),
        false => lines,
    }
}

fn when(load: Load) -> &'static str {
    match load {
        Load::Initial => "first load",
        Load::Lazy => "on demand",
        Load::Other => "neither script nor style of a page",
    }
}

/// Whether one of the files that hold a package or a module loads first.
fn loads_first(held: &[(&str, u64)], now: &BundleEvidence) -> bool {
    let first = now.assets.iter().filter(|it| it.load == Load::Initial);
    let mut first = first.map(|asset| asset.path.as_str());
    first.any(|path| held.iter().any(|(holder, _)| *holder == path))
}

fn way(chain: Option<&ImportChain>, loads_first: bool) -> Vec<String> {
    let Some(chain) = chain else {
        return vec![
            String::new(),
            "No import of the project's own code leads to it that could be read.".to_owned(),
        ];
    };
    let mut lines = vec![String::new(), "How it gets there".to_owned()];
    let last = chain.steps.len().saturating_sub(1);
    for (number, step) in chain.steps.iter().enumerate() {
        let brings = match dependant(&step.file).filter(|_| number == last) {
            Some(package) => format!("  ({} needs it)", plain(package)),
            None => String::new(),
        };
        lines.push(format!("  {}{brings}", plain(&step.to_string())));
    }
    let when = match (chain.is_static, loads_first) {
        (true, _) => "Every step is a static import: it loads with the entry.",
        (false, false) => "A step is a dynamic import: it loads on demand.",
        (false, true) => {
            "A step is a dynamic import, and yet some of it loads first: by an import that could not \
             be read, or in a file that the bundler put it in."
        }
    };
    lines.push(when.to_owned());
    lines
}

/// The package that a file belongs to.
fn dependant(file: &str) -> Option<&str> {
    let (_, path) = file.rsplit_once("node_modules/")?;
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    let end = match path.starts_with('@') {
        true => slashes.nth(1)?,
        false => slashes.next()?,
    };
    Some(&path[..end])
}

fn about_file(
    wanted: &str,
    frontend: &str,
    before: Option<&BundleEvidence>,
    now: &BundleEvidence,
) -> Option<String> {
    let is_wanted = |asset: &&Asset| {
        let has_end = |path: &str| path == wanted || path.ends_with(&format!("/{wanted}"));
        has_end(&asset.name) || has_end(&asset.path)
    };
    let asset = now.assets.iter().find(is_wanted);
    let name = &asset
        .or_else(|| before?.assets.iter().find(is_wanted))?
        .name;
    let find = |bundle: &BundleEvidence| {
        bundle
            .assets
            .iter()
            .find(|asset| asset.name == *name)
            .cloned()
    };
    let (old, new) = (before.and_then(find), find(now));
    let mut lines = vec![format!("{} in {}", plain(name), plain(frontend))];
    let value = |asset: &Option<Asset>, of: fn(&Asset) -> u64| asset.as_ref().map_or(0, of);
    let rows: [(&str, OfAsset); 4] = [
        ("gzip 9", |it| it.gzip),
        ("gzip 6", |it| it.gzip_level_6.unwrap_or(0)),
        ("brotli 11", |it| it.brotli.unwrap_or(0)),
        ("raw", |it| it.raw),
    ];
    for (label, of) in rows {
        let (was, is) = (value(&old, of), value(&new, of));
        if was + is > 0 {
            lines.push(format!(
                "  {label:<10} {}",
                change(before.is_some(), was, is)
            ));
        }
    }
    if let Some(asset) = &new {
        lines.push(format!("  {:<10} {}", "built as", plain(&asset.path)));
        lines.push(format!("  {:<10} {}", "loads", when(asset.load)));
    }
    let parts = |bundle: Option<&BundleEvidence>, asset: &Option<Asset>| -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        let of = bundle.into_iter().flat_map(|bundle| &bundle.parts);
        let path = asset.as_ref().map(|asset| &asset.path);
        for part in of.filter(|part| Some(&part.asset) == path) {
            let label = match part
                .module
                .as_deref()
                .filter(|_| part.package.starts_with('('))
            {
                Some(module) => plain(module),
                None => plain(&part.package),
            };
            *sums.entry(label).or_default() += part.raw;
        }
        sums
    };
    let rows = union(&parts(before, &old), &parts(Some(now), &new));
    if !rows.0.is_empty() {
        lines.extend([String::new(), "Made of (raw bytes)".to_owned()]);
        lines.extend(rows.shown(before.is_some()));
    }
    Some(lines.join("\n") + "\n")
}

fn about_module(
    wanted: &str,
    frontend: &str,
    before: Option<&BundleEvidence>,
    now: &BundleEvidence,
) -> Option<String> {
    let is_wanted = |path: &str| path == wanted || path.ends_with(&format!("/{wanted}"));
    let module = now
        .parts
        .iter()
        .chain(before.into_iter().flat_map(|bundle| &bundle.parts))
        .filter(|part| part.package.starts_with('('))
        .filter_map(|part| part.module.as_deref())
        .find(|module| is_wanted(module))?;
    let sum = |bundle: &BundleEvidence| -> u64 {
        let parts = bundle
            .parts
            .iter()
            .filter(|part| part.module.as_deref() == Some(module));
        parts.map(|part| part.raw).sum()
    };
    let (was, is) = (before.map_or(0, sum), sum(now));
    let mut lines = vec![
        format!("{} in {}", plain(module), plain(frontend)),
        format!("  raw        {}", change(before.is_some(), was, is)),
    ];
    let held = now
        .parts
        .iter()
        .filter(|part| part.module.as_deref() == Some(module));
    let held: Vec<(&str, u64)> = held.map(|part| (part.asset.as_str(), part.raw)).collect();
    lines.extend(holders(&held, now));
    let target = format!("./{module}");
    let chain = now.chains.iter().find(|chain| chain.package == target);
    if chain.is_some() {
        lines.extend(way(chain, loads_first(&held, now)));
    }
    if let Some(it) = now.deferrable.iter().find(|it| it.module == module) {
        lines.push(format!(
            "Only this module needs {} (gzip) of the first load: they could load on demand with it.",
            bytes(it.gzip)
        ));
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::{PackageBytes, Part, Place};

    fn asset(name: &str, path: &str, gzip: u64, load: Load) -> Asset {
        Asset {
            name: name.to_owned(),
            path: path.to_owned(),
            raw: gzip * 3,
            gzip,
            gzip_level_6: Some(gzip + 10),
            brotli: None,
            load,
            content: path.to_owned(),
            digest: path.to_owned(),
            source: None,
            was: None,
        }
    }

    fn base() -> BundleEvidence {
        BundleEvidence {
            directory: "frontend".to_owned(),
            encoder: "zlib-rs 9".to_owned(),
            assets: vec![
                asset("index.js", "index-1.js", 40_000, Load::Initial),
                asset("old.js", "old-1.js", 9_000, Load::Lazy),
                asset("chunk.js", "chunk-1.js", 20_000, Load::Lazy),
            ],
            packages: vec![package("react", "18.2.0", 30_000)],
            ..BundleEvidence::default()
        }
    }

    fn package(name: &str, version: &str, gzip: u64) -> PackageBytes {
        PackageBytes {
            package: name.to_owned(),
            version: Some(version.to_owned()),
            raw: gzip * 3,
            gzip,
            initial_gzip: gzip,
        }
    }

    fn head() -> BundleEvidence {
        let mut head = base();
        head.assets[0] = asset("index.js", "index-2.js", 65_000, Load::Initial);
        head.assets[1].was = Some(Was::Renamed("older.js".to_owned()));
        head.assets
            .push(asset("split.js", "split-2.js", 5_000, Load::Lazy));
        head.assets[3].was = Some(Was::SplitFrom("chunk.js".to_owned()));
        head.assets.remove(2);
        head.packages = vec![
            package("react", "18.3.1", 30_000),
            package("lodash", "4.17.21", 25_000),
        ];
        head.entries = vec![EntryLoad {
            name: "index.html".to_owned(),
            file: None,
            on_demand: false,
            files: vec!["index-2.js".to_owned()],
            js: 65_000,
            css: 0,
            unknown: None,
        }];
        head.parts = vec![Part {
            asset: "index-2.js".to_owned(),
            package: "lodash".to_owned(),
            module: Some("frontend/node_modules/lodash".to_owned()),
            raw: 75_000,
        }];
        head.chains = vec![ImportChain {
            package: "lodash".to_owned(),
            steps: vec![
                Place {
                    file: "frontend/src/main.tsx".to_owned(),
                    line: 3,
                },
                Place {
                    file: "frontend/node_modules/charts/index.js".to_owned(),
                    line: 1,
                },
            ],
            is_static: true,
        }];
        head
    }

    #[test]
    fn what_happened_to_the_files_is_said() {
        let said = files("web", &base(), &head()).unwrap();
        assert_eq!(
            said,
            "web: `old.js` is `older.js` under a new name; `split.js` was split off `chunk.js`; \
             `chunk.js` is gone"
        );
        let said = versions("web", &base(), &head()).unwrap();
        assert_eq!(said, "web: `react` 18.2.0 → 18.3.1");
        assert_eq!(files("web", &base(), &base()), None);
    }

    #[test]
    fn a_returning_visitor_fetches_what_has_another_name_or_content() {
        assert_eq!(again(&base(), &base()), Some(Again::default()));
        let expected = Again {
            files: 2,
            bytes: 70_000,
            initial: 65_000,
        };
        assert_eq!(again(&base(), &head()), Some(expected));
        let mut unknown = base();
        unknown.assets[0].digest.clear();
        assert_eq!(again(&unknown, &head()), None);
    }

    #[test]
    fn the_first_load_of_several_pages_is_that_of_the_heaviest() {
        let mut now = base();
        now.assets[1].load = Load::Initial;
        for asset in &mut now.assets {
            asset.brotli = Some(asset.gzip - 1_000);
        }
        now.entries = [
            ("a.html", "index-1.js", 40_000),
            ("b.html", "old-1.js", 9_000),
        ]
        .map(|(name, file, js)| EntryLoad {
            name: name.to_owned(),
            file: None,
            on_demand: false,
            files: vec![file.to_owned()],
            js,
            css: 0,
            unknown: None,
        })
        .into();
        assert_eq!(
            compressed("web", &now).unwrap(),
            "web: the first load of the heaviest page is 40.0 KB with gzip 9, 40.0 KB with gzip 6, \
             39.0 KB with brotli 11"
        );
        let said = fetched_again("web", &base(), &{
            now.assets[0].digest.push('x');
            now
        });
        assert!(
            said.unwrap()
                .contains("40.0 KB of the 49.0 KB of the first load of all pages again")
        );
    }

    #[test]
    fn a_package_is_explained_with_its_way_and_who_needs_it() {
        let text = about_package("lodash", "web", Some(&base()), &head()).unwrap();
        insta::assert_snapshot!(text, @"
        lodash in web
          gzip                       0 B → 25.0 KB (+25.0 KB)
          of that on the first load  0 B → 25.0 KB (+25.0 KB)
          raw                        0 B → 75.0 KB (+75.0 KB)
          version                    4.17.21

        In these files (raw bytes)
             75.0 KB  index.js (first load)

        How it gets there
          frontend/src/main.tsx:3
          frontend/node_modules/charts/index.js:1  (charts needs it)
        Every step is a static import: it loads with the entry.
    ");
        assert_eq!(about_package("none", "web", Some(&base()), &head()), None);
    }

    #[test]
    fn a_dynamic_import_is_no_proof_that_a_package_loads_on_demand() {
        let mut head = head();
        head.chains[0].is_static = false;
        let said = |head: &BundleEvidence| {
            let text = about_package("lodash", "web", None, head).unwrap();
            text.lines().last().unwrap().to_owned()
        };
        assert_eq!(
            said(&head),
            "A step is a dynamic import, and yet some of it loads first: by an import that could \
             not be read, or in a file that the bundler put it in."
        );
        head.assets[0].load = Load::Lazy;
        assert_eq!(
            said(&head),
            "A step is a dynamic import: it loads on demand."
        );
    }

    #[test]
    fn a_frontend_is_explained_with_what_changed_first() {
        let text = overview("web", Some(&base()), &head());
        insta::assert_snapshot!(text, @"
        web ships, in bytes after gzip (zlib-rs 9):

        First load
          index.html JS         0 B →   65.0 KB  +65.0 KB
          index.html CSS        0 B

        Packages
          lodash        0 B →   25.0 KB  +25.0 KB
          react     30.0 KB

        Files
          index.js    40.0 KB →   65.0 KB  +25.0 KB
          chunk.js    20.0 KB →       0 B  −20.0 KB
          split.js        0 B →    5.0 KB  +5.0 KB
          old.js       9.0 KB

        web: `old.js` is `older.js` under a new name; `split.js` was split off `chunk.js`; `chunk.js` is gone
        web: `react` 18.2.0 → 18.3.1
        web: a returning visitor fetches 65.0 KB of the 65.0 KB of the first load again, and 70.0 KB of 79.0 KB in all: 2 of 3 files have another name or content
        `tollgate explain bundle NAME` says where a package, a file or a module comes from.
    ");
    }

    #[test]
    fn a_file_is_explained_with_what_it_is_made_of() {
        let text = about_file("index.js", "web", Some(&base()), &head()).unwrap();
        insta::assert_snapshot!(text, @"
        index.js in web
          gzip 9     40.0 KB → 65.0 KB (+25.0 KB)
          gzip 6     40.0 KB → 65.0 KB (+25.0 KB)
          raw        120.0 KB → 195.0 KB (+75.0 KB)
          built as   index-2.js
          loads      first load

        Made of (raw bytes)
          lodash        0 B →   75.0 KB  +75.0 KB
    ");
    }
}
