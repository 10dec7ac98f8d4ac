//! `bundle.whole-import`: a library is loaded as a whole where a few of its members are used.
//!
//! Claims: the import lines named are why the package weighs what it does.
//! Needs: source maps of head with the library's main module in them; with a base, that the
//! package grew against it.
//! Silent: when base shipped as much of it, or when the package weighs less than 1 KB.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::WholeImport;
use crate::model::{Confidence, Expected, Finding, Provenance, Recommendation, Risk};

use super::Case;
use super::bundles::{self, FLOOR, Frontend, Growth, kb};

/// Where libraries keep their members, if not at `library/member`.
const MEMBER_PATHS: [(&str, &str, &str); 2] = [
    ("underscore", "underscore/modules/", ".js"),
    ("validator", "validator/lib/", ""),
];

/// See the opening of this file.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    bundles::each(case, claims, finding)
}

/// Packages whose growth this rule explains, so that no other rule repeats it.
pub(super) fn explained<'a>(frontend: &Frontend<'a>) -> BTreeSet<&'a str> {
    claims(frontend).iter().map(|claim| claim.package).collect()
}

/// One library and the lines that import all of it.
struct Claim<'a> {
    package: &'a str,
    growth: Growth,
    imports: Vec<&'a WholeImport>,
}

impl Claim<'_> {
    /// Bytes that go when the imports do.
    fn saved(&self) -> u64 {
        self.growth.total().max(self.growth.initial())
    }
}

fn claims<'a>(frontend: &Frontend<'a>) -> Vec<Claim<'a>> {
    let nothing = crate::model::evidence::BundleEvidence::default();
    let growths = frontend.growths(frontend.base.unwrap_or(&nothing));
    let mut by_package: BTreeMap<&str, Vec<&WholeImport>> = BTreeMap::new();
    for import in &frontend.head.whole_imports {
        by_package.entry(&import.package).or_default().push(import);
    }
    by_package
        .into_iter()
        .filter_map(|(package, imports)| {
            let claim = Claim {
                package,
                growth: *growths.get(package)?,
                imports,
            };
            (claim.saved() >= FLOOR).then_some(claim)
        })
        .collect()
}

fn finding(case: &Case<'_>, frontend: &Frontend<'_>, claim: &Claim<'_>) -> Finding {
    let Claim {
        package,
        growth,
        imports,
    } = claim;
    let explains = frontend.explained(growth.initial(), growth.total());
    let base_imports = frontend.base.map(|base| &base.whole_imports);
    let is_new = |import: &WholeImport| {
        let mut before = base_imports.into_iter().flatten();
        !before.any(|before| {
            before.package == import.package && before.place.file == import.place.file
        })
    };
    // New imports first: they are the likely cause where head's changed lines are unknown.
    let mut places: Vec<&WholeImport> = imports.clone();
    places.sort_by_key(|import| !is_new(import));
    Finding {
        rule: "bundle.whole-import".to_owned(),
        location: bundles::locate(case, frontend, places.iter().map(|import| &import.place)),
        issue: issue(frontend, claim),
        impact: impact(frontend, claim),
        priority: bundles::priority(case, &explains, claim.saved()),
        confidence: Confidence::Proved,
        evidence: places
            .iter()
            .map(|import| format!("{}: `{}`", import.place, import.statement))
            .chain(
                bundles::chain_to(frontend.head, package)
                    .map(|chain| format!("reached by {}", bundles::shown(chain))),
            )
            .collect(),
        recommendation: Some(Recommendation {
            change: format!("import only the members of `{package}` that are used"),
            expected: expected(claim),
            steps: imports.iter().flat_map(|import| steps(import)).collect(),
            risk: Risk::Low,
            quick_win: frontend.is_good_part(claim.saved()),
        }),
        explains,
    }
}

fn issue(frontend: &Frontend<'_>, claim: &Claim<'_>) -> String {
    let members: BTreeSet<&str> = claim
        .imports
        .iter()
        .flat_map(|import| import.members.iter().map(String::as_str))
        .collect();
    let used = match members.len() {
        0 => "whatever is used of it".to_owned(),
        1 => format!("only {} is used", quoted(&members)),
        _ => format!("only {} are used", quoted(&members)),
    };
    let before = match frontend.base {
        Some(_) => format!(", {} in base", kb(claim.growth.before.gzip)),
        None => String::new(),
    };
    format!(
        "all of `{}` is imported ({} gzip{before}), {used}",
        claim.package,
        kb(claim.growth.now.gzip)
    )
}

fn quoted(members: &BTreeSet<&str>) -> String {
    let quoted: Vec<String> = members.iter().map(|member| format!("`{member}`")).collect();
    quoted.join(", ")
}

fn impact(frontend: &Frontend<'_>, claim: &Claim<'_>) -> String {
    let verb = match frontend.base {
        Some(_) => "more",
        None => "of it",
    };
    match claim.growth.initial() {
        0 => format!("{} {verb} on demand (gzip)", kb(claim.growth.total())),
        initial => format!("{} {verb} on the first visit (gzip)", kb(initial)),
    }
}

