//! What a specifier means by the project's own configuration: `paths` and `baseUrl` of
//! `tsconfig.json` and `jsconfig.json`, with what they extend and refer to, and `imports` and
//! `exports` of `package.json`.
//!
//! Knows paths only: whether a file is there, others decide. Must not read what lies outside of the
//! project; a file that cannot be read says nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::sources::{Home, folder_of, join};

/// Files that say it, in the order they are looked for in a folder.
const CONFIGURATIONS: [&str; 2] = ["tsconfig.json", "jsconfig.json"];
/// So many files in a row may extend each other.
const DEPTH: usize = 16;
/// So many files are read for one folder.
const MOST_FILES: usize = 200;
/// Larger ones are not read.
const LARGEST: usize = 1_000_000;

/// One of the paths that a specifier may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The path relative to the frontend, perhaps without ending.
    pub(super) path: String,
    /// Whether it is said of every specifier, so that a package may be meant as well.
    pub(super) is_for_all: bool,
}

/// A pattern and what it stands for. Both may have one `*`.
#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    targets: Vec<String>,
}

/// What one configuration says, with paths relative to the frontend.
#[derive(Debug, Clone)]
struct Scope {
    folder: String,
    base: Option<String>,
    rules: Vec<Rule>,
}

/// The configurations, by the folder of the module that imports.
#[derive(Debug)]
pub(super) struct Aliases<'a> {
    home: &'a Home,
    by_folder: RefCell<BTreeMap<String, Rc<[Scope]>>>,
}

impl<'a> Aliases<'a> {
    /// Those of a frontend.
    pub(super) fn new(home: &'a Home) -> Self {
        Self {
            home,
            by_folder: RefCell::default(),
        }
    }

    /// What `specifier` may mean in a module of `folder`, the likeliest first: by the nearest
    /// configuration, by those above it, and by those that the frontend has.
    pub(super) fn targets(&self, specifier: &str, folder: &str) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for around in [self.home.above(folder), self.home.above("")] {
            let scopes = around.iter().map(|folder| self.scopes(folder));
            for scope in scopes.flat_map(|scopes| scopes.to_vec()) {
                // What a configuration refers to is about the modules in its own folder.
                if around.contains(&scope.folder) {
                    let more = scope.targets(specifier).into_iter();
                    let more: Vec<Target> = more.filter(|it| !targets.contains(it)).collect();
                    targets.extend(more);
                }
            }
        }
        targets
    }

    fn scopes(&self, folder: &str) -> Rc<[Scope]> {
        let known = self.by_folder.borrow().get(folder).map(Rc::clone);
        known.unwrap_or_else(|| {
            let scopes: Rc<[Scope]> = self.read(folder).into();
            let mut by_folder = self.by_folder.borrow_mut();
            by_folder.insert(folder.to_owned(), Rc::clone(&scopes));
            scopes
        })
    }

    fn read(&self, folder: &str) -> Vec<Scope> {
        let mut scopes = Vec::new();
        let file = CONFIGURATIONS
            .iter()
            .map(|name| join(folder, name))
            .find(|file| self.home.has(file));
        if let Some(file) = file {
            let mut reading = Reading {
                home: self.home,
                read: 0,
            };
            reading.project(&file, &mut BTreeSet::new(), &mut scopes);
        }
        scopes.extend(internal(self.home, folder));
        scopes.retain(|scope| scope.base.is_some() || !scope.rules.is_empty());
        scopes
    }
}

/// The `imports` of the `package.json` in `folder`.
fn internal(home: &Home, folder: &str) -> Option<Scope> {
    let text = home.read(&join(folder, "package.json"))?;
    let json: Value = serde_json::from_str(&text).ok()?;
    Some(of_package(json.get("imports")?.as_object()?, folder))
}

/// The paths, relative to the frontend, that the package in `folder` may give out for `inner`: empty
/// for itself, else with `/` in front. What is said for it by name comes before the usual places.
pub(super) fn given_out(json: &Value, folder: &str, inner: &str) -> Vec<String> {
    let exports = json.get("exports").cloned().unwrap_or_default();
    let has_paths = |it: &Map<String, Value>| it.keys().all(|key| key.starts_with('.'));
    let paths = exports.as_object().filter(|it| has_paths(it)).cloned();
    let exports = paths.unwrap_or_else(|| Map::from_iter([(".".to_owned(), exports)]));
    let targets = of_package(&exports, folder).targets(&format!(".{inner}"));
    let mut paths: Vec<String> = targets.into_iter().map(|it| it.path).collect();
    if inner.is_empty() {
        let said = ["source", "module", "main"].map(|key| json.get(key)?.as_str());
        let usual = said.into_iter().flatten().chain(["index", "src/index"]);
        paths.extend(usual.map(|path| join(folder, path)));
    } else {
        paths.extend(["", "/src"].map(|top| join(folder, &format!("{top}{inner}"))));
    }
    paths
}

