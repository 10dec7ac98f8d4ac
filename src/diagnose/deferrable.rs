//! `bundle.deferrable`: a module of the project that could load on demand makes the first visit
//! heavier than it may be.
//!
//! Claims: all bytes named load first because of the static imports named, and of nothing else.
//! Needs: the import graph of head, hence source maps; with a base, that the module holds more
//! than it did.
//! Silent: unless the initial JS regressed or misses its target, for what `bundle.eager-route`
//! explains already, and for what the heaviest page, whose number that is, does not load.

use crate::model::evidence::Deferrable;
use crate::model::{
    BudgetVerdict, Confidence, Expected, Finding, Metric, MetricId, Provenance, Recommendation,
    Risk,
};

use super::bundles::{self, FLOOR, Frontend, kb};
use super::{Case, eager_route};

/// At most so many modules of a frontend are named.
const NAMED: usize = 3;

/// See the opening of this file.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    let frontends = bundles::frontends(case);
    let of_frontend = |frontend: &Frontend<'_>| {
        let claims = claims(case, frontend);
        let findings = claims.iter().map(|claim| finding(case, frontend, claim));
        findings.take(NAMED).collect::<Vec<_>>()
    };
    frontends.iter().flat_map(of_frontend).collect()
}

fn claims<'a>(case: &Case<'_>, frontend: &Frontend<'a>) -> Vec<&'a Deferrable> {
    let id = MetricId::bundle(frontend.name, Metric::InitialJs);
    let target = case.comparison(&id).and_then(|it| it.target);
    let misses = target.is_some_and(|target| target.verdict == BudgetVerdict::Missed);
    if !misses && !case.has_regressed(&id) {
        return Vec::new();
    }
    let eager = eager_route::eager_files(frontend);
    let before = |module: &str| {
        let known = frontend.base.into_iter().flat_map(|base| &base.deferrable);
        let found = known.into_iter().find(|it| it.module == module);
        found.map_or(0, |it| it.gzip)
    };
    let found = frontend.head.deferrable.iter();
    found
        .filter(|it| !eager.contains(it.module.as_str()))
        .filter(|it| bundles::is_in_heaviest(frontend.head, &it.module))
        .filter(|it| misses || it.gzip >= before(&it.module) + FLOOR)
        .collect()
}

fn finding(case: &Case<'_>, frontend: &Frontend<'_>, claim: &Deferrable) -> Finding {
    let Deferrable {
        module,
        places,
        gzip,
        packages,
    } = claim;
    let explains = frontend.explained(*gzip, 0);
    let with = match packages.is_empty() {
        true => String::new(),
        false => {
            let quoted: Vec<String> = packages.iter().map(|name| format!("`{name}`")).collect();
            format!(", with {}", quoted.join(", "))
        }
    };
    let imports: Vec<String> = places.iter().map(ToString::to_string).collect();
    Finding {
        rule: "bundle.deferrable".to_owned(),
        location: bundles::locate(case, frontend, places.iter()),
        issue: format!(
            "{} load first (gzip) only because `{module}` is imported statically{with}",
            kb(*gzip)
        ),
        impact: format!(
            "{} of the {} of scripts on the first visit (gzip)",
            kb(*gzip),
            kb(frontend.head.initial_js())
        ),
        priority: bundles::priority(case, &explains, *gzip),
        confidence: Confidence::Inferred,
        evidence: vec![format!("imported by {}", imports.join(", "))],
        recommendation: Some(Recommendation {
            change: format!("load `{module}` on demand, unless the first view needs it"),
            expected: Expected {
                improvement: format!("{} less on the first visit (gzip)", kb(*gzip)),
                provenance: Provenance::Computed,
            },
            steps: eager_route::steps_of_all(module, places),
            risk: Risk::Medium,
            quick_win: false,
        }),
        explains,
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundles::fixtures::{page, place, regressed, run, script};
    use super::*;
    use crate::model::evidence::{BundleEvidence, Load, PackageBytes, Part};

    fn bundle(gzip: u64) -> BundleEvidence {
        BundleEvidence {
            assets: vec![script("index.js", 100_000 + gzip, Load::Initial)],
            deferrable: vec![Deferrable {
                module: "web/src/Editor.tsx".to_owned(),
                places: vec![place("web/src/App.tsx:4")],
                gzip,
                packages: vec!["codemirror".to_owned()],
            }],
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn a_module_that_holds_more_than_before_is_named_where_it_is_imported() {
        let (base, head) = (run(bundle(6_000)), run(bundle(46_000)));
        let id = MetricId::bundle("web", Metric::InitialJs);
        let grown = [regressed(id.clone(), 106_000.0, 146_000.0)];
        let case = Case {
            head: &head,
            base: Some(&base),
            comparisons: &grown,
        };
        let found = rule(&case);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].location.to_string(), "web/src/App.tsx:4");
        assert_eq!(
            found[0].issue,
            "46.0 KB load first (gzip) only because `web/src/Editor.tsx` is imported statically, \
             with `codemirror`"
        );
        let advice = found[0].recommendation.as_ref().unwrap();
        assert_eq!(
            advice.steps[0],
            "replace the import in web/src/App.tsx:4 by `const Editor = lazy(() => import('./Editor'))`"
        );
        assert_eq!(found[0].explains, [id]);

        let calm = Case {
            comparisons: &[],
            ..case
        };
        assert_eq!(rule(&calm), [], "nothing regressed");
        let same = Case {
            base: Some(&head),
            ..case
        };
        assert_eq!(rule(&same), [], "it held as much before");
    }
    #[test]
    fn what_the_heaviest_page_does_not_load_makes_no_number_smaller() {
        let of = |editor_in: &str| {
            let mut bundle = bundle(46_000);
            bundle
                .assets
                .push(script("small.js", 60_000, Load::Initial));
            bundle.entries = vec![
                page("index.html", "index.js", 146_000),
                page("small.html", "small.js", 60_000),
            ];
            bundle.parts = vec![Part {
                asset: editor_in.to_owned(),
                package: PackageBytes::OWN.to_owned(),
                module: Some("web/src/Editor.tsx".to_owned()),
                raw: 1,
            }];
            let head = run(bundle);
            let id = MetricId::bundle("web", Metric::InitialJs);
            let found = rule(&Case {
                head: &head,
                base: None,
                comparisons: &[regressed(id, 106_000.0, 146_000.0)],
            });
            found.into_iter().map(|it| it.impact).collect::<Vec<_>>()
        };
        assert_eq!(
            of("index.js"),
            ["46.0 KB of the 146.0 KB of scripts on the first visit (gzip)"]
        );
        assert_eq!(of("small.js"), Vec::<String>::new());
    }
}
