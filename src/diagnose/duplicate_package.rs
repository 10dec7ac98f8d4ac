//! `bundle.duplicate`: the build contains more copies of a package than base did.
//!
//! Claims: all but the largest copy could be saved.
//! Needs: source maps of both arms; a copy is a folder of its own in the installed tree.
//! Silent: without base, and when the other copies weigh less than 1 KB together.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::{BundleEvidence, PackageBytes};
use crate::model::{Confidence, Expected, Finding, Provenance, Recommendation, Risk};

use super::Case;
use super::bundles::{self, FLOOR, Frontend, kb};

/// See the opening of this file.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    bundles::each(case, claims, finding)
}

/// Packages whose growth this rule explains, so that no other rule repeats it.
pub(super) fn explained<'a>(frontend: &Frontend<'a>) -> BTreeSet<&'a str> {
    claims(frontend).iter().map(|claim| claim.package).collect()
}

/// A package and its copies, largest first.
struct Claim<'a> {
    package: &'a str,
    copies: Vec<&'a PackageBytes>,
}

impl Claim<'_> {
    fn spare(&self, bytes: fn(&PackageBytes) -> u64) -> u64 {
        self.copies.iter().skip(1).map(|copy| bytes(copy)).sum()
    }

    /// The major versions, if all are known.
    fn majors(&self) -> Option<BTreeSet<&str>> {
        self.copies
            .iter()
            .map(|copy| copy.version.as_deref()?.split('.').next())
            .collect()
    }
}

fn claims<'a>(frontend: &Frontend<'a>) -> Vec<Claim<'a>> {
    let Some(base) = frontend.base else {
        return Vec::new();
    };
    let before = copies(base);
    let growths = frontend.growths(base);
    copies(frontend.head)
        .into_iter()
        .filter(|(package, _)| growths.get(package).is_some_and(|growth| growth.is_told))
        .filter(|(package, copies)| {
            copies.len() > before.get(package).map_or(1, |before| before.len().max(1))
        })
        .map(|(package, mut copies)| {
            copies.sort_by_key(|copy| std::cmp::Reverse(copy.gzip));
            Claim { package, copies }
        })
        .filter(|claim| claim.spare(|copy| copy.gzip) >= FLOOR)
        .collect()
}

fn copies(bundle: &BundleEvidence) -> BTreeMap<&str, Vec<&PackageBytes>> {
    let mut copies: BTreeMap<&str, Vec<&PackageBytes>> = BTreeMap::new();
    for bytes in bundle
        .packages
        .iter()
        .filter(|bytes| bundles::is_package(bytes))
    {
        copies.entry(&bytes.package).or_default().push(bytes);
    }
    copies
}

fn finding(case: &Case<'_>, frontend: &Frontend<'_>, claim: &Claim<'_>) -> Finding {
    let package = claim.package;
    let total = claim.spare(|copy| copy.gzip);
    let initial = claim.spare(|copy| copy.initial_gzip);
    let explains = frontend.explained(initial, total);
    let chain = bundles::chain_to(frontend.head, package);
    let risk = match claim.majors() {
        Some(majors) if majors.len() == 1 => Risk::Low,
        Some(_) | None => Risk::Medium,
    };
    Finding {
        rule: "bundle.duplicate".to_owned(),
        location: bundles::locate(
            case,
            frontend,
            chain
                .into_iter()
                .flat_map(|chain| bundles::own_places(chain).rev()),
        ),
        issue: format!(
            "`{package}` is in the build {} times ({}); {} would go with one copy",
            claim.copies.len(),
            versions(claim),
            kb(total)
        ),
        impact: format!(
            "{} more (gzip), {} of it on the first visit",
            kb(total),
            kb(initial)
        ),
        priority: bundles::priority(case, &explains, total),
        confidence: Confidence::Proved,
        evidence: claim
            .copies
            .iter()
            .map(|copy| format!("`{package}` {}: {} gzip", version(copy), kb(copy.gzip)))
            .chain(bundles::asked_by(frontend.head, package))
            .chain(chain.map(|chain| format!("reached by {}", bundles::shown(chain))))
            .collect(),
        recommendation: Some(Recommendation {
            change: format!("let every dependent use one version of `{package}`"),
            expected: Expected {
                improvement: format!("{} less (gzip): every copy but the largest", kb(total)),
                provenance: Provenance::Computed,
            },
            steps: steps(frontend.head, package),
            risk,
            quick_win: risk == Risk::Low && frontend.is_good_part(total),
        }),
        explains,
    }
}

fn version(copy: &PackageBytes) -> &str {
    copy.version.as_deref().unwrap_or("of unknown version")
}

fn versions(claim: &Claim<'_>) -> String {
    let all: Vec<&str> = claim.copies.iter().map(|copy| version(copy)).collect();
    all.join(", ")
}

fn steps(head: &BundleEvidence, package: &str) -> Vec<String> {
    let file = head.lockfile.as_deref().unwrap_or_default();
    // Where each package manager is told which version all shall have.
    let one = match file.rsplit('/').next() {
        Some("pnpm-lock.yaml") => format!(
            "run `pnpm dedupe`, or set one version of `{package}` under `pnpm.overrides` in \
             `package.json`"
        ),
        Some("yarn.lock") => format!(
            "run `yarn dedupe`, or set one version of `{package}` under `resolutions` in \
             `package.json`"
        ),
        Some("bun.lock") => format!(
            "set one version of `{package}` under `overrides` in `package.json` and run \
             `bun install`"
        ),
        Some(_) | None => format!(
            "run `npm dedupe`, or set one version of `{package}` under `overrides` in \
             `package.json`"
        ),
    };
    let why = bundles::why(head, package);
    vec![format!("find who asks for which version: `{why}`"), one]
}

#[cfg(test)]
mod tests {
    use super::super::bundles::fixtures::{chain, findings, package};
    use super::*;

    fn bundle(packages: Vec<PackageBytes>) -> BundleEvidence {
        BundleEvidence {
            packages,
            chains: vec![chain(
                "lodash",
                &["web/src/main.tsx:5", "web/node_modules/x/i.js:1"],
                true,
            )],
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn a_second_version_is_named_with_what_it_costs() {
        let base = bundle(vec![package("lodash", "4.18.1", 20_000, 20_000)]);
        let head = bundle(vec![
            package("lodash", "3.0.0", 5_000, 5_000),
            package("lodash", "4.18.1", 20_000, 20_000),
        ]);
        let found = findings(rule, Some(base), head.clone());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].issue,
            "`lodash` is in the build 2 times (4.18.1, 3.0.0); 5.0 KB would go with one copy"
        );
        assert_eq!(found[0].location.to_string(), "web/src/main.tsx:5");
        assert_eq!(found[0].recommendation.as_ref().unwrap().risk, Risk::Medium);
        assert_eq!(findings(rule, Some(head.clone()), head.clone()), []);
        assert_eq!(findings(rule, None, head.clone()), []);
        // Base had no source map: it may have had both.
        assert_eq!(findings(rule, Some(bundle(Vec::new())), head), []);
    }
}
