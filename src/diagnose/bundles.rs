//! What the bundle rules share: base and head of a frontend side by side.
//!
//! Must not contain a rule. Gzip shares of a package move when its neighbours in a chunk change,
//! so nothing here calls a package grown unless its raw bytes grew or it changed chunks; and what
//! a package costs more is what the files that hold it really grew by.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::{
    Asset, BundleEvidence, EntryLoad, ImportChain, Load, PackageBytes, Part, Place, UNMAPPED,
};
use crate::model::{
    BudgetVerdict, Comparison, Finding, Location, Metric, MetricId, Priority, Verdict,
};

use super::Case;

/// Bytes below which a bundle finding is not worth a reader's time: the floor of the gate.
pub(super) const FLOOR: u64 = 1_000;

/// One frontend in both arms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frontend<'a> {
    /// Name in the configuration.
    pub(super) name: &'a str,
    /// What base ships, where there is a base that was weighed.
    pub(super) base: Option<&'a BundleEvidence>,
    /// What head ships.
    pub(super) head: &'a BundleEvidence,
}

/// Every frontend of head.
pub(super) fn frontends<'a>(case: &Case<'a>) -> Vec<Frontend<'a>> {
    let base = case.base.map(|run| &run.evidence.bundles);
    case.head
        .evidence
        .bundles
        .iter()
        .map(|(name, head)| Frontend {
            name,
            base: base.and_then(|bundles| bundles.get(name)),
            head,
        })
        .collect()
}

/// One finding for each claim a rule makes about a frontend.
pub(super) fn each<'a, Claim>(
    case: &Case<'a>,
    claims: impl Fn(&Frontend<'a>) -> Vec<Claim>,
    finding: impl Fn(&Case<'_>, &Frontend<'_>, &Claim) -> Finding,
) -> Vec<Finding> {
    let of_frontend = |frontend: &Frontend<'a>| {
        let claims = claims(frontend);
        let findings = claims.iter().map(|claim| finding(case, frontend, claim));
        findings.collect::<Vec<_>>()
    };
    frontends(case).iter().flat_map(of_frontend).collect()
}

/// What all copies of a package weigh together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    raw: u64,
    /// Gzip bytes.
    pub(super) gzip: u64,
    /// Gzip bytes that a first visit loads.
    pub(super) initial: u64,
}

/// How the weight of a package changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Growth {
    /// In base.
    pub(super) before: Weight,
    /// In head.
    pub(super) now: Weight,
    /// Whether base tells how much of it it had; where it does not, nothing is claimed.
    pub(super) is_told: bool,
}

impl Growth {
    /// Whether base did not ship it at all.
    pub(super) fn is_new(self) -> bool {
        self.is_told && self.before.raw == 0
    }

    /// Whether there is more of its code.
    pub(super) fn has_more_code(self) -> bool {
        self.is_new() || (self.is_told && self.now.raw >= self.before.raw + FLOOR)
    }

    /// Gzip bytes more, wherever they load.
    pub(super) fn total(self) -> u64 {
        match self.has_more_code() {
            true => self.now.gzip.saturating_sub(self.before.gzip),
            false => 0,
        }
    }

    /// Gzip bytes more that a first visit loads.
    pub(super) fn initial(self) -> u64 {
        match self.has_more_code() || self.moved_to_initial() {
            true => self.now.initial.saturating_sub(self.before.initial),
            false => 0,
        }
    }

    /// Whether a tenth or more of it used to load on demand and now loads first.
    fn moved_to_initial(self) -> bool {
        let per_mille = |weight: Weight| weight.initial * 1_000 / weight.gzip.max(1);
        self.is_told && per_mille(self.now) >= per_mille(self.before) + 100
    }
}

