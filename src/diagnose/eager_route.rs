//! `bundle.eager-route`: a module that loaded on demand now loads with the entry.
//!
//! Claims: the static import named moved the bytes into the first visit.
//! Needs: the import graph of both arms, hence source maps of both.
//! Silent: without base, when no first visit that loads it grew by 1 KB, and where the files do not
//! bear it out: a chain that could not be read is no proof that base loaded a module on demand.

use std::collections::BTreeSet;

use crate::model::evidence::{BundleEvidence, ImportChain, Load, Place};
use crate::model::{Confidence, Expected, Finding, Provenance, Recommendation, Risk};

use super::Case;
use super::bundles::{self, FLOOR, Frontend, Visit, kb};

/// See the opening of this file.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    bundles::each(case, claims, finding)
}

/// Files that this rule says are eager now: what they bring is explained by it.
pub(super) fn eager_files<'a>(frontend: &Frontend<'a>) -> BTreeSet<&'a str> {
    claims(frontend).iter().map(|claim| claim.file).collect()
}

/// One module that is eager now.
struct Claim<'a> {
    /// Its file.
    file: &'a str,
    chain: &'a ImportChain,
    /// The import that makes it eager.
    place: &'a Place,
    /// How base reached it.
    before: &'a ImportChain,
    /// The first visit that is heavier.
    visit: Visit<'a>,
    /// Gzip bytes that moved into it.
    moved: u64,
}

fn claims<'a>(frontend: &Frontend<'a>) -> Vec<Claim<'a>> {
    let Some(base) = frontend.base else {
        return Vec::new();
    };
    let eager: Vec<(&str, &ImportChain, &ImportChain)> = frontend
        .head
        .chains
        .iter()
        .filter(|chain| chain.is_static)
        .filter_map(|chain| {
            let before = bundles::chain_to(base, &chain.package)?;
            let file = bundles::own_module(chain)?;
            (!before.is_static).then_some((file, chain, before))
        })
        .collect();
    let files: BTreeSet<&str> = eager.iter().map(|(file, _, _)| *file).collect();
    let is_borne_out = |file| {
        !bundles::loads_first(base, file).unwrap_or(false)
            && bundles::loads_first(frontend.head, file).unwrap_or(true)
    };
    eager
        .into_iter()
        .filter(|(file, ..)| is_borne_out(file))
        .filter_map(|(file, chain, before)| {
            let place = chain.steps.last()?;
            let visit = frontend.grown_visit(base, file)?;
            // What an eager module imports is eager because of it.
            (!files.contains(place.file.as_str())).then(|| Claim {
                file,
                chain,
                place,
                before,
                visit,
                moved: moved(base, file, visit.grown()),
            })
        })
        .filter(|claim| claim.moved >= FLOOR)
        .collect()
}

/// The bytes of the chunk that base had for the module; all of the growth where it had none of
/// that name.
fn moved(base: &BundleEvidence, file: &str, grown: u64) -> u64 {
    let name = component(file);
    base.assets
        .iter()
        .filter(|asset| asset.load == Load::Lazy && asset.path.ends_with("js"))
        .find(|asset| stem(&asset.name) == name)
        .map_or(grown, |asset| asset.gzip.min(grown))
}

