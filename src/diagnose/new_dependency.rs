//! `bundle.dependency`: a package is new in the build, grew, or moved into the first visit.
//!
//! Claims: the import line named brings the package, and with it the packages it needs.
//! Needs: source maps of both arms.
//! Silent: without base, for packages in files that base had without a source map, below 1 KB, and
//! for what `bundle.whole-import`, `bundle.duplicate` or `bundle.eager-route` explains already.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::{BundleEvidence, ImportChain};
use crate::model::{Confidence, Expected, Finding, Provenance, Recommendation, Risk};

use super::Case;
use super::bundles::{self, FLOOR, Frontend, Growth, kb};
use super::{duplicate_package, eager_route, whole_import};

/// At most so many packages are listed one by one.
const LISTED: usize = 8;

/// Packages for which the platform or a smaller package does the same.
const LIGHTER: [(&str, &str); 5] = [
    ("moment", "`Intl.DateTimeFormat` or `dayjs`"),
    ("axios", "`fetch`"),
    ("uuid", "`crypto.randomUUID()`"),
    ("jquery", "the DOM's own `querySelector` and `fetch`"),
    ("qs", "`URLSearchParams`"),
];

/// See the opening of this file.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    bundles::frontends(case)
        .iter()
        .flat_map(|frontend| {
            groups(frontend)
                .into_iter()
                .map(|group| finding(case, frontend, &group))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A package that own code imports, and the packages it brings.
struct Group<'a> {
    package: &'a str,
    chain: Option<&'a ImportChain>,
    /// Largest growth first.
    members: Vec<(&'a str, Growth)>,
}

impl Group<'_> {
    fn sum(&self, bytes: fn(Growth) -> u64) -> u64 {
        self.members.iter().map(|(_, growth)| bytes(*growth)).sum()
    }

    fn initial(&self) -> u64 {
        self.sum(Growth::initial)
    }

    fn total(&self) -> u64 {
        self.sum(Growth::total)
    }

    fn cost(&self) -> u64 {
        self.initial().max(self.total())
    }

    /// What happened to the package that own code imports.
    fn kind(&self) -> Kind {
        let lead = self.members.iter().find(|(name, _)| *name == self.package);
        let growth = lead.or(self.members.first()).map(|(_, growth)| *growth);
        match growth {
            Some(growth) if growth.is_new() => Kind::New,
            Some(growth) if growth.has_more_code() => Kind::Grown,
            Some(_) | None => Kind::Moved,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    New,
    Grown,
    Moved,
}

fn groups<'a>(frontend: &Frontend<'a>) -> Vec<Group<'a>> {
    let Some(base) = frontend.base else {
        return Vec::new();
    };
    let mut explained = whole_import::explained(frontend);
    explained.extend(duplicate_package::explained(frontend));
    let eager = eager_route::eager_files(frontend);

    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for (package, growth) in frontend.growths(base) {
        let chain = bundles::chain_to(frontend.head, package);
        if growth.initial().max(growth.total()) == 0
            || explained.contains(package)
            || has_only_moved_with(&eager, growth, chain)
        {
            continue;
        }
        let lead = chain.and_then(imported_by_own_code).unwrap_or(package);
        groups
            .entry(lead)
            .or_insert_with(|| Group {
                package: lead,
                chain: bundles::chain_to(frontend.head, lead).or(chain),
                members: Vec::new(),
            })
            .members
            .push((package, growth));
    }
    let mut groups: Vec<Group<'_>> = groups
        .into_values()
        .filter(|group| group.cost() >= FLOOR)
        .collect();
    for group in &mut groups {
        group
            .members
            .sort_by_key(|(_, growth)| std::cmp::Reverse(growth.initial().max(growth.total())));
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.cost()));
    groups
}

/// Whether a module that became eager took the package along unchanged.
fn has_only_moved_with(
    eager: &BTreeSet<&str>,
    growth: Growth,
    chain: Option<&ImportChain>,
) -> bool {
    let is_with_it = match chain {
        Some(chain) => {
            let mut files = chain.steps.iter().map(|step| step.file.as_str());
            files.any(|file| eager.contains(file))
        }
        // Nobody knows where it comes from; then it most likely came along.
        None => !eager.is_empty(),
    };
    !growth.has_more_code() && is_with_it
}

/// The package that own code imports on the way to a package: the one whose file has the first
/// step outside of own code.
fn imported_by_own_code(chain: &ImportChain) -> Option<&str> {
    let step = chain.steps.iter().find(|step| !bundles::is_own(step))?;
    let (_, path) = step.file.rsplit_once("node_modules/")?;
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    let end = match path.starts_with('@') {
        true => slashes.nth(1)?,
        false => slashes.next()?,
    };
    Some(&path[..end])
}