impl<'a> Frontend<'a> {
    /// How every package of head changed against `base`.
    pub(super) fn growths(&self, base: &BundleEvidence) -> BTreeMap<&'a str, Growth> {
        let before = weights(base);
        let is_known = !base.parts.is_empty() && !self.head.parts.is_empty();
        let is_silent = self.base.is_some_and(|base| base.packages.is_empty());
        let untold = packages_of_untold_files(base, self.head);
        let total = deltas(base, self.head, |_| true);
        let initial = deltas(base, self.head, |asset| asset.load == Load::Initial);
        let moved = |before: u64, by: &BTreeMap<&str, i64>, package: &str| {
            before.saturating_add_signed(by.get(package).copied().unwrap_or(0))
        };
        weights(self.head)
            .into_iter()
            .map(|(package, mut now)| {
                let before = before.get(package).copied().unwrap_or_default();
                let is_told = !is_silent && !untold.contains(package);
                let growth = Growth {
                    before,
                    now,
                    is_told,
                };
                if is_known && (growth.has_more_code() || growth.moved_to_initial()) {
                    now.gzip = moved(before.gzip, &total, package);
                    now.initial = moved(before.initial, &initial, package);
                }
                (package, Growth { now, ..growth })
            })
            .collect()
    }

    /// The metrics that bytes more explain.
    pub(super) fn explained(&self, initial: u64, total: u64) -> Vec<MetricId> {
        [(Metric::InitialJs, initial), (Metric::Total, total)]
            .into_iter()
            .filter(|(_, bytes)| *bytes >= FLOOR)
            .map(|(metric, _)| MetricId::bundle(self.name, metric))
            .collect()
    }

    /// By how much the scripts of a first visit that loads this module grew, as a row of the report
    /// has it: that of the frontend, unless only lighter pages load it or grew; then that of the page
    /// that grew most. None where it is less than the floor.
    pub(super) fn grown_visit(&self, base: &BundleEvidence, module: &str) -> Option<Visit<'a>> {
        let whole = Visit {
            page: None,
            before: base.initial_js(),
            now: self.head.initial_js(),
        };
        if is_in_heaviest(self.head, module) && whole.grown() >= FLOOR {
            return Some(whole);
        }
        // A page by itself has a row only where there are several.
        let has_rows = [base, self.head].map(|it| it.first_loads().count() > 1);
        let pages = self.head.first_loads().filter(|_| has_rows == [true; 2]);
        let pages = pages.filter_map(|now| {
            let before = base.first_loads().find(|before| before.name == now.name)?;
            loads(self.head, now, module).then_some(Visit {
                page: Some(&now.name),
                before: before.js,
                now: now.js,
            })
        });
        pages
            .max_by_key(Visit::grown)
            .filter(|visit| visit.grown() >= FLOOR)
    }

    /// Whether `bytes` are a good part, one twentieth, of what a first visit loads.
    pub(super) fn is_good_part(&self, bytes: u64) -> bool {
        let whole = float(self.head.initial_js());
        float(bytes) >= whole / 20.0
    }
}

/// The scripts of a first visit in both arms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit<'a> {
    /// The page; none where it is the heaviest, of which the row of the frontend is.
    pub(super) page: Option<&'a str>,
    before: u64,
    /// Gzip bytes in head.
    pub(super) now: u64,
}

impl Visit<'_> {
    /// Gzip bytes more.
    pub(super) fn grown(&self) -> u64 {
        self.now.saturating_sub(self.before)
    }

    /// Its row.
    pub(super) fn id(&self, frontend: &str) -> MetricId {
        match self.page {
            Some(page) => MetricId::entry(frontend, page, Metric::InitialJs),
            None => MetricId::bundle(frontend, Metric::InitialJs),
        }
    }
}

/// Whether a page loads a module of the project's own; in doubt it does.
fn loads(bundle: &BundleEvidence, page: &EntryLoad, module: &str) -> bool {
    let mut parts = (bundle.parts.iter())
        .filter(|part| part.module.as_deref() == Some(module))
        .peekable();
    parts.peek().is_none() || parts.any(|part| page.files.contains(&part.asset))
}

/// Whether the page with most scripts, whose number the frontend has, loads a module.
pub(super) fn is_in_heaviest(bundle: &BundleEvidence, module: &str) -> bool {
    let most = bundle.initial_js();
    let mut pages = bundle.first_loads().peekable();
    pages.peek().is_none() || pages.any(|page| page.js == most && loads(bundle, page, module))
}

