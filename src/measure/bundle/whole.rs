//! Imports that pull in a whole library where a few of its members are used.
//!
//! Claims nothing unless the library's main module is in the build: tools that rewrite such
//! imports, and bundlers that shake them, leave it out. Must not advise.

use crate::model::evidence::{Place, WholeImport};

use super::attribution::Ledger;
use super::imports::{Graph, OwnModule};
use super::scan::{self, Import, Kind};
use super::sources::{Home, Origin, package_name};

/// Libraries of fewer raw bytes are not worth a change of imports.
const LEAST_RAW: u64 = 10_000;
/// A file that uses more members than this uses the library.
const FEW: usize = 10;
/// The part of a library that its main module must be, in per cent, to count as all of it.
const MAIN_PERCENT: u64 = 50;

/// Libraries whose members can be imported one by one, and the modules that hold all of it.
/// They are listed because their members do not lie at `library/member` in the installed tree,
/// or because their main module is a list of imports that leaves no bytes.
const KNOWN: [(&str, &[&str]); 5] = [
    ("lodash", &["lodash.js"]),
    ("lodash-es", &["lodash.default.js"]),
    (
        "underscore",
        &[
            "modules/index-default.js",
            "underscore-umd.js",
            "underscore.js",
        ],
    ),
    ("validator", &["index.js", "es/index.js", "validator.js"]),
    ("async", &["dist/async.mjs", "dist/async.js"]),
];

/// Every such import in the modules of the project that are reached.
pub(super) fn find(graph: &Graph, ledger: &Ledger, home: &Home) -> Vec<WholeImport> {
    graph
        .modules
        .values()
        .flat_map(|module| {
            module
                .imports
                .iter()
                .filter_map(|import| whole_import(module, import, ledger, home))
        })
        .collect()
}

fn whole_import(
    module: &OwnModule,
    import: &Import,
    ledger: &Ledger,
    home: &Home,
) -> Option<WholeImport> {
    let package = import.specifier.as_str();
    let is_bare = package_name(package) == Some(package);
    if !is_bare || import.kind == Kind::Dynamic || ledger.raw_of(package) < LEAST_RAW {
        return None;
    }
    let bindings = Bindings::of(import);
    let folder = folder_with_main(package, ledger, home)?;
    // Unknown members of a known library are an empty list: the import costs as much.
    let members = bindings.members(&module.text);
    let is_known = KNOWN.iter().any(|(known, _)| *known == package);
    let members = match members {
        Some(members) if members.len() <= FEW => members,
        Some(_) => return None,
        None if is_known => Vec::new(),
        None => return None,
    };
    let is_splittable = is_known
        || (!members.is_empty()
            && members
                .iter()
                .all(|member| has_module(&folder, member, home)));
    is_splittable.then(|| WholeImport {
        package: package.to_owned(),
        place: Place {
            file: module.file.clone(),
            line: import.line,
        },
        statement: import.statement.clone(),
        members,
    })
}

/// The folder of the package, if the module that holds all of it is in the build.
fn folder_with_main(name: &str, ledger: &Ledger, home: &Home) -> Option<String> {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    let total = ledger.raw_of(name);
    ledger.modules.iter().find_map(|(origin, module)| {
        let Origin::Package {
            package,
            folder,
            inner,
        } = origin
        else {
            return None;
        };
        if package != name || module.bytes == 0 {
            return None;
        }
        let holds_all = match known {
            Some((_, mains)) => mains.contains(&inner.as_str()),
            None => module.bytes * 100 >= total * MAIN_PERCENT && is_main(folder, inner, home),
        };
        holds_all.then(|| folder.clone())
    })
}

/// Whether `inner` is what an import of the bare name loads.
fn is_main(folder: &str, inner: &str, home: &Home) -> bool {
    let Some(json) = home.package_json(folder) else {
        return false;
    };
    ["main", "module", "browser"]
        .iter()
        .filter_map(|field| json.get(field)?.as_str())
        .chain(["index.js"])
        .map(|path| path.trim_start_matches("./"))
        .any(|path| path == inner || format!("{path}.js") == inner)
}