/// The name of the file without its ending; that of the folder for an `index` file.
fn component(file: &str) -> &str {
    match (stem(file), file.rsplit('/').nth(1)) {
        ("index", Some(folder)) => folder,
        (stem, _) => stem,
    }
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

fn finding(case: &Case<'_>, frontend: &Frontend<'_>, claim: &Claim<'_>) -> Finding {
    let Claim {
        file,
        place,
        moved,
        visit,
        ..
    } = claim;
    let explains = vec![visit.id(frontend.name)];
    let of_page = visit
        .page
        .map_or_else(String::new, |page| format!(" of `{page}`"));
    Finding {
        rule: "bundle.eager-route".to_owned(),
        location: bundles::locate(case, frontend, [*place].into_iter()),
        issue: format!(
            "`{file}` is imported statically; base loaded it on demand, and now {} of it and what \
             it brings load with the entry",
            kb(*moved)
        ),
        impact: format!(
            "{} more on the first visit{of_page} (gzip), {} in all",
            kb(*moved),
            kb(visit.now)
        ),
        priority: bundles::priority(case, &explains, *moved),
        confidence: Confidence::Proved,
        evidence: vec![
            format!("head: {}", bundles::shown(claim.chain)),
            format!("base, on demand: {}", bundles::shown(claim.before)),
        ],
        recommendation: Some(Recommendation {
            change: format!("load `{file}` on demand again"),
            expected: Expected {
                improvement: format!("{} less on the first visit (gzip)", kb(*moved)),
                provenance: Provenance::Computed,
            },
            steps: steps(file, place),
            risk: Risk::Low,
            quick_win: frontend.is_good_part(*moved),
        }),
        explains,
    }
}

fn steps(file: &str, place: &Place) -> Vec<String> {
    let specifier = specifier(&place.file, file);
    if !file.ends_with("sx") {
        return vec![format!(
            "replace the import in {place} by `await import('{specifier}')` where it is used"
        )];
    }
    let name = component(file);
    vec![
        format!(
            "replace the import in {place} by `const {name} = lazy(() => import('{specifier}'))`"
        ),
        format!("keep `<Suspense fallback={{…}}>` around `<{name} />`"),
    ]
}

/// How to load a module on demand that is imported in these places.
pub(super) fn steps_of_all(file: &str, places: &[Place]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for step in places.iter().flat_map(|place| steps(file, place)) {
        if !all.contains(&step) {
            all.push(step);
        }
    }
    all
}

/// How `from` would import `to`: relative, without the ending.
fn specifier(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').collect();
    let folder = &from[..from.len().saturating_sub(1)];
    let parts: Vec<&str> = to.split('/').collect();
    let common = folder
        .iter()
        .zip(&parts)
        .take_while(|(a, b)| a == b)
        .count();
    let up = match folder.len() - common {
        0 => "./".to_owned(),
        levels => "../".repeat(levels),
    };
    let path = parts[common..].join("/");
    let path = path
        .rsplit_once('.')
        .map_or(path.as_str(), |(path, _)| path);
    format!("{up}{}", path.strip_suffix("/index").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::super::bundles::fixtures::{chain, findings, page, regressed, run, script};
    use super::*;
    use crate::model::evidence::{PackageBytes, Part};
    use crate::model::{Metric, MetricId, Priority};

    const CHARTS: &str = "./web/src/pages/Charts.tsx";
    const SPARK: &str = "./web/src/Spark.tsx";

    fn base() -> BundleEvidence {
        BundleEvidence {
            assets: vec![
                script("assets/index.js", 99_000, Load::Initial),
                script("assets/Charts.js", 115_000, Load::Lazy),
            ],
            chains: vec![
                chain(CHARTS, &["web/src/main.tsx:5", "web/src/App.tsx:7"], false),
                chain(
                    SPARK,
                    &[
                        "web/src/main.tsx:5",
                        "web/src/App.tsx:7",
                        "web/src/pages/Charts.tsx:3",
                    ],
                    false,
                ),
            ],
            ..BundleEvidence::default()
        }
    }

    fn head() -> BundleEvidence {
        BundleEvidence {
            assets: vec![script("assets/index.js", 215_000, Load::Initial)],
            chains: vec![
                chain(CHARTS, &["web/src/main.tsx:5", "web/src/App.tsx:6"], true),
                chain(
                    SPARK,
                    &[
                        "web/src/main.tsx:5",
                        "web/src/App.tsx:6",
                        "web/src/pages/Charts.tsx:3",
                    ],
                    true,
                ),
            ],
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn the_import_that_moved_a_page_is_named_once() {
        let (base, head) = (run(base()), run(head()));
        let id = MetricId::bundle("web", Metric::InitialJs);
        let findings = rule(&Case {
            head: &head,
            base: Some(&base),
            comparisons: &[regressed(id.clone(), 99_000.0, 215_000.0)],
        });
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(finding.location.to_string(), "web/src/App.tsx:6");
        assert_eq!(
            finding.impact,
            "115.0 KB more on the first visit (gzip), 215.0 KB in all"
        );
        assert_eq!(finding.priority, Priority::High);
        assert_eq!(finding.explains, [id]);
        let advice = finding.recommendation.as_ref().unwrap();
        assert_eq!(
            advice.steps[0],
            "replace the import in web/src/App.tsx:6 by `const Charts = lazy(() => import('./pages/Charts'))`"
        );
    }

    #[test]
    fn nothing_is_said_that_the_files_do_not_bear_out() {
        let part = |asset: &str| Part {
            asset: asset.to_owned(),
            package: PackageBytes::OWN.to_owned(),
            module: Some("web/src/pages/Charts.tsx".to_owned()),
            raw: 1_000,
        };
        let findings = |in_base: &str, in_head: &str| {
            let (mut base, mut head) = (base(), head());
            base.parts = vec![part(in_base)];
            head.assets
                .push(script("assets/Charts.js", 115_000, Load::Lazy));
            head.parts = vec![part(in_head)];
            let (base, head) = (run(base), run(head));
            let id = MetricId::bundle("web", Metric::InitialJs);
            rule(&Case {
                head: &head,
                base: Some(&base),
                comparisons: &[regressed(id, 99_000.0, 215_000.0)],
            })
            .len()
        };
        let (index, charts) = ("assets/index.js", "assets/Charts.js");
        assert_eq!(findings(charts, index), 1);
        // An import that base had as well was not read there.
        assert_eq!(findings(index, index), 0);
        assert_eq!(findings(charts, charts), 0);
    }

    #[test]
    fn nothing_is_said_without_base_or_without_growth() {
        let (same, head) = (run(head()), run(head()));
        for base in [None, Some(&same)] {
            let case = Case {
                head: &head,
                base,
                comparisons: &[],
            };
            assert_eq!(rule(&case), []);
        }
    }

    /// A frontend with a light and a heavy page; the light one loads the charts.
    fn of_pages(light: u64, heavy: u64, chains: Vec<ImportChain>) -> BundleEvidence {
        let charts = CHARTS.strip_prefix("./").map(str::to_owned);
        BundleEvidence {
            assets: vec![
                script("light.js", light, Load::Initial),
                script("heavy.js", heavy, Load::Initial),
            ],
            entries: vec![
                page("light.html", "light.js", light),
                page("heavy.html", "heavy.js", heavy),
            ],
            parts: vec![Part {
                asset: "light.js".to_owned(),
                package: PackageBytes::OWN.to_owned(),
                module: charts,
                raw: 1,
            }],
            chains,
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn the_first_visit_is_that_of_the_page_which_has_a_row() {
        let found = |before: (u64, u64), now: (u64, u64)| -> Vec<(String, String)> {
            let mut base = of_pages(before.0, before.1, base().chains);
            // There the charts were in a file that loads on demand.
            base.parts.clear();
            let head = of_pages(now.0, now.1, head().chains);
            let findings = findings(rule, Some(base), head);
            let shown = |it: &Finding| (it.impact.clone(), it.explains[0].to_string());
            findings.iter().map(shown).collect()
        };
        // Together both load 150 KB first, and no visitor loads both.
        let light = |text: &str| {
            vec![(
                text.to_owned(),
                "entry/web/light.html/initial-js".to_owned(),
            )]
        };
        assert_eq!(
            found((30_000, 100_000), (50_000, 100_000)),
            light("20.0 KB more on the first visit of `light.html` (gzip), 50.0 KB in all")
        );
        // The heavy page grew by something else.
        assert_eq!(
            found((30_000, 100_000), (50_000, 140_000)),
            light("20.0 KB more on the first visit of `light.html` (gzip), 50.0 KB in all")
        );
        assert_eq!(found((30_000, 100_000), (30_000, 140_000)), []);
        // It has become the heaviest.
        assert_eq!(
            found((90_000, 100_000), (120_000, 100_000)),
            [(
                "20.0 KB more on the first visit (gzip), 120.0 KB in all".to_owned(),
                "bundle/web/initial-js".to_owned()
            )]
        );
    }

    #[test]
    fn specifiers_are_relative_to_the_importer() {
        assert_eq!(specifier("a/src/App.tsx", "a/src/pages/X.tsx"), "./pages/X");
        assert_eq!(specifier("a/src/x/App.tsx", "a/src/y/index.ts"), "../y");
    }
}