/// The packages in files of head of which base does not tell what they were made of: those that
/// nothing was said about there, and where such a file is gone or is told now, also every new one,
/// because what it holds may have come from there.
fn packages_of_untold_files<'e>(
    base: &BundleEvidence,
    head: &'e BundleEvidence,
) -> BTreeSet<&'e str> {
    let (before, now) = (by_file(base, |_| true), by_file(head, |_| true));
    let is_untold =
        |it: &Contents<'_>| !it.raw.is_empty() && it.raw.keys().all(|name| *name == UNMAPPED);
    // Styles have no map in either arm.
    let is_told_now = |name: &str| now.get(name).is_none_or(|it| !is_untold(it));
    let untold: BTreeSet<&str> = before
        .iter()
        .filter(|(name, contents)| is_untold(contents) && is_told_now(name))
        .map(|(name, _)| *name)
        .collect();
    let holds =
        |name: &str| !untold.is_empty() && (untold.contains(name) || !before.contains_key(name));
    now.iter()
        .filter(|(name, _)| holds(name))
        .flat_map(|(_, contents)| contents.raw.keys().copied())
        .collect()
}

/// By how many gzip bytes each package made its files larger or smaller, among the files that
/// `counts`. The difference of a file belongs to the packages whose raw bytes in it changed by the
/// floor or more, in proportion: new names after minification make all others a little larger.
fn deltas<'e>(
    base: &'e BundleEvidence,
    head: &'e BundleEvidence,
    counts: fn(&Asset) -> bool,
) -> BTreeMap<&'e str, i64> {
    let (before, now) = (by_file(base, counts), by_file(head, counts));
    let mut deltas: BTreeMap<&str, i64> = BTreeMap::new();
    for name in before
        .keys()
        .chain(now.keys().filter(|it| !before.contains_key(*it)))
    {
        let nothing = Contents::default();
        let old = before.get(name).unwrap_or(&nothing);
        let new = now.get(name).unwrap_or(&nothing);
        let packages = old.raw.keys().chain(new.raw.keys());
        let changes: BTreeMap<&str, i64> = packages
            .map(|package| (*package, new.raw_of(package) - old.raw_of(package)))
            .filter(|(_, change)| change.unsigned_abs() >= FLOOR)
            .collect();
        let difference = new.gzip - old.gzip;
        let sum: i64 = changes.values().sum();
        let is_one_way = changes
            .values()
            .all(|change| (*change > 0) == (difference > 0));
        for (package, change) in changes {
            // Where some came and others went, the difference says little: then by their share.
            let part = match is_one_way {
                true => scaled(difference, change, sum),
                false => scaled(change, old.gzip + new.gzip, old.sum() + new.sum()),
            };
            *deltas.entry(package).or_default() += part;
        }
    }
    deltas
}

/// What a file holds.
#[derive(Debug, Default)]
struct Contents<'e> {
    gzip: i64,
    raw: BTreeMap<&'e str, i64>,
}

impl Contents<'_> {
    fn raw_of(&self, package: &str) -> i64 {
        self.raw.get(package).copied().unwrap_or(0)
    }

    fn sum(&self) -> i64 {
        self.raw.values().sum()
    }
}

