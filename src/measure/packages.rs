//! Whose packages something is built with: the files that decide them, and where Node finds them.
//!
//! Node looks for `node_modules` from a file's folder upwards, and an arm lies below the user's own
//! checkout: without packages of its own, an arm silently gets those of the checkout. Must not install
//! anything.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::checkout::{Checkout, CheckoutError, Tree};

/// What decides which packages are installed, in the folder of a package or above it.
const DECIDING: [&str; 14] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pnpmfile.cjs",
    "bunfig.toml",
    "patches",
];
/// What decides it in a `package.json`.
const DECIDING_KEYS: [&str; 14] = [
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "optionalDependencies",
    "dependenciesMeta",
    "bundleDependencies",
    "bundledDependencies",
    "overrides",
    "resolutions",
    "pnpm",
    "workspaces",
    "catalog",
    "catalogs",
    "patchedDependencies",
];
/// Which line installs what a lockfile says.
const INSTALLERS: [(&str, &str); 6] = [
    ("package-lock.json", "npm ci"),
    ("npm-shrinkwrap.json", "npm ci"),
    ("pnpm-lock.yaml", "pnpm install --frozen-lockfile"),
    ("yarn.lock", "yarn install"),
    ("bun.lock", "bun install --frozen-lockfile"),
    ("bun.lockb", "bun install --frozen-lockfile"),
];

/// What git knows of all that decides the packages of a directory of the project, up to the top of
/// the repository: part of the key of everything that is made from them.
pub fn decided_by(
    checkout: &Checkout,
    tree: &Tree,
    directory: &Path,
) -> Result<Vec<Vec<u8>>, CheckoutError> {
    checkout.entries(tree, &deciding(&checkout.below_top(directory)))
}

/// The first file that decides the packages of a directory and says something else in an arm than in
/// the user's checkout, which is where they were installed. Relative to the top of the repository.
/// What only lies in the checkout, without git knowing of it, is in no arm and says nothing.
pub fn differing(
    checkout: &Checkout,
    tree: &Tree,
    directory: &Path,
) -> Result<Option<PathBuf>, CheckoutError> {
    let (top, of_user) = (checkout.top(tree), checkout.top_of_user());
    let deciding = deciding(&checkout.below_top(directory));
    let tracked = checkout.tracked_by_user(&deciding)?;
    let is_known =
        |path: &Path| top.join(path).exists() || tracked.iter().any(|file| file.starts_with(path));
    let differs = |path: &Path| decision(&top.join(path)) != decision(&of_user.join(path));
    let mut known = deciding.into_iter().filter(|path| is_known(path));
    Ok(known.find(|path| differs(path)))
}

/// Whether Node finds packages for a directory of an arm, and those are not the arm's own.
pub fn are_foreign(checkout: &Checkout, tree: &Tree, directory: &Path) -> bool {
    let Ok(top) = checkout.top(tree).canonicalize() else {
        return false;
    };
    let found = found_from(&top.join(checkout.below_top(directory)));
    found.is_some_and(|folder| !folder.starts_with(&top))
}

/// Whether a directory of an arm, or a folder above it in the repository, asks for packages.
pub fn are_asked_for(checkout: &Checkout, tree: &Tree, directory: &Path) -> bool {
    let top = checkout.top(tree);
    let directory = checkout.below_top(directory);
    let mut descriptions = directory.ancestors().map(|it| it.join("package.json"));
    descriptions.any(|it| {
        let needs = description(&top.join(it)).unwrap_or_default();
        let mut needs = DECIDING_KEYS[..4].iter().filter_map(|key| needs.get(key));
        needs.any(|needs| needs.as_object().is_some_and(|needs| !needs.is_empty()))
    })
}

/// The line that installs the packages of a directory, by the nearest lockfile.
pub fn installer(checkout: &Checkout, tree: &Tree, directory: &Path) -> &'static str {
    let top = checkout.top(tree);
    let directory = checkout.below_top(directory);
    let mut folders = directory.ancestors().map(|it| top.join(it));
    let nearest = folders.find_map(|folder| {
        let mut known = INSTALLERS.iter();
        known.find(|(lockfile, _)| folder.join(lockfile).is_file())
    });
    nearest.map_or("npm install", |(_, line)| line)
}

/// Paths of all that decides the packages of a directory, the nearest first; all relative to the top
/// of the repository.
fn deciding(directory: &Path) -> Vec<PathBuf> {
    let folders = directory.ancestors();
    let all = folders.flat_map(|folder| DECIDING.iter().map(|name| folder.join(name)));
    all.collect()
}