/// What `imports` or `exports` of the `package.json` in `folder` say.
fn of_package(paths: &Map<String, Value>, folder: &str) -> Scope {
    let rules = paths.iter().map(|(pattern, value)| {
        let mut targets = Vec::new();
        strings(value, &mut targets);
        let is_path = |it: &&&str| it.starts_with("./");
        let paths = targets.iter().filter(is_path).map(|it| join(folder, it));
        Rule {
            pattern: pattern.clone(),
            targets: paths.collect(),
        }
    });
    Scope {
        folder: folder.to_owned(),
        base: None,
        rules: rules.collect(),
    }
}

/// Every string in lists and conditions.
fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|it| strings(it, found)),
        Value::Object(conditions) => conditions.values().for_each(|it| strings(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Scope {
    fn targets(&self, specifier: &str) -> Vec<Target> {
        let mut targets = Vec::new();
        let matching = self.rules.iter().filter_map(|rule| {
            let (rank, star) = rule.matches(specifier)?;
            Some((rank, star, rule))
        });
        if let Some((_, star, rule)) = matching.max_by_key(|(rank, ..)| *rank) {
            targets.extend(rule.targets.iter().map(|target| Target {
                path: target.replacen('*', star, 1),
                is_for_all: rule.pattern == "*",
            }));
        }
        let base = self.base.as_deref().filter(|_| !specifier.starts_with('/'));
        targets.extend(base.map(|base| Target {
            path: join(base, specifier),
            is_for_all: true,
        }));
        targets
    }
}

impl Rule {
    /// How well the pattern fits, and what its `*` stands for: what is said without `*` fits best,
    /// then the longest text before it.
    fn matches<'s>(&self, specifier: &'s str) -> Option<(usize, &'s str)> {
        match self.pattern.split_once('*') {
            Some((before, after)) => {
                let rest = specifier.strip_prefix(before)?;
                Some((before.len(), rest.strip_suffix(after)?))
            }
            None => (self.pattern == specifier).then_some((usize::MAX, "")),
        }
    }
}

/// Options of a file and of what it extends.
#[derive(Debug, Default)]
struct Options {
    base: Option<String>,
    /// Patterns and targets as they are written, and the folder of the file that has them.
    paths: Option<(String, Vec<Rule>)>,
}

/// Reads files that extend and refer to each other.
struct Reading<'a> {
    home: &'a Home,
    read: usize,
}