/// The files that `counts` by name.
fn by_file<'e>(
    bundle: &'e BundleEvidence,
    counts: fn(&Asset) -> bool,
) -> BTreeMap<&'e str, Contents<'e>> {
    let mut files = BTreeMap::new();
    let mut names = BTreeMap::new();
    for asset in bundle.assets.iter().filter(|asset| counts(asset)) {
        names.insert(asset.path.as_str(), asset.name.as_str());
        let gzip = signed(asset.gzip);
        let raw = BTreeMap::new();
        files.insert(asset.name.as_str(), Contents { gzip, raw });
    }
    for part in &bundle.parts {
        let name = names.get(part.asset.as_str());
        if let Some(file) = name.and_then(|name| files.get_mut(name)) {
            *file.raw.entry(part.package.as_str()).or_default() += signed(part.raw);
        }
    }
    files
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// `value * part / whole`, rounded towards zero.
fn scaled(value: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let product = i128::from(value) * i128::from(part) / i128::from(whole);
    i64::try_from(product).unwrap_or(0)
}

fn weights(bundle: &BundleEvidence) -> BTreeMap<&str, Weight> {
    let mut weights: BTreeMap<&str, Weight> = BTreeMap::new();
    for bytes in bundle.packages.iter().filter(|bytes| is_package(bytes)) {
        let weight = weights.entry(&bytes.package).or_default();
        weight.raw += bytes.raw;
        weight.gzip += bytes.gzip;
        weight.initial += bytes.initial_gzip;
    }
    weights
}

/// Whether bytes belong to a package: own code and what no mapping names are in brackets.
pub(super) fn is_package(bytes: &PackageBytes) -> bool {
    !bytes.package.starts_with('(')
}

/// The way to a package.
pub(super) fn chain_to<'a>(bundle: &'a BundleEvidence, package: &str) -> Option<&'a ImportChain> {
    bundle.chains.iter().find(|chain| chain.package == package)
}

/// Who asks for a package, by the lockfile: one line for each of its versions.
pub(super) fn asked_by(bundle: &BundleEvidence, package: &str) -> Vec<String> {
    let asked = bundle.asked_by.iter().filter(|it| it.package == package);
    asked
        .map(|it| format!("{} asks for {}", it.place, it.way.join(" → ")))
        .collect()
}

/// How a reader finds out more about who asks for a package.
pub(super) fn why(bundle: &BundleEvidence, package: &str) -> String {
    let file = bundle.lockfile.as_deref().unwrap_or_default();
    match file.rsplit('/').next() {
        Some("pnpm-lock.yaml") => format!("pnpm why {package}"),
        Some("yarn.lock") => format!("yarn why {package}"),
        Some("bun.lock") => format!("bun why {package}"),
        Some(_) | None => format!("npm explain {package}"),
    }
}

/// The file of a chain that leads to one of the project's own modules.
pub(super) fn own_module(chain: &ImportChain) -> Option<&str> {
    chain.package.strip_prefix("./")
}

/// Whether a first visit loads some of a module of the project's own; none when the build does not
/// say where its bytes are.
pub(super) fn loads_first(bundle: &BundleEvidence, file: &str) -> Option<bool> {
    let is_it =
        |part: &&Part| part.package == PackageBytes::OWN && part.module.as_deref() == Some(file);
    let is_first = |part: &Part| {
        let mut assets = bundle.assets.iter();
        assets.any(|asset| asset.path == part.asset && asset.load == Load::Initial)
    };
    let mut parts = bundle.parts.iter().filter(is_it).peekable();
    parts.peek()?;
    Some(parts.any(is_first))
}

/// The places of a chain in the project's own code.
pub(super) fn own_places(chain: &ImportChain) -> impl DoubleEndedIterator<Item = &Place> + Clone {
    chain.steps.iter().filter(|place| is_own(place))
}

/// Whether a place is in the project's own code.
pub(super) fn is_own(place: &Place) -> bool {
    !place.file.split('/').any(|folder| folder == "node_modules")
}

/// The chain as a reader follows it.
pub(super) fn shown(chain: &ImportChain) -> String {
    let steps: Vec<String> = chain.steps.iter().map(ToString::to_string).collect();
    steps.join(" → ")
}

/// Where a finding is: the nearest of `places` that head changed, else the first of them, else
/// the frontend.
pub(super) fn locate<'p>(
    case: &Case<'_>,
    frontend: &Frontend<'_>,
    places: impl Iterator<Item = &'p Place> + Clone,
) -> Location {
    let is_changed = |place: &&Place| {
        let mut changes = case.head.evidence.changed.iter();
        changes.any(|lines| lines.covers(place))
    };
    let changed = places.clone().find(is_changed);
    match changed.or_else(|| places.clone().next()) {
        Some(place) => Location::Source {
            place: place.clone(),
            changed: changed.is_some(),
        },
        None => Location::Frontend {
            frontend: frontend.name.to_owned(),
        },
    }
}