/// What a file or folder says of packages, without what else is in it, such as scripts and the
/// version of the package itself. None where it is not there.
fn decision(path: &Path) -> Option<Vec<u8>> {
    if path.is_dir() {
        let entries = fs::read_dir(path).ok()?.flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let parts = paths.iter().flat_map(|path| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            [name.to_vec(), decision(path).unwrap_or_default()]
        });
        return Some(parts.collect::<Vec<_>>().join(&0));
    }
    let bytes = fs::read(path).ok()?;
    let decided = match path.file_name().and_then(|name| name.to_str()) {
        Some("package.json") => description(path).map(|mut json| {
            if let Value::Object(keys) = &mut json {
                keys.retain(|key, _| DECIDING_KEYS.contains(&key.as_str()));
            }
            json
        }),
        Some("package-lock.json" | "npm-shrinkwrap.json") => description(path).map(|mut json| {
            without_version(&mut json);
            let packages = json.get_mut("packages").and_then(Value::as_object_mut);
            for (folder, package) in packages.into_iter().flatten() {
                if !folder.contains("node_modules/") {
                    without_version(package);
                }
            }
            json
        }),
        _ => None,
    };
    Some(decided.map_or(bytes, |json| json.to_string().into_bytes()))
}

fn without_version(package: &mut Value) {
    if let Value::Object(keys) = package {
        keys.remove("version");
    }
}

fn description(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The folder of packages that Node finds first from a folder: a `node_modules` in which is more than
/// what tools put there for themselves (`.cache`, `.vite`), or what Yarn has in its place.
fn found_from(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find_map(|above| {
        let modules = above.join("node_modules");
        let entries = fs::read_dir(&modules).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name());
        if names.any(|name| !name.as_encoded_bytes().starts_with(b".")) {
            return modules.canonicalize().ok();
        }
        let instead = above.join(".pnp.cjs");
        instead.is_file().then_some(instead)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str, text: &str) -> PathBuf {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn only_what_decides_packages_makes_a_decision() {
        let folder = tempfile::tempdir().unwrap();
        let decided = |name: &str, text: &str| decision(&write(folder.path(), name, text));
        let is_same =
            |name: &str, one: &str, other: &str| decided(name, one) == decided(name, other);
        let package = r#"{"version": "1.0.0", "scripts": {"a": "b"}, "dependencies": {"x": "1"}}"#;
        for (text, expected) in [
            (package.replace("1.0.0", "1.1.0"), true),
            (package.replace(r#""b""#, r#""c""#), true),
            (package.replace(r#""x": "1""#, r#""x": "2""#), false),
            (package.replace(r#""x": "1""#, ""), false),
            ("no JSON".to_owned(), false),
        ] {
            assert_eq!(is_same("package.json", package, &text), expected, "{text}");
        }
        let lock = r#"{"version": "1.0.0", "packages": {"": {"version": "1.0.0"},
            "apps/web": {"version": "0.1.0"}, "node_modules/x": {"version": "1.2.3"}}}"#;
        for (text, expected) in [
            (lock.replace("1.0.0", "1.1.0"), true),
            (lock.replace("0.1.0", "0.2.0"), true),
            (lock.replace("1.2.3", "1.2.4"), false),
        ] {
            assert_eq!(
                is_same("package-lock.json", lock, &text),
                expected,
                "{text}"
            );
        }
        assert!(!is_same("yarn.lock", "a", "b"));
        let patches = folder.path().join("patches");
        assert_eq!(decision(&patches), None);
        write(&patches, "x.patch", "one");
        let one = decision(&patches);
        write(&patches, "x.patch", "two");
        assert_ne!(one, decision(&patches));
    }

    #[test]
    fn packages_are_found_as_node_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let inner = top.join("apps/web");
        write(&top, "node_modules/x/index.js", "");
        let outer = top.join("node_modules");
        write(&inner, "node_modules/.vite/deps.json", "");
        assert_eq!(found_from(&inner), Some(outer.clone()), "only a tool's own");
        let own = inner.join("node_modules");
        write(&own, "y/index.js", "");
        assert_eq!(found_from(&inner), Some(own.clone()));
        // Those of another place, however it is led to.
        fs::remove_dir_all(&own).unwrap();
        std::os::unix::fs::symlink(&outer, &own).unwrap();
        assert_eq!(found_from(&inner), Some(outer));
        let instead = write(&top.join("apps"), ".pnp.cjs", "");
        fs::remove_file(&own).unwrap();
        assert_eq!(found_from(&inner), Some(instead));
    }

    #[test]
    fn everything_up_to_the_top_of_the_repository_decides() {
        let all = deciding(Path::new("apps/web"));
        for path in ["apps/web/package.json", "apps/pnpm-lock.yaml", "yarn.lock"] {
            assert!(all.contains(&PathBuf::from(path)), "{path}");
        }
        assert_eq!(deciding(Path::new("")).len(), DECIDING.len());
    }
}
