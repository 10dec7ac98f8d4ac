//! What the import maps of a page say a specifier means.
//!
//! Must not look for files: a target is the text that the map has.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The maps of one page as one.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct ImportMap {
    imports: Targets,
    scopes: BTreeMap<String, Targets>,
}

/// By specifier, or by the start of specifiers where the key ends with a slash. Null means that there
/// is none.
type Targets = BTreeMap<String, Option<String>>;

impl ImportMap {
    /// Reads the maps in the order they are in the page: what an earlier one says stands. One that is
    /// broken says nothing, as in a browser.
    pub(super) fn read(maps: &[&str]) -> Self {
        let mut all = Self::default();
        for map in maps {
            let one: Self = serde_json::from_str(map).unwrap_or_default();
            add(&mut all.imports, one.imports);
            for (scope, targets) in one.scopes {
                add(all.scopes.entry(scope).or_default(), targets);
            }
        }
        all
    }

    /// Whether the page has none.
    pub(super) fn is_empty(&self) -> bool {
        self.imports.is_empty() && self.scopes.is_empty()
    }

    /// What a specifier means in a script of that path below the output folder.
    pub(super) fn resolve(&self, importer: &str, specifier: &str) -> Option<String> {
        let importer = format!("/{importer}");
        let is_inside = |scope: &&String| importer.starts_with(scope.trim_start_matches('.'));
        let mut scopes: Vec<&String> = self.scopes.keys().filter(is_inside).collect();
        scopes.sort_by_key(|scope| std::cmp::Reverse(scope.len()));
        scopes
            .into_iter()
            .map(|scope| &self.scopes[scope])
            .chain([&self.imports])
            .find_map(|targets| target(targets, specifier))
    }
}

fn add(all: &mut Targets, more: Targets) {
    for (specifier, target) in more {
        all.entry(specifier).or_insert(target);
    }
}

/// The target of the whole specifier, or else of its longest start.
fn target(targets: &Targets, specifier: &str) -> Option<String> {
    if let Some(target) = targets.get(specifier) {
        return target.clone();
    }
    let (start, target) = targets
        .iter()
        .filter(|(start, _)| start.ends_with('/') && specifier.starts_with(start.as_str()))
        .max_by_key(|(start, _)| start.len())?;
    Some(format!("{}{}", target.as_ref()?, &specifier[start.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_start_of_the_nearest_scope_counts() {
        let map = ImportMap::read(&[
            r#"{"imports": {"app": "/index.js", "lib/": "/vendor/lib/", "lib/x/": "/x/", "none": null},
                "scopes": {"/old/": {"app": "/old.js"}, "/": {"top": "/top.js"}}}"#,
            "{",
            r#"{"imports": {"app": "/late.js", "more": "./more.js"}, "integrity": {"/index.js": "sha384-a"}}"#,
        ]);
        let resolved = |importer, specifier| map.resolve(importer, specifier);
        for (importer, specifier, expected) in [
            ("index.html", "app", Some("/index.js")),
            ("old/a.js", "app", Some("/old.js")),
            ("old/a.js", "top", Some("/top.js")),
            ("a.js", "lib/a/b.js", Some("/vendor/lib/a/b.js")),
            ("a.js", "lib/x/b.js", Some("/x/b.js")),
            ("a.js", "more", Some("./more.js")),
            ("a.js", "none", None),
            ("a.js", "lib", None),
        ] {
            assert_eq!(
                resolved(importer, specifier).as_deref(),
                expected,
                "{specifier}"
            );
        }
        assert!(ImportMap::read(&["[]"]).is_empty());
        assert!(!map.is_empty());
    }
}
