//! Whose code a source of a source map is, and where that source lies in the project.
//!
//! Paths are compared as text; the disk is asked for what the project's own files say, and for what
//! installed packages say of themselves.

use std::fs;
use std::path::{Path, PathBuf};

/// Whose code it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Origin {
    /// A module of the project: path relative to the frontend, with `..` where it lies outside.
    Own(String),
    /// A module of a package.
    Package {
        /// Name of the package.
        package: String,
        /// Folder it is installed in, relative to the frontend.
        folder: String,
        /// Path below that folder.
        inner: String,
    },
    /// Code the bundler made up.
    Bundler,
}

/// The frontend the sources are seen from.
#[derive(Debug)]
pub(super) struct Home {
    /// Folder of the frontend on disk.
    pub(super) folder: PathBuf,
    /// The same relative to the project.
    directory: String,
}

impl Home {
    /// Takes the frontend's folder and its directory relative to the project.
    pub(super) fn new(folder: &Path, directory: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            directory: directory.to_owned(),
        }
    }

    /// A path relative to the frontend in its shortest form: one that leaves the frontend and leads
    /// back into it does neither.
    pub(super) fn shortest(&self, path: &str) -> String {
        let directory = normalise(&self.directory);
        let whole = join(&directory, path);
        match whole == ".." || whole.starts_with("../") {
            true => normalise(path),
            false => relative(&directory, &whole),
        }
    }

    /// What `path` means in `folder`; both relative to the frontend, or `path` absolute.
    pub(super) fn resolve(&self, folder: &str, path: &str) -> String {
        match path.starts_with('/') {
            true => relative(&self.folder.to_string_lossy(), &normalise(path)),
            false => self.shortest(&join(folder, path)),
        }
    }

    /// `folder` and every folder above it, up to that of the project; all relative to the frontend,
    /// whose own is empty.
    pub(super) fn above(&self, folder: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut folder = self.shortest(folder);
        while self.is_in_project(&folder) {
            let next = self.shortest(&join(&folder, ".."));
            all.push(std::mem::replace(&mut folder, next));
        }
        all
    }

    /// Whether a path relative to the frontend lies in the project.
    pub(super) fn is_in_project(&self, path: &str) -> bool {
        let directory = normalise(&self.directory);
        let levels = directory.split('/').filter(|part| !part.is_empty()).count();
        let up = path.split('/').take_while(|part| *part == "..").count();
        !path.starts_with('/') && up <= levels
    }

    /// The file relative to the project, from its path relative to the frontend.
    pub(super) fn in_project(&self, path: &str) -> String {
        let joined = normalise(&format!("{}/{path}", self.directory));
        joined.trim_start_matches("../").to_owned()
    }

    /// The same path seen from the frontend.
    pub(super) fn below_frontend(&self, path: &str) -> String {
        relative(&normalise(&self.directory), &normalise(path))
    }

    /// The folder of the project on disk.
    pub(super) fn project(&self) -> &Path {
        let directory = normalise(&self.directory);
        let levels = directory.split('/').filter(|part| !part.is_empty()).count();
        let mut above = self.folder.ancestors();
        above.nth(levels).unwrap_or(&self.folder)
    }

    /// The text of a file of the project; none when it lies outside or is not there.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        self.is_in_project(path)
            .then(|| fs::read_to_string(self.folder.join(path)).ok())
            .flatten()
    }

    /// Whether the project has that file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.is_in_project(path) && self.folder.join(path).is_file()
    }

    /// The package's own description of itself, from the folder it is installed in.
    pub(super) fn package_json(&self, folder: &str) -> Option<serde_json::Value> {
        let text = fs::read(self.folder.join(folder).join("package.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The dependencies that the package in `folder` declares, each with its line in the
    /// package's own `package.json`.
    pub(super) fn declared(&self, folder: &str) -> Vec<(String, u32)> {
        let path = self.folder.join(folder).join("package.json");
        let text = fs::read_to_string(path).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(dependencies) = json.get("dependencies").and_then(|it| it.as_object()) else {
            return Vec::new();
        };
        dependencies
            .keys()
            .map(|name| (name.clone(), line_of(&text, name)))
            .collect()
    }

    /// The names of all that the package in `folder` declares to need where it is used; none when
    /// its description cannot be read.
    pub(super) fn asked_for(&self, folder: &str) -> Option<Vec<String>> {
        let json = self.package_json(folder)?;
        let needs = ["dependencies", "peerDependencies", "optionalDependencies"];
        let needs = needs.iter().filter_map(|key| json.get(key)?.as_object());
        Some(needs.flat_map(|it| it.keys().cloned()).collect())
    }

    /// Where `name` is installed for what lies in `folder`.
    pub(super) fn installed(&self, folder: &str, name: &str) -> Option<String> {
        let above = self.above(folder).into_iter().chain(self.above(""));
        above
            .map(|above| join(&above, &format!("node_modules/{name}")))
            .find(|candidate| !name.is_empty() && self.folder.join(candidate).is_dir())
    }

    /// Where a path leads when links are followed.
    pub(super) fn real(&self, path: &str) -> Option<String> {
        let real = self.folder.join(path).canonicalize().ok()?;
        Some(relative(
            &self.folder.to_string_lossy(),
            &real.to_string_lossy(),
        ))
    }

    /// The names of the files in a folder.
    pub(super) fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(folder)).into_iter().flatten();
        let files = entries.flatten().filter(|entry| entry.path().is_file());
        files
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// Whose code `source` is, which a map in `map_folder` names.
    pub(super) fn origin(&self, map_folder: &Path, source: &str) -> Origin {
        let path = self.seen_from_frontend(map_folder, source);
        // A project may lie in a folder that is called `vite` or `webpack`.
        if is_made_up(source) && (source.contains('\0') || !self.folder.join(&path).is_file()) {
            return Origin::Bundler;
        }
        match package_of(&path) {
            Some((package, folder, inner)) => Origin::Package {
                package: package.to_owned(),
                folder: folder.to_owned(),
                inner: inner.to_owned(),
            },
            None => Origin::Own(path),
        }
    }

    /// Whose code an input of esbuild is: a path relative to the frontend, or `name:path` of a
    /// plugin.
    pub(super) fn origin_of_input(&self, input: &str) -> Origin {
        let path = normalise(input.split('?').next().unwrap_or(input));
        let is_virtual = input.starts_with('<')
            || input
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':'));
        match package_of(&path) {
            Some((package, folder, inner)) => Origin::Package {
                package: package.to_owned(),
                folder: folder.to_owned(),
                inner: inner.to_owned(),
            },
            None if is_virtual => Origin::Bundler,
            None => Origin::Own(path),
        }
    }

    /// `source` relative to the frontend.
    fn seen_from_frontend(&self, map_folder: &Path, source: &str) -> String {
        let source = source.split('?').next().unwrap_or(source);
        if let Some((_, rest)) = source.split_once("://") {
            // `webpack://name/./src/main.tsx`: what follows the name, which a scope may be in
            // front of, is relative to the frontend.
            let path = package_name(rest).and_then(|name| rest[name.len()..].strip_prefix('/'));
            let path = path.or(rest.strip_prefix('/')).unwrap_or(rest);
            return normalise(path.trim_start_matches('/'));
        }
        let absolute = if source.starts_with('/') {
            normalise(source)
        } else {
            normalise(&format!("{}/{source}", map_folder.to_string_lossy()))
        };
        relative(&self.folder.to_string_lossy(), &absolute)
    }
}