/// How much bytes more matter, by what they explain.
pub(super) fn priority(case: &Case<'_>, explains: &[MetricId], bytes: u64) -> Priority {
    case.comparisons
        .iter()
        .filter(|comparison| explains.contains(&comparison.id))
        .map(|comparison| priority_for(comparison, float(bytes)))
        .min()
        .unwrap_or(Priority::Low)
}

/// The scale: a finding counts fully from 30 % of a regression or of a missed target on; a
/// target missed by half is critical; a tenth of a target that holds is medium.
fn priority_for(comparison: &Comparison, bytes: f64) -> Priority {
    let now = comparison.now.map_or(0.0, |now| now.point);
    let before = comparison.before.map_or(0.0, |before| before.point);
    let has_share = bytes >= 0.3 * now || bytes >= 0.3 * (now - before);
    let is_regressed = matches!(comparison.verdict, Verdict::Regressed(_));
    match comparison.target {
        Some(target) if target.verdict == BudgetVerdict::Missed && has_share => {
            match now >= 1.5 * target.limit {
                true => Priority::Critical,
                false => Priority::High,
            }
        }
        Some(_) | None if is_regressed && has_share => Priority::High,
        Some(target) if bytes >= 0.1 * target.limit => Priority::Medium,
        Some(_) | None if is_regressed => Priority::Medium,
        Some(_) | None => Priority::Low,
    }
}

#[expect(clippy::cast_precision_loss, reason = "no frontend ships 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

/// A number of bytes as a reader likes it, with 1 KB = 1 000 bytes.
pub(super) fn kb(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        _ => format!("{:.1} KB", float(bytes) / 1_000.0),
    }
}

/// Small runs for the tests of the bundle rules.
#[cfg(test)]
pub(super) mod fixtures {
    use std::collections::BTreeMap;

    use crate::diagnose::{Case, Rule};
    use crate::model::evidence::{
        Asset, BundleEvidence, ChangedLines, EntryLoad, Evidence, ImportChain, Load, PackageBytes,
        Place, WholeImport,
    };
    use crate::model::{
        Change, Comparison, Estimate, Finding, Machine, MetricId, Revision, Run, Tolerance,
        Verdict, Weight,
    };

    /// What a rule finds of one frontend where nothing is judged.
    pub(in crate::diagnose) fn findings(
        rule: Rule,
        base: Option<BundleEvidence>,
        head: BundleEvidence,
    ) -> Vec<Finding> {
        let base = base.map(run);
        rule(&Case {
            head: &run(head),
            base: base.as_ref(),
            comparisons: &[],
        })
    }

    /// A run with one frontend, `web`.
    pub(in crate::diagnose) fn run(bundle: BundleEvidence) -> Run {
        Run {
            revision: Revision {
                commit: String::new(),
                tree: String::new(),
                label: String::new(),
            },
            machine: Machine {
                cpu: String::new(),
                cores: 1,
                memory: 1,
                kernel: String::new(),
                image: None,
            },
            measured_at: String::new(),
            samples: BTreeMap::new(),
            confirmation: BTreeMap::new(),
            control: BTreeMap::new(),
            contention: BTreeMap::new(),
            not_measured: BTreeMap::new(),
            not_offered: BTreeMap::new(),
            ended: None,
            ended_endpoints: [].into(),
            histograms: BTreeMap::new(),
            fresh_histograms: BTreeMap::new(),
            timings: BTreeMap::new(),
            open_loops: BTreeMap::new(),
            responses: BTreeMap::new(),
            evidence: Evidence {
                bundles: BTreeMap::from([("web".to_owned(), bundle)]),
                ..Evidence::default()
            },
        }
    }