fn finding(case: &Case<'_>, frontend: &Frontend<'_>, group: &Group<'_>) -> Finding {
    let explains = frontend.explained(group.initial(), group.total());
    let places = group
        .chain
        .into_iter()
        .flat_map(|chain| bundles::own_places(chain).rev());
    Finding {
        rule: "bundle.dependency".to_owned(),
        location: bundles::locate(case, frontend, places),
        issue: issue(group),
        impact: impact(group),
        priority: bundles::priority(case, &explains, group.cost()),
        confidence: Confidence::Proved,
        evidence: evidence(frontend.head, group),
        recommendation: Some(recommendation(frontend.head, group)),
        explains,
    }
}

fn issue(group: &Group<'_>) -> String {
    let package = group.package;
    let before = group.sum(|growth| growth.before.gzip);
    let now = group.sum(|growth| growth.now.gzip);
    let company = match group
        .members
        .iter()
        .filter(|(name, _)| *name != package)
        .count()
    {
        0 => String::new(),
        1 => " with one package it brings".to_owned(),
        others => format!(" with {others} packages it brings"),
    };
    match group.kind() {
        Kind::New => format!(
            "`{package}`{company} is new in the build: {} (gzip)",
            kb(now)
        ),
        Kind::Grown => format!(
            "`{package}`{company} grew from {} to {} (gzip)",
            kb(before),
            kb(now)
        ),
        Kind::Moved => format!(
            "`{package}`{company} moved into the first visit: {} of it before, {} now (gzip)",
            kb(group.sum(|growth| growth.before.initial)),
            kb(group.sum(|growth| growth.now.initial))
        ),
    }
}

fn impact(group: &Group<'_>) -> String {
    match (group.initial(), group.total()) {
        (0, total) => format!("{} more on demand (gzip)", kb(total)),
        (initial, 0) => format!("{} more on the first visit (gzip)", kb(initial)),
        (initial, total) => format!(
            "{} more on the first visit (gzip), {} more in all",
            kb(initial),
            kb(total)
        ),
    }
}