/// The line of a key behind `"dependencies"`, counted from 1.
fn line_of(text: &str, key: &str) -> u32 {
    let start = text.find("\"dependencies\"").unwrap_or(0);
    let at = text[start..]
        .find(&format!("\"{key}\""))
        .map_or(start, |at| start + at);
    u32::try_from(text[..at].matches('\n').count()).map_or(u32::MAX, |lines| lines + 1)
}

/// Helpers that bundlers add: virtual modules and runtimes.
fn is_made_up(source: &str) -> bool {
    let name = source.trim_start_matches("../");
    source.contains('\0')
        || [
            "vite/",
            "rolldown/",
            "webpack/",
            "(webpack)",
            "virtual:",
            "rolldown:",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || source.contains("/webpack/runtime/")
        || source.contains("/webpack/bootstrap")
}

/// Name of the package, its folder and the path below it. The last `node_modules` counts: what
/// is installed inside a package is a package of its own.
pub(super) fn package_of(path: &str) -> Option<(&str, &str, &str)> {
    const FOLDER: &str = "node_modules/";
    let start = path.rfind(FOLDER)? + FOLDER.len();
    let name = package_name(&path[start..])?;
    let end = start + name.len();
    Some((name, &path[..end], path[end..].trim_start_matches('/')))
}

/// The package in `lodash/debounce` or `@scope/name/inner`.
pub(super) fn package_name(specifier: &str) -> Option<&str> {
    let first = specifier.find('/').unwrap_or(specifier.len());
    let end = if specifier.starts_with('@') {
        let rest = specifier.get(first + 1..)?;
        first + 1 + rest.find('/').unwrap_or(rest.len())
    } else {
        first
    };
    (end > 0).then(|| &specifier[..end])
}

/// The path without `.`, `..` and empty parts, as far as they can be taken out.
pub(super) fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let start = if path.starts_with('/') { "/" } else { "" };
    format!("{start}{}", parts.join("/"))
}