    /// Says that head changed a line.
    pub(in crate::diagnose) fn change(run: &mut Run, file: &str, line: u32) {
        run.evidence.changed.push(ChangedLines {
            file: file.to_owned(),
            first: line,
            last: line,
        });
    }

    /// A package with a third of its raw bytes after gzip.
    pub(in crate::diagnose) fn package(
        name: &str,
        version: &str,
        gzip: u64,
        initial_gzip: u64,
    ) -> PackageBytes {
        PackageBytes {
            package: name.to_owned(),
            version: Some(version.to_owned()),
            raw: gzip * 3,
            gzip,
            initial_gzip,
        }
    }

    pub(in crate::diagnose) fn place(text: &str) -> Place {
        let (file, line) = text.rsplit_once(':').unwrap();
        Place {
            file: file.to_owned(),
            line: line.parse().unwrap(),
        }
    }

    pub(in crate::diagnose) fn chain(name: &str, steps: &[&str], is_static: bool) -> ImportChain {
        ImportChain {
            package: name.to_owned(),
            steps: steps.iter().map(|step| place(step)).collect(),
            is_static,
        }
    }

    pub(in crate::diagnose) fn whole(name: &str, at: &str, members: &[&str]) -> WholeImport {
        WholeImport {
            package: name.to_owned(),
            place: place(at),
            statement: format!("import _ from '{name}'"),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
        }
    }

    pub(in crate::diagnose) fn script(name: &str, gzip: u64, load: Load) -> Asset {
        Asset {
            name: name.to_owned(),
            path: name.to_owned(),
            raw: gzip * 3,
            gzip,
            gzip_level_6: None,
            brotli: None,
            load,
            content: String::new(),
            digest: String::new(),
            source: None,
            was: None,
        }
    }

    /// A page that loads one script.
    pub(in crate::diagnose) fn page(name: &str, script: &str, js: u64) -> EntryLoad {
        EntryLoad {
            name: name.to_owned(),
            file: None,
            on_demand: false,
            files: vec![script.to_owned()],
            js,
            css: 0,
            unknown: None,
        }
    }

