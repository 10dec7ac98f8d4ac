//! Where a statement is issued: the call sites that read its table, those this change touched
//! first.

use super::Case;
use crate::model::Location;
use crate::model::evidence::{CallSite, ChangedLines, Place, Route};

/// The place a statement of `route` is issued from: a changed call site, else the only one, else
/// the route itself.
pub(super) fn of_statement(case: &Case<'_>, route: &Route, statement: &str) -> Location {
    let tables = tables_of(statement);
    let candidates: Vec<&CallSite> = case
        .head
        .evidence
        .call_sites
        .iter()
        .filter(|site| is_below(&site.place.file, &route.directory))
        .filter(|site| site.tables.iter().any(|table| tables.contains(table)))
        .collect();
    let changed = candidates.iter().find(|site| is_changed(case, &site.place));
    match (changed, candidates.as_slice()) {
        (Some(site), _) => source(&site.place, true),
        (None, [site]) => source(&site.place, false),
        (None, _) => of_route(route),
    }
}

/// The code of the route's service that head changed, where that is in one file; else the route.
pub(super) fn of_change(case: &Case<'_>, route: &Route) -> Location {
    let is_its = |change: &&ChangedLines| is_below(&change.file, &route.directory);
    let mut changed = case.head.evidence.changed.iter().filter(is_its);
    let Some(first) = changed.next() else {
        return of_route(route);
    };
    if changed.any(|other| other.file != first.file) {
        return of_route(route);
    }
    let place = Place {
        file: first.file.clone(),
        line: first.first.max(1),
    };
    source(&place, true)
}

/// The route as a place.
pub(super) fn of_route(route: &Route) -> Location {
    Location::Service {
        service: route.service.clone(),
        route: Some(route.request.clone()),
    }
}

/// A line as a place.
pub(super) fn source(place: &Place, changed: bool) -> Location {
    Location::Source {
        place: place.clone(),
        changed,
    }
}

/// The changes of this pull request in files below a directory.
pub(super) fn changes_below<'a>(case: &Case<'a>, directory: &str) -> Vec<&'a ChangedLines> {
    case.head
        .evidence
        .changed
        .iter()
        .filter(|change| is_below(&change.file, directory))
        .collect()
}

fn is_changed(case: &Case<'_>, place: &Place) -> bool {
    case.head
        .evidence
        .changed
        .iter()
        .any(|change| change.covers(place))
}

fn is_below(file: &str, directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    directory.is_empty()
        || directory == "."
        || file
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The tables a normalised statement names, without schema and quotes.
pub(super) fn tables_of(statement: &str) -> Vec<String> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    words
        .windows(2)
        .filter(|pair| {
            ["from", "join", "into", "update"].contains(&pair[0].to_ascii_lowercase().as_str())
        })
        .filter_map(|pair| {
            let name = pair[1].rsplit('.').next()?;
            let name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
            // `from (select …)`: the table follows further on.
            let is_table = !name.is_empty() && !name.eq_ignore_ascii_case("select");
            is_table.then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lose_their_schema_and_quotes() {
        let statement =
            r#"SELECT "public"."images"."id" FROM "public"."images" AS t LEFT JOIN plates ON $1"#;
        assert_eq!(tables_of(statement), ["images", "plates"]);
        assert!(tables_of("SELECT $1").is_empty());
        let nested = r#"SELECT COUNT(*) FROM (SELECT "image"."id" FROM "public"."image") AS "sub""#;
        assert_eq!(tables_of(nested), ["image"]);
    }

    #[test]
    fn a_directory_holds_its_files_only() {
        assert!(is_below("api/src/a.js", "api"));
        assert!(is_below("api/src/a.js", ""));
        assert!(!is_below("api2/src/a.js", "api"));
    }
}