/// `path` as seen from `folder`, without `.`, `..` and empty parts.
pub(super) fn join(folder: &str, path: &str) -> String {
    match folder {
        "" => normalise(path),
        folder => normalise(&format!("{folder}/{path}")),
    }
}

/// The folder of a file.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `to` as seen from the folder `from`; both absolute and normalised, or both seen from one folder.
fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = to.split('/').filter(|part| !part.is_empty()).collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common);
    up.chain(to[common..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(source: &str) -> Origin {
        Home::new(Path::new("/p/frontend"), "frontend")
            .origin(Path::new("/p/frontend/dist/assets"), source)
    }

    fn package(package: &str, folder: &str, inner: &str) -> Origin {
        Origin::Package {
            package: package.to_owned(),
            folder: folder.to_owned(),
            inner: inner.to_owned(),
        }
    }

    #[test]
    fn sources_find_their_owner() {
        assert_eq!(
            origin("../../src/main.tsx"),
            Origin::Own("src/main.tsx".to_owned())
        );
        assert_eq!(
            origin("webpack://web/./src/a.js"),
            Origin::Own("src/a.js".to_owned())
        );
        for source in ["webpack://@w/shop/./src/a.js", "webpack:///./src/a.js"] {
            assert_eq!(origin(source), Origin::Own("src/a.js".to_owned()));
        }
        assert_eq!(
            origin("webpack://@w/shop/../../packages/ui/a.js"),
            Origin::Own("../../packages/ui/a.js".to_owned())
        );
        assert_eq!(
            origin("webpack://@w/shop/./node_modules/@a/b/i.js"),
            package("@a/b", "node_modules/@a/b", "i.js")
        );
        assert_eq!(
            origin("webpack://@w/shop/webpack/runtime/define property getters"),
            Origin::Bundler
        );
        assert_eq!(
            origin("../../../shared/a.ts"),
            Origin::Own("../shared/a.ts".to_owned())
        );
        assert_eq!(
            origin("../../node_modules/@a/b/node_modules/c/i.js"),
            package("c", "node_modules/@a/b/node_modules/c", "i.js")
        );
        assert_eq!(
            origin("../../node_modules/.pnpm/@a+b@1.2.3/node_modules/@a/b/dist/x.js"),
            package(
                "@a/b",
                "node_modules/.pnpm/@a+b@1.2.3/node_modules/@a/b",
                "dist/x.js"
            )
        );
        assert_eq!(
            origin("../../../node_modules/c/i.js"),
            package("c", "../node_modules/c", "i.js")
        );
        assert_eq!(origin("\0vite/preload-helper.js"), Origin::Bundler);
    }

    #[test]
    fn a_project_in_a_folder_called_like_a_bundler_is_no_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("vite");
        fs::create_dir_all(home.join("src")).unwrap();
        fs::write(home.join("src/main.js"), "1").unwrap();
        let origin =
            |source| Home::new(&home, ".").origin(&folder.path().join("dist/assets"), source);
        assert_eq!(
            origin("../../vite/src/main.js"),
            Origin::Own("src/main.js".to_owned())
        );
        assert_eq!(origin("../../vite/preload-helper.js"), Origin::Bundler);
    }

    #[test]
    fn places_are_relative_to_the_project() {
        let home = Home::new(Path::new("/p/frontend"), "frontend");
        assert_eq!(home.in_project("src/main.tsx"), "frontend/src/main.tsx");
        assert_eq!(home.in_project("../shared/a.ts"), "shared/a.ts");
        assert_eq!(home.below_frontend("frontend/src/main.tsx"), "src/main.tsx");
        assert_eq!(home.below_frontend("shared/a.ts"), "../shared/a.ts");
        assert_eq!(home.project(), Path::new("/p"));
        let home = Home::new(Path::new("/p"), ".");
        assert_eq!(home.in_project("src/main.tsx"), "src/main.tsx");
        assert_eq!(home.project(), Path::new("/p"));
        assert!(!home.is_in_project("../etc/passwd"));
    }

    #[test]
    fn folders_are_looked_at_up_to_that_of_the_project() {
        let home = Home::new(Path::new("/p/apps/web"), "./apps/web");
        assert_eq!(home.above("src/a"), ["src/a", "src", "", "..", "../.."]);
        assert_eq!(
            home.above("../../packages/ui"),
            ["../../packages/ui", "../../packages", "../.."]
        );
        assert_eq!(home.above("../../.."), [""; 0]);
        assert_eq!(home.shortest("../../apps/web/src/a.ts"), "src/a.ts");
        assert_eq!(home.shortest("../../../b"), "../../../b");
        assert_eq!(Home::new(Path::new("/p"), ".").above("src"), ["src", ""]);
    }
}