    /// A confirmed regression.
    pub(in crate::diagnose) fn regressed(id: MetricId, before: f64, now: f64) -> Comparison {
        Comparison {
            id,
            before: Some(Estimate::exact(before)),
            now: Some(Estimate::exact(now)),
            verdict: Verdict::Regressed(Change {
                worse_by: Estimate::exact(now / before - 1.0),
            }),
            tolerance: Some(Tolerance {
                relative: 0.01,
                floor: 1_000.0,
            }),
            target: None,
            weight: Weight::Gates,
            stored: None,
            detectable: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(raw: u64, gzip: u64, initial: u64) -> Weight {
        Weight { raw, gzip, initial }
    }

    #[test]
    fn a_share_that_shifts_with_its_neighbours_is_no_growth() {
        let growth = Growth {
            before: weight(200_000, 60_000, 60_000),
            now: weight(200_010, 65_000, 65_000),
            is_told: true,
        };
        assert_eq!((growth.initial(), growth.total()), (0, 0));
    }

    #[test]
    fn a_package_that_moves_loads_more_and_ships_no_more() {
        let growth = Growth {
            before: weight(200_000, 60_000, 0),
            now: weight(200_010, 65_000, 65_000),
            is_told: true,
        };
        assert_eq!((growth.initial(), growth.total()), (65_000, 0));
    }

    #[test]
    fn a_new_package_costs_what_its_file_grew_by() {
        use crate::model::evidence::Part;
        let bundle = |gzip: u64, parts: &[(&str, u64, u64)]| BundleEvidence {
            assets: vec![fixtures::script("index.js", gzip, Load::Initial)],
            parts: parts
                .iter()
                .map(|(package, raw, _)| Part {
                    asset: "index.js".to_owned(),
                    package: (*package).to_owned(),
                    module: None,
                    raw: *raw,
                })
                .collect(),
            packages: parts
                .iter()
                .map(|(package, raw, gzip)| PackageBytes {
                    package: (*package).to_owned(),
                    version: None,
                    raw: *raw,
                    gzip: *gzip,
                    initial_gzip: *gzip,
                })
                .collect(),
            ..BundleEvidence::default()
        };
        let base = bundle(84_000, &[("react-dom", 263_000, 84_000)]);
        // By shares lodash would cost 24,000, and react-dom, whose names got longer, 3,000.
        let head = bundle(
            111_000,
            &[("react-dom", 263_900, 87_000), ("lodash", 73_000, 24_000)],
        );
        let frontend = Frontend {
            name: "web",
            base: Some(&base),
            head: &head,
        };
        let growths = frontend.growths(&base);
        assert_eq!(growths["lodash"].initial(), 27_000);
        assert_eq!(growths["lodash"].total(), 27_000);
        assert_eq!(growths["react-dom"].total(), 0);

        // One came, another went.
        let head = bundle(
            85_000,
            &[("other", 200_000, 60_000), ("react-dom", 60_000, 25_000)],
        );
        let frontend = Frontend {
            head: &head,
            ..frontend
        };
        let growths = frontend.growths(&base);
        assert!(
            (60_000..70_000).contains(&growths["other"].total()),
            "{growths:?}"
        );
        assert_eq!(growths["react-dom"].total(), 0);
    }

    /// A frontend of scripts, each with its packages and their raw bytes.
    fn of_files(files: &[(&str, &[(&str, u64)])]) -> BundleEvidence {
        use crate::model::evidence::Part;
        let mut bundle = BundleEvidence::default();
        for (file, packages) in files {
            let gzip = packages.iter().map(|(_, raw)| raw / 3).sum();
            bundle
                .assets
                .push(fixtures::script(file, gzip, Load::Initial));
            for (package, raw) in *packages {
                bundle.parts.push(Part {
                    asset: (*file).to_owned(),
                    package: (*package).to_owned(),
                    module: None,
                    raw: *raw,
                });
                let gzip = raw / 3;
                bundle
                    .packages
                    .push(fixtures::package(package, "1.0.0", gzip, gzip));
            }
        }
        bundle
    }

    #[test]
    fn nothing_is_new_that_base_may_have_had_in_a_file_without_map() {
        let claimed = |base: &BundleEvidence, head: &BundleEvidence| -> Vec<String> {
            let frontend = Frontend {
                name: "web",
                base: Some(base),
                head,
            };
            let growths = frontend.growths(base).into_iter();
            growths
                .filter(|(_, growth)| growth.is_new() || growth.initial().max(growth.total()) > 0)
                .map(|(package, _)| package.to_owned())
                .collect()
        };
        let head = of_files(&[
            ("index.js", &[("react", 60_000)]),
            ("late.js", &[("lodash", 30_000)]),
            ("new.js", &[("moment", 90_000)]),
        ]);
        let no_map = BundleEvidence {
            assets: head.assets.clone(),
            ..BundleEvidence::default()
        };
        assert_eq!(claimed(&no_map, &head), Vec::<String>::new());

        // One file of base has no map: what is in it now, and what is new, may have been in it.
        let one_without = of_files(&[
            ("index.js", &[(UNMAPPED, 60_000)]),
            ("late.js", &[("clsx", 3_000)]),
        ]);
        assert_eq!(claimed(&one_without, &head), ["lodash"]);
        let all_told = of_files(&[("index.js", &[("clsx", 3_000)])]);
        assert_eq!(claimed(&all_told, &head), ["lodash", "moment", "react"]);

        // A file that has no map in head either hides the same as before.
        let with_legacy = |bundle: &BundleEvidence| {
            let mut bundle = bundle.clone();
            let legacy = of_files(&[("legacy.js", &[(UNMAPPED, 9_000)])]);
            bundle.assets.extend(legacy.assets);
            bundle.parts.extend(legacy.parts);
            bundle
        };
        assert_eq!(
            claimed(&with_legacy(&all_told), &with_legacy(&head)),
            ["lodash", "moment", "react"]
        );
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(kb(338), "338 B");
        assert_eq!(kb(24_570), "24.6 KB");
    }
}