/// Whether the package has a module for that member and lets it be imported.
fn has_module(folder: &str, member: &str, home: &Home) -> bool {
    let is_there = [".js", ".mjs", ".cjs", "/index.js", "/package.json"]
        .iter()
        .any(|ending| home.has(&format!("{folder}/{member}{ending}")));
    let exports = home
        .package_json(folder)
        .and_then(|json| json.get("exports").cloned());
    let is_open = match exports {
        None => true,
        Some(exports) => {
            exports.get(format!("./{member}")).is_some() || exports.get("./*").is_some()
        }
    };
    is_there && is_open
}

/// What an import calls the library and its members.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bindings {
    /// Names for the library as a whole.
    whole: Vec<String>,
    /// Members taken out of it.
    named: Vec<String>,
}

impl Bindings {
    fn of(import: &Import) -> Self {
        let (plain, braces) = match import.clause.split_once('{') {
            Some((plain, rest)) => (plain, rest.split('}').next().unwrap_or(rest)),
            None => (import.clause.as_str(), ""),
        };
        let mut this = Self::default();
        for name in plain.split(',').map(str::trim) {
            let name = name.strip_prefix("* as ").unwrap_or(name).trim();
            if !name.is_empty() {
                this.whole.push(name.to_owned());
            }
        }
        for part in braces.split(',').map(str::trim) {
            // `a as b` in modules, `a: b` in destructuring.
            let member = part.split([':', ' ']).next().unwrap_or(part);
            if member == "default" {
                this.whole
                    .extend(part.split(' ').next_back().map(str::to_owned));
            } else if !member.is_empty() && member != "type" {
                this.named.push(member.to_owned());
            }
        }
        this
    }

    /// The members that `text` uses, sorted; none when the library is passed on as a whole or
    /// nothing of it is used.
    fn members(&self, text: &str) -> Option<Vec<String>> {
        let mut members = self.named.clone();
        let mut is_passed_on = false;
        scan::words(text, &mut |word| {
            if word.is_member || !self.whole.iter().any(|name| name == word.text) {
                return;
            }
            match member_of(word.rest) {
                Some(member) => members.push(member.to_owned()),
                // `const _ =` in front of a `require` gives the name, and uses nothing.
                None if is_declaration(word.rest) => {}
                None => is_passed_on = true,
            }
        });
        members.sort_unstable();
        members.dedup();
        (!is_passed_on && !members.is_empty()).then_some(members)
    }
}

/// The member in `.name` or `?.name`.
fn member_of(rest: &str) -> Option<&str> {
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix("?.").or_else(|| rest.strip_prefix('.'))?;
    let rest = rest.trim_ascii_start();
    let end = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

fn is_declaration(rest: &str) -> bool {
    rest.trim_ascii_start()
        .strip_prefix('=')
        .is_some_and(|rest| rest.trim_ascii_start().starts_with("require"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Option<Vec<String>> {
        let import = scan::imports(text).remove(0);
        Bindings::of(&import).members(text)
    }

    #[test]
    fn members_are_counted_in_every_form() {
        for text in [
            "import _ from 'lodash';\n_.debounce(_.map(x));\n// _.no\n'_.no'; y._.no",
            "import * as _ from 'lodash';\n_.debounce; _ ?. map",
            "const _ = require('lodash');\n_.debounce(_.map)",
            "import { debounce, map as m } from 'lodash';",
            "const { debounce, map: m } = require('lodash');",
            "import { default as _, map } from 'lodash';\n_.debounce()",
            "import _, { map } from 'lodash';\n_.debounce()",
        ] {
            assert_eq!(
                members(text),
                Some(vec!["debounce".to_owned(), "map".to_owned()]),
                "{text}"
            );
        }
    }

    #[test]
    fn a_library_that_is_passed_on_has_unknown_members() {
        assert_eq!(members("import _ from 'lodash';\n_(x).map()"), None);
        assert_eq!(
            members("import _ from 'lodash';\n_.map(); window._ = _;"),
            None
        );
        assert_eq!(members("import _ from 'lodash';\n_['map']"), None);
    }
}
