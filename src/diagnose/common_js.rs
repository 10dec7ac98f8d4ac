//! `bundle.commonjs`: a package grew as CommonJS, of which nothing is left out, where it has ES
//! modules as well.
//!
//! Claims: the bytes named are CommonJS in the build, and the package offers ES modules.
//! Needs: source maps with the texts of the packages, or the installed tree; with a base, that the
//! package grew against it.
//! Silent: when the package offers nothing else, below 1 KB, and for what `bundle.whole-import`
//! explains already.

use crate::model::evidence::{BundleEvidence, CommonJs, Place};
use crate::model::{Confidence, Expected, Finding, Provenance, Recommendation, Risk};

use super::Case;
use super::bundles::{self, FLOOR, Frontend, Growth, kb};
use super::whole_import;

/// Packages that offer the same as ES modules under another name.
const TWINS: [(&str, &str); 1] = [("lodash", "lodash-es")];

/// See the opening of this file.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    bundles::each(case, claims, finding)
}

/// A package, by how much it grew, and what could be used instead.
struct Claim<'a> {
    found: &'a CommonJs,
    growth: Growth,
    instead: String,
}

fn claims<'a>(frontend: &Frontend<'a>) -> Vec<Claim<'a>> {
    let nothing = BundleEvidence::default();
    let base = frontend.base.unwrap_or(&nothing);
    let growths = frontend.growths(base);
    let explained = whole_import::explained(frontend);
    let found = frontend.head.common_js.iter();
    found
        .filter(|found| !explained.contains(found.package.as_str()))
        .filter_map(|found| {
            let growth = *growths.get(found.package.as_str())?;
            let is_grown = growth.has_more_code() && growth.total().max(growth.initial()) >= FLOOR;
            let before = base.common_js.iter().find(|it| it.package == found.package);
            let is_more = before.is_none_or(|before| found.raw >= before.raw + FLOOR);
            let instead = instead(found).filter(|_| is_grown && is_more)?;
            Some(Claim {
                found,
                growth,
                instead,
            })
        })
        .collect()
}

fn instead(found: &CommonJs) -> Option<String> {
    let twin = TWINS.iter().find(|(name, _)| *name == found.package);
    let package = &found.package;
    match (&found.offers, twin) {
        (Some(path), _) => Some(format!("the ES modules of `{package}` (`{path}`)")),
        (None, Some((_, twin))) => Some(format!("`{twin}`")),
        (None, None) => None,
    }
}

fn finding(case: &Case<'_>, frontend: &Frontend<'_>, claim: &Claim<'_>) -> Finding {
    let Claim {
        found,
        growth,
        instead,
    } = claim;
    let package = &found.package;
    let bytes = growth.total().max(growth.initial());
    let explains = frontend.explained(growth.initial(), growth.total());
    let chain = bundles::chain_to(frontend.head, package);
    let required = found.required_at.iter().filter(|it| bundles::is_own(it));
    let own = chain
        .into_iter()
        .flat_map(|chain| bundles::own_places(chain).rev());
    let places: Vec<&Place> = required.chain(own).collect();
    let asked = (found.required_at.iter()).map(|place| format!("{place} asks with `require`"));
    let reached = chain.map(|chain| format!("reached by {}", bundles::shown(chain)));
    Finding {
        rule: "bundle.commonjs".to_owned(),
        location: bundles::locate(case, frontend, places.iter().copied()),
        issue: format!(
            "{} of `{package}` (raw) are CommonJS, of which a bundler leaves nothing out",
            kb(found.raw)
        ),
        impact: match growth.initial() {
            0 => format!("{} more on demand (gzip)", kb(growth.total())),
            initial => format!("{} more on the first visit (gzip)", kb(initial)),
        },
        priority: bundles::priority(case, &explains, bytes),
        confidence: Confidence::Supported,
        evidence: std::iter::once(format!("{} is CommonJS", found.place))
            .chain(asked)
            .chain(reached)
            .collect(),
        recommendation: Some(Recommendation {
            change: format!("use {instead}"),
            expected: Expected {
                improvement: format!("less than {} (gzip), by what is not used", kb(bytes)),
                provenance: Provenance::Estimated,
            },
            steps: steps(found, &places),
            risk: Risk::Medium,
            quick_win: false,
        }),
        explains,
    }
}

fn steps(found: &CommonJs, places: &[&Place]) -> Vec<String> {
    let package = &found.package;
    let twin = TWINS.iter().find(|(name, _)| name == package);
    let required = found.required_at.as_ref();
    let required = required.filter(|place| bundles::is_own(place));
    match (required, twin, places.first()) {
        (Some(place), None, _) => vec![format!(
            "write `import` instead of `require('{package}')` in {place}"
        )],
        (_, Some((_, twin)), Some(place)) if found.offers.is_none() => vec![
            format!("install `{twin}` and import from it in {place}"),
            "import the members that are used by name".to_owned(),
        ],
        (_, _, _) => vec![format!(
            "let the bundler resolve `module` and the condition `import` before `main` and \
             `require`, and look for an alias of `{package}`"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundles::fixtures::{chain, findings, package, place, script, whole};
    use super::*;
    use crate::model::evidence::Load;

    fn head(offers: Option<&str>, required_at: Option<&str>) -> BundleEvidence {
        BundleEvidence {
            assets: vec![script("index.js", 90_000, Load::Initial)],
            packages: vec![package("dates", "2.0.0", 20_000, 20_000)],
            chains: vec![chain("dates", &["web/src/main.ts:3"], true)],
            common_js: vec![CommonJs {
                package: "dates".to_owned(),
                raw: 58_000,
                place: place("web/node_modules/dates/index.js:9"),
                offers: offers.map(str::to_owned),
                required_at: required_at.map(place),
            }],
            ..BundleEvidence::default()
        }
    }

    /// Base told of its packages, and had none of that name.
    fn base() -> BundleEvidence {
        BundleEvidence {
            packages: vec![package("clsx", "2.0.0", 200, 200)],
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn the_line_that_requires_it_is_named() {
        let found = findings(
            rule,
            Some(base()),
            head(Some("esm/index.js"), Some("web/src/old.ts:7")),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].location.to_string(), "web/src/old.ts:7");
        assert_eq!(
            found[0].issue,
            "58.0 KB of `dates` (raw) are CommonJS, of which a bundler leaves nothing out"
        );
        assert_eq!(
            found[0].evidence,
            [
                "web/node_modules/dates/index.js:9 is CommonJS",
                "web/src/old.ts:7 asks with `require`",
                "reached by web/src/main.ts:3"
            ]
        );
        let advice = found[0].recommendation.as_ref().unwrap();
        assert_eq!(
            advice.change,
            "use the ES modules of `dates` (`esm/index.js`)"
        );
        assert_eq!(
            advice.steps,
            ["write `import` instead of `require('dates')` in web/src/old.ts:7"]
        );
    }

    #[test]
    fn nothing_is_said_where_nothing_better_is_known_or_nothing_grew() {
        assert_eq!(findings(rule, Some(base()), head(None, None)), []);
        let offered = || head(Some("esm/index.js"), None);
        assert_eq!(findings(rule, Some(offered()), offered()), []);
        let mut explained = offered();
        explained.whole_imports = vec![whole("dates", "web/src/main.ts:3", &["day"])];
        assert_eq!(findings(rule, Some(base()), explained), []);
    }
}