fn expected(claim: &Claim<'_>) -> Expected {
    let saved = kb(claim.saved());
    let before = claim.growth.before;
    let improvement = match claim.growth.is_new() {
        true => format!("up to {saved} less (gzip): all of the package but the members used"),
        false => format!(
            "{saved} less (gzip): {} now, {} in base",
            kb(claim.growth.now.gzip),
            kb(before.gzip)
        ),
    };
    Expected {
        improvement,
        provenance: Provenance::Computed,
    }
}

fn steps(import: &WholeImport) -> Vec<String> {
    let WholeImport {
        package,
        place,
        statement,
        members,
    } = import;
    if members.is_empty() {
        return vec![format!(
            "in {place}, replace `{statement}` by one import for each member used: `import member from '{}'`",
            member_path(package, "member")
        )];
    }
    let replacement: Vec<String> = members
        .iter()
        .map(|member| match statement.contains("require(") {
            true => format!(
                "`const {member} = require('{}')`",
                member_path(package, member)
            ),
            false => format!("`import {member} from '{}'`", member_path(package, member)),
        })
        .collect();
    let mut steps = vec![format!(
        "in {place}, replace `{statement}` by {}",
        replacement.join(" and ")
    )];
    if let Some(name) = whole_name(statement) {
        steps.push(format!(
            "in {}, replace `{name}.{member}` by `{member}`, and so on",
            place.file,
            member = members[0]
        ));
    }
    steps
}

fn member_path(package: &str, member: &str) -> String {
    match MEMBER_PATHS.iter().find(|(known, _, _)| *known == package) {
        Some((_, before, after)) => format!("{before}{member}{after}"),
        None => format!("{package}/{member}"),
    }
}

/// What the statement calls the library: `_` in `import * as _ from 'lodash'`.
fn whole_name(statement: &str) -> Option<&str> {
    let rest = ["import ", "const ", "let ", "var "]
        .iter()
        .find_map(|keyword| statement.strip_prefix(keyword))?;
    let rest = rest.strip_prefix("* as ").unwrap_or(rest);
    let end = rest.find([' ', ','])?;
    (!rest.starts_with('{')).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::super::bundles::fixtures::{chain, change, package, regressed, run, whole};
    use super::*;
    use crate::model::evidence::BundleEvidence;
    use crate::model::{Location, Metric, MetricId, Priority};

    fn base() -> BundleEvidence {
        BundleEvidence {
            packages: vec![package("lodash", "4.18.1", 1_800, 1_800)],
            ..BundleEvidence::default()
        }
    }

    fn head() -> BundleEvidence {
        BundleEvidence {
            packages: vec![package("lodash", "4.18.1", 24_600, 24_600)],
            chains: vec![chain(
                "lodash",
                &["web/src/main.tsx:5", "web/src/Home.tsx:2"],
                true,
            )],
            whole_imports: vec![whole("lodash", "web/src/Home.tsx:2", &["debounce", "map"])],
            ..BundleEvidence::default()
        }
    }

    #[test]
    fn the_line_the_bytes_and_the_replacement_are_named() {
        let (base, mut head) = (run(base()), run(head()));
        change(&mut head, "web/src/Home.tsx", 2);
        let id = MetricId::bundle("web", Metric::InitialJs);
        let findings = rule(&Case {
            head: &head,
            base: Some(&base),
            comparisons: &[regressed(id.clone(), 99_000.0, 124_000.0)],
        });
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(finding.location.to_string(), "web/src/Home.tsx:2");
        assert!(matches!(
            finding.location,
            Location::Source { changed: true, .. }
        ));
        assert_eq!(
            finding.issue,
            "all of `lodash` is imported (24.6 KB gzip, 1.8 KB in base), only `debounce`, `map` are used"
        );
        assert_eq!(finding.priority, Priority::High);
        assert!(finding.explains.contains(&id));
        let advice = finding.recommendation.as_ref().unwrap();
        assert_eq!(
            advice.expected.improvement,
            "22.8 KB less (gzip): 24.6 KB now, 1.8 KB in base"
        );
        assert_eq!(
            advice.steps,
            [
                "in web/src/Home.tsx:2, replace `import _ from 'lodash'` by `import debounce from \
                 'lodash/debounce'` and `import map from 'lodash/map'`",
                "in web/src/Home.tsx, replace `_.debounce` by `debounce`, and so on",
            ]
        );
        assert!(advice.quick_win);
    }

    #[test]
    fn a_base_that_shipped_as_much_keeps_it_silent() {
        let (base, head) = (run(head()), run(head()));
        let case = Case {
            head: &head,
            base: Some(&base),
            comparisons: &[],
        };
        assert_eq!(rule(&case), []);
    }

    #[test]
    fn without_a_base_the_bound_is_the_package() {
        let head = run(head());
        let findings = rule(&Case {
            head: &head,
            base: None,
            comparisons: &[],
        });
        let advice = findings[0].recommendation.as_ref().unwrap();
        assert!(
            advice
                .expected
                .improvement
                .starts_with("up to 24.6 KB less")
        );
        assert_eq!(findings[0].priority, Priority::Low);
    }
}