impl Reading<'_> {
    /// What a file says, and what those say that it refers to.
    fn project(&mut self, file: &str, seen: &mut BTreeSet<String>, scopes: &mut Vec<Scope>) {
        if !seen.insert(file.to_owned()) {
            return;
        }
        let Some(json) = self.json(file) else {
            return;
        };
        let folder = folder_of(file);
        let options = self.options(file, &json, folder, &mut vec![file.to_owned()]);
        scopes.push(self.scope(folder, options));
        let references = json.get("references").and_then(Value::as_array);
        for reference in references.into_iter().flatten() {
            let path = reference.get("path").and_then(Value::as_str);
            let Some(path) = path.map(|it| self.home.resolve(folder, it)) else {
                continue;
            };
            let inner = join(&path, CONFIGURATIONS[0]);
            let file = if self.home.has(&path) { path } else { inner };
            self.project(&file, seen, scopes);
        }
    }

    fn json(&mut self, file: &str) -> Option<Value> {
        self.read += 1;
        if self.read > MOST_FILES {
            return None;
        }
        let text = self.home.read(file).filter(|it| it.len() <= LARGEST)?;
        let mut text = text.trim_start_matches('\u{feff}').to_owned();
        json_strip_comments::strip(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The options of `file` over those of what it extends. `way` are the files that led to it.
    fn options(&mut self, file: &str, json: &Value, top: &str, way: &mut Vec<String>) -> Options {
        let folder = folder_of(file);
        let mut options = Options::default();
        let mut extended = Vec::new();
        if let Some(extends) = json.get("extends") {
            strings(extends, &mut extended);
        }
        for name in extended {
            let Some(next) = self.extended(name, folder) else {
                continue;
            };
            if way.len() >= DEPTH || way.contains(&next) {
                continue;
            }
            let Some(json) = self.json(&next) else {
                continue;
            };
            way.push(next.clone());
            let under = self.options(&next, &json, top, way);
            way.pop();
            options.base = under.base.or(options.base);
            options.paths = under.paths.or(options.paths);
        }
        let own = json.get("compilerOptions");
        let text = |key| own.and_then(|it| it.get(key)).and_then(Value::as_str);
        let top = self.home.folder.join(top);
        let placed = |path: &str| path.replace("${configDir}", &top.to_string_lossy());
        if let Some(base) = text("baseUrl") {
            options.base = Some(self.home.resolve(folder, &placed(base)));
        }
        if let Some(paths) = own.and_then(|it| it.get("paths")?.as_object()) {
            let rules = paths.iter().map(|(pattern, value)| {
                let mut targets = Vec::new();
                strings(value, &mut targets);
                Rule {
                    pattern: pattern.clone(),
                    targets: targets.into_iter().map(placed).collect(),
                }
            });
            options.paths = Some((folder.to_owned(), rules.collect()));
        }
        options
    }

    /// The file that `extends: name` means in a file of `folder`.
    fn extended(&self, name: &str, folder: &str) -> Option<String> {
        let is_path = name.starts_with('.');
        let places: Vec<String> = match is_path {
            true => vec![self.home.resolve(folder, name)],
            false => {
                let above = self.home.above(folder).into_iter();
                above
                    .map(|it| join(&join(&it, "node_modules"), name))
                    .collect()
            }
        };
        places.into_iter().find_map(|place| {
            let named = self.home.package_json(&place);
            let named = named.as_ref().and_then(|it| it.get("tsconfig")?.as_str());
            let named = named.filter(|_| !is_path).map(|it| join(&place, it));
            let inner = join(&place, CONFIGURATIONS[0]);
            let candidates = [Some(place.clone()), Some(format!("{place}.json")), named];
            let mut candidates = candidates.into_iter().flatten().chain([inner]);
            candidates.find(|it| self.home.has(it))
        })
    }

    fn scope(&self, folder: &str, options: Options) -> Scope {
        let (written_in, rules) = options.paths.unwrap_or_default();
        let from = options.base.clone().unwrap_or(written_in);
        let rules = rules.into_iter().map(|rule| Rule {
            targets: (rule.targets.iter())
                .map(|target| self.home.resolve(&from, target))
                .collect(),
            pattern: rule.pattern,
        });
        Scope {
            folder: folder.to_owned(),
            rules: rules.collect(),
            base: options.base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The paths that a specifier may mean in `folder` of the frontend `apps/web`, in a project of
    /// these files.
    fn targets(files: &[(&str, &str)], specifier: &str, folder: &str) -> Vec<String> {
        let project = tempfile::tempdir().unwrap();
        let frontend = project.path().join("apps/web");
        fs::create_dir_all(&frontend).unwrap();
        for (path, text) in files {
            let path = project.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let home = Home::new(&frontend, "apps/web");
        let targets = Aliases::new(&home).targets(specifier, folder);
        targets.into_iter().map(|it| it.path).collect()
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn paths_are_read_with_comments_and_commas() {
        let config = "\u{feff}{
          /* of the app */ \"compilerOptions\": {
            \"paths\": {
              \"@/*\": [\"./src/*\", \"./made/*\",], // the usual
              \"@/ui/*\": [\"../../packages/ui/src/*\"],
              \"settings\": [\"./src/settings.ts\"],
              \"*.page\": [\"./src/pages/*\"],
            },
          },
        }";
        let files = [("apps/web/tsconfig.json", config)];
        let of = |specifier| targets(&files, specifier, "src/pages");
        assert_eq!(of("@/a/b"), ["src/a/b", "made/a/b"]);
        assert_eq!(of("@/ui/Button"), ["../../packages/ui/src/Button"]);
        assert_eq!(of("settings"), ["src/settings.ts"]);
        assert_eq!(of("home.page"), ["src/pages/home"]);
        assert_eq!(of("settings/a"), NOTHING);
        assert_eq!(of("react"), NOTHING);
        let files = [("apps/web/jsconfig.json", config)];
        assert_eq!(targets(&files, "settings", ""), ["src/settings.ts"]);
    }

    #[test]
    fn what_is_extended_counts_unless_it_is_replaced() {
        let base =
            r#"{"compilerOptions": {"baseUrl": ".", "paths": {"@web/*": ["apps/web/src/*"]}}}"#;
        let app = r#"{"extends": "../../tsconfig.base"}"#;
        let mut files = vec![
            ("tsconfig.base.json", base),
            ("apps/web/tsconfig.json", app),
        ];
        assert_eq!(
            targets(&files, "@web/a", "src"),
            ["src/a", "../../@web/a"],
            "a base is one for every specifier"
        );
        files[1].1 = r#"{"extends": ["../../tsconfig.base.json", "@acme/strict", "@acme/made/web"],
            "compilerOptions": {"baseUrl": "src"}}"#;
        assert_eq!(
            targets(&files, "@web/a", "src"),
            ["src/apps/web/src/a", "src/@web/a"]
        );
        let package = r#"{"tsconfig": "strict.json"}"#;
        let strict = r#"{"compilerOptions": {"paths": {"strict/*": ["../../../apps/web/src/*"]}}}"#;
        let made = r#"{"compilerOptions": {"paths": {"made/*": ["${configDir}/made/*"]}}}"#;
        files[1].1 = r#"{"extends": ["@acme/strict"]}"#;
        files.extend([
            ("node_modules/@acme/strict/package.json", package),
            ("node_modules/@acme/strict/strict.json", strict),
            ("node_modules/@acme/made/web.json", made),
        ]);
        assert_eq!(targets(&files, "strict/a", "src"), ["src/a"]);
        files[1].1 = r#"{"extends": ["@acme/strict", "@acme/made/web"]}"#;
        assert_eq!(
            targets(&files, "strict/a", "src"),
            NOTHING,
            "the later one replaces it"
        );
        assert_eq!(targets(&files, "made/a", "src"), ["made/a"]);
    }

    #[test]
    fn what_is_referred_to_counts_for_the_modules_in_its_folder() {
        let files = [
            (
                "apps/web/tsconfig.json",
                r#"{"files": [], "references": [{"path": "./tsconfig.app.json"}]}"#,
            ),
            (
                "apps/web/tsconfig.app.json",
                r#"{"compilerOptions": {"paths": {"@/*": ["./src/*"]}}}"#,
            ),
            (
                "tsconfig.json",
                r#"{"references": [{"path": "packages/ui"}]}"#,
            ),
            (
                "packages/ui/tsconfig.json",
                r#"{"compilerOptions": {"paths": {"ui/*": ["./src/*"]}}}"#,
            ),
        ];
        assert_eq!(targets(&files, "@/a", "src"), ["src/a"]);
        assert_eq!(targets(&files, "ui/a", "src"), NOTHING);
        let of_ui = |specifier| targets(&files, specifier, "../../packages/ui/src");
        assert_eq!(of_ui("ui/a"), ["../../packages/ui/src/a"]);
        // A bundler takes those of the app for everything.
        assert_eq!(of_ui("@/a"), ["src/a"]);
    }

    #[test]
    fn a_package_says_what_its_own_names_mean() {
        let package = r##"{"imports": {"#ui/*": {"browser": "./src/ui/*.ts", "default": ["./x/*"]},
            "#dep": "lodash"}}"##;
        let files = [("apps/web/package.json", package)];
        assert_eq!(targets(&files, "#ui/a", "src"), ["src/ui/a.ts", "x/a"]);
        assert_eq!(targets(&files, "#dep", "src"), NOTHING);
    }

    #[test]
    fn what_cannot_be_read_says_nothing_and_ends() {
        let outside = r#"{"extends": "../../../../../../tsconfig.json"}"#;
        let itself = r#"{"extends": ["./tsconfig.json", "./b"], "references": [{"path": "."}, {"path": "./b.json"}, 1]}"#;
        let deep = format!(
            "{{\"extends\": {}\"a\"{}}}",
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        for text in [
            "",
            "{",
            "[]",
            "/*",
            "\"",
            "{\"compilerOptions\": 1, \"extends\": {}, \"references\": 1}",
            "{\"compilerOptions\": {\"paths\": {\"@/*\": 1, \"*\": [null]}, \"baseUrl\": []}}",
            outside,
            itself,
            deep.as_str(),
        ] {
            let files = [
                ("apps/web/tsconfig.json", text),
                ("apps/web/b.json", r#"{"extends": "./tsconfig.json"}"#),
            ];
            assert_eq!(targets(&files, "@/a", "src"), NOTHING, "{text}");
        }
        let long: Vec<(String, String)> = (0..300)
            .map(|number| {
                let text = format!(
                    r#"{{"extends": ["./t{0}.json", "./t{0}"], "references": [{{"path": "./t{0}.json"}}]}}"#,
                    number + 1
                );
                (format!("apps/web/t{number}.json"), text)
            })
            .collect();
        let mut files: Vec<(&str, &str)> = long
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str()))
            .collect();
        files.push(("apps/web/tsconfig.json", r#"{"extends": "./t0.json"}"#));
        assert_eq!(targets(&files, "@/a", "src"), NOTHING);
    }
}