fn evidence(head: &BundleEvidence, group: &Group<'_>) -> Vec<String> {
    let mut lines: Vec<String> = group
        .chain
        .iter()
        .map(|chain| bundles::shown(chain))
        .collect();
    lines.extend(bundles::asked_by(head, group.package));
    lines.extend(group.members.iter().take(LISTED).map(|(name, growth)| {
        let version = head
            .packages
            .iter()
            .find(|bytes| bytes.package == *name)
            .and_then(|bytes| bytes.version.as_deref())
            .map_or(String::new(), |version| format!(" {version}"));
        format!(
            "`{name}`{version}: {} → {}, on the first visit {} → {}",
            kb(growth.before.gzip),
            kb(growth.now.gzip),
            kb(growth.before.initial),
            kb(growth.now.initial)
        )
    }));
    if let Some(more @ 1..) = group.members.len().checked_sub(LISTED) {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn recommendation(head: &BundleEvidence, group: &Group<'_>) -> Recommendation {
    let package = group.package;
    let lighter = LIGHTER.iter().find(|(known, _)| *known == package);
    let change = match (lighter, group.kind(), group.initial()) {
        (Some((_, lighter)), Kind::New, _) => format!("use {lighter} instead of `{package}`"),
        (_, Kind::Grown, 0) => format!(
            "keep the version of `{package}` that base has, or find out what the new one brings"
        ),
        (_, Kind::Moved, _) => format!("load `{package}` on demand again"),
        (_, Kind::New | Kind::Grown, 1..) => {
            format!("load `{package}` on demand, where it is used, instead of with the entry")
        }
        (_, Kind::New, 0) => format!("import only what is used of `{package}`, or do without it"),
    };
    let improvement = match group.initial() {
        0 => format!("up to {} less on demand (gzip)", kb(group.total())),
        initial => format!("{} less on the first visit (gzip)", kb(initial)),
    };
    Recommendation {
        change,
        expected: Expected {
            improvement,
            provenance: Provenance::Computed,
        },
        steps: steps(head, group),
        risk: Risk::Medium,
        quick_win: false,
    }
}

fn steps(head: &BundleEvidence, group: &Group<'_>) -> Vec<String> {
    let package = group.package;
    let why = bundles::why(head, package);
    let Some(place) = group
        .chain
        .and_then(|chain| bundles::own_places(chain).next_back())
    else {
        return vec![format!("find who asks for it: `{why}`")];
    };
    match group.initial() {
        0 => vec![
            format!("check in {place} which of its members are used, and import those alone"),
            format!("compare what the versions bring: `{why}`"),
        ],
        _ => vec![
            format!("take the static import of `{package}` out of {place}"),
            format!(
                "where it is used, write `const module = await import('{package}')`, or put the \
                 component that needs it into a file of its own behind `lazy(() => import('…'))`"
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundles::fixtures::{
        chain, change, findings, package, regressed, run, script, whole,
    };
    use super::*;
    use crate::model::evidence::Load;
    use crate::model::{Location, Metric, MetricId, Priority};

    fn base() -> BundleEvidence {
        BundleEvidence {
            assets: vec![script("assets/index.js", 99_000, Load::Initial)],
            packages: vec![package("react-dom", "19.3.1", 65_000, 65_000)],
            ..BundleEvidence::default()
        }
    }

    /// `recharts` and what it brings, loaded with the entry.
    fn head() -> BundleEvidence {
        BundleEvidence {
            assets: vec![script("assets/index.js", 189_000, Load::Initial)],
            packages: vec![
                package("recharts", "3.10.1", 80_000, 80_000),
                package("react-dom", "19.3.1", 65_200, 65_200),
                package("d3-shape", "3.2.1", 9_800, 9_800),
                package("tiny-invariant", "1.3.3", 200, 200),
            ],
            chains: vec![
                chain(
                    "recharts",
                    &["web/src/main.tsx:5", "web/src/Charts.tsx:2"],
                    true,
                ),
                chain(
                    "d3-shape",
                    &[
                        "web/src/main.tsx:5",
                        "web/src/Charts.tsx:2",
                        "web/node_modules/recharts/es6/a.js:9",
                    ],
                    true,
                ),
                chain(
                    "tiny-invariant",
                    &[
                        "web/src/main.tsx:5",
                        "web/src/Charts.tsx:2",
                        "web/node_modules/recharts/es6/b.js:1",
                    ],
                    true,
                ),
            ],
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn a_new_package_and_what_it_brings_are_one_finding() {
        let (base, mut head) = (run(base()), run(head()));
        change(&mut head, "web/src/main.tsx", 5);
        let id = MetricId::bundle("web", Metric::InitialJs);
        let findings = rule(&Case {
            head: &head,
            base: Some(&base),
            comparisons: &[regressed(id.clone(), 99_000.0, 189_000.0)],
        });
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(
            finding.issue,
            "`recharts` with 2 packages it brings is new in the build: 90.0 KB (gzip)"
        );
        assert_eq!(
            finding.evidence[0],
            "web/src/main.tsx:5 → web/src/Charts.tsx:2"
        );
        assert_eq!(
            finding.evidence[1],
            "`recharts` 3.10.1: 0 B → 80.0 KB, on the first visit 0 B → 80.0 KB"
        );
        assert_eq!(finding.priority, Priority::High);
        assert_eq!(
            finding.explains,
            [id, MetricId::bundle("web", Metric::Total)]
        );
        // The changed line wins over the nearer one.
        let Location::Source { place, changed } = &finding.location else {
            panic!("{:?}", finding.location)
        };
        assert_eq!(
            (place.to_string().as_str(), *changed),
            ("web/src/main.tsx:5", true)
        );
        let advice = finding.recommendation.as_ref().unwrap();
        assert_eq!(
            advice.expected.improvement,
            "90.0 KB less on the first visit (gzip)"
        );
        assert!(
            advice.steps[0].contains("web/src/Charts.tsx:2"),
            "{:?}",
            advice.steps
        );
    }

    #[test]
    fn a_package_that_moved_into_the_first_visit_is_found() {
        let mut before = head();
        for package in &mut before.packages {
            if package.package != "react-dom" {
                package.initial_gzip = 0;
            }
        }
        let found = findings(rule, Some(before), head());
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .issue
                .contains("moved into the first visit: 0 B of it before, 90.0 KB now")
        );
        assert_eq!(
            found[0].explains,
            [MetricId::bundle("web", Metric::InitialJs)]
        );
    }

    #[test]
    fn what_another_rule_explains_is_not_repeated() {
        let mut whole_head = head();
        whole_head.whole_imports = vec![whole("recharts", "web/src/Charts.tsx:2", &["a"])];
        let found = findings(rule, Some(base()), whole_head);
        assert_eq!(found.len(), 1);
        assert!(
            !found[0]
                .evidence
                .iter()
                .any(|line| line.starts_with("`recharts`"))
        );

        let page = "./web/src/Charts.tsx";
        let mut before = head();
        before.assets = base().assets;
        before.chains = vec![chain(page, &["web/src/main.tsx:5"], false)];
        for package in &mut before.packages {
            package.initial_gzip = 0;
        }
        let mut after = head();
        after
            .chains
            .push(chain(page, &["web/src/main.tsx:5"], true));
        after
            .packages
            .retain(|package| package.package != "react-dom");
        assert_eq!(findings(rule, Some(before), after), []);
    }

    #[test]
    fn nothing_is_said_without_base_or_growth() {
        assert_eq!(findings(rule, None, head()), []);
        assert_eq!(findings(rule, Some(head()), head()), []);
    }
}
