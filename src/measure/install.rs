//! Install steps, run once for what they depend on and copied afterwards.
//!
//! What a step installs is what git does not track in its directory afterwards: `node_modules`,
//! a virtual environment, generated code. It is kept under `.tollgate/cache/install/KEY/`. Must not
//! keep a part of what belongs together: what a step leaves outside of its directory, as for a
//! workspace, is installed anew every time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::checkout::{Checkout, CheckoutError, Tree};
use super::packages;
use super::plan::Install;
use super::process::Supervisor;
use super::process::step::{self, Step, StepError};

/// What is kept of an install; another number when that changes.
const FORMAT: &str = "2";
/// Results of install steps kept in the cache.
const KEPT: usize = 6;
/// How long an install may take unless the configuration says otherwise.
pub const WITHIN: Duration = Duration::from_secs(600);

/// An install step of one arm.
#[derive(Debug)]
pub struct Request<'a> {
    /// What to run.
    pub install: &'a Install,
    /// Directory relative to the project.
    pub directory: &'a Path,
    /// How long it may take.
    pub within: Duration,
    /// Where its output goes.
    pub log: &'a Path,
}

/// Installs into one arm, from the cache where that holds the same. Returns whether the step ran.
pub async fn install(
    checkout: &Checkout,
    tree: &Tree,
    supervisor: &Supervisor,
    cache: &Path,
    request: &Request<'_>,
) -> Result<bool, Box<StepError>> {
    let directory = tree.project.join(request.directory);
    // What git cannot tell the key of is not kept.
    let key = key(checkout, tree, request).ok();
    let kept = key.map(|key| cache.join("install").join(key));
    if let Some(kept) = kept.as_ref().filter(|kept| kept.is_dir())
        && copy_all(kept, &directory).is_ok()
    {
        touch(kept);
        return Ok(false);
    }
    let top = checkout.top(tree);
    let before = untracked(&top);
    let step = Step {
        line: &request.install.run,
        directory: &directory,
        environment: &BTreeMap::new(),
        log: request.log,
        within: request.within,
    };
    step::run(supervisor, &step).await?;
    if let (Some(kept), Some(before), Some(after)) = (kept, before, untracked(&top))
        && is_all_inside(&checkout.below_top(request.directory), &before, &after)
    {
        keep(&directory, &kept);
    }
    Ok(true)
}

/// Whether what a step left is all in its directory, and needs nothing that lies around it, where an
/// earlier step may have put what this one only found: `node_modules` of a workspace. All paths are
/// relative to the top of the repository.
fn is_all_inside(directory: &Path, before: &BTreeSet<PathBuf>, after: &BTreeSet<PathBuf>) -> bool {
    let lies_around = |path: &Path| path.parent().is_some_and(|it| directory.starts_with(it));
    let mut outside = after.iter().filter(|path| !path.starts_with(directory));
    outside.all(|path| before.contains(path) && !lies_around(path))
}

/// What decides the result: the step, where it runs, the files it depends on, those that decide
/// packages in its directory and above it, and the machine's versions of what runs it.
fn key(checkout: &Checkout, tree: &Tree, request: &Request<'_>) -> Result<String, CheckoutError> {
    let inputs: Vec<PathBuf> = if request.install.inputs.is_empty() {
        vec![PathBuf::new()]
    } else {
        let below = |input: &PathBuf| request.directory.join(input);
        request.install.inputs.iter().map(below).collect()
    };
    let mut hasher = Sha256::new();
    hasher.update(FORMAT);
    hasher.update(&request.install.run);
    hasher.update([0]);
    hasher.update(request.directory.as_os_str().as_encoded_bytes());
    for input in inputs {
        hasher.update([0]);
        hasher.update(checkout.tree_hash(tree, &input).unwrap_or_default());
    }
    // The whole project, and what it may have from around it.
    if request.install.inputs.is_empty() {
        hasher.update(checkout.hash_around(tree).unwrap_or_default());
    }
    for entry in packages::decided_by(checkout, tree, request.directory)? {
        hasher.update([0]);
        hasher.update(entry);
    }
    hasher.update(toolchain());
    Ok(hex(&hasher.finalize())[..24].to_owned())
}

/// The versions of the runtimes that installed and built files depend on.
pub fn toolchain() -> String {
    ["node", "bun", "deno", "python3"]
        .iter()
        .map(|program| {
            let output = Command::new(program).arg("--version").output();
            output.map_or_else(
                |_| String::new(),
                |output| String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        })
        .collect()
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Keeps what the step left. A cache that cannot be written costs time, not correctness.
fn keep(directory: &Path, kept: &Path) {
    let unfinished = kept.with_extension("unfinished");
    let _absent = fs::remove_dir_all(&unfinished);
    let complete = untracked(directory).is_some_and(|paths| {
        fs::create_dir_all(&unfinished).is_ok()
            && paths
                .iter()
                .all(|path| copy(&directory.join(path), &unfinished.join(path)))
    });
    if complete {
        let _kept = fs::rename(&unfinished, kept);
    } else {
        let _absent = fs::remove_dir_all(&unfinished);
    }
    if let Some(all) = kept.parent() {
        prune(all, KEPT);
    }
}

/// Files and folders of `directory` that git does not track, ignored ones included.
fn untracked(directory: &Path) -> Option<BTreeSet<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--others", "--directory", "-z", "."])
        .current_dir(directory)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let paths = text.split('\0').filter(|path| !path.is_empty());
    output.status.success().then(|| {
        paths
            .map(|path| PathBuf::from(path.trim_end_matches('/')))
            .collect()
    })
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !copy(&entry.path(), &to.join(entry.file_name())) {
            return Err(std::io::Error::other("copying failed"));
        }
    }
    Ok(())
}

/// Copies a file or tree as it is: links, times and modes; shared blocks where the file system
/// can.
fn copy(from: &Path, to: &Path) -> bool {
    if let Some(parent) = to.parent()
        && fs::create_dir_all(parent).is_err()
    {
        return false;
    }
    Command::new("cp")
        .args(["-a", "--reflink=auto", "-T", "--"])
        .args([from, to])
        .status()
        .is_ok_and(|status| status.success())
}

/// Marks a cache entry as used now.
fn touch(path: &Path) {
    if let Ok(folder) = fs::File::open(path) {
        let _untouched = folder.set_modified(SystemTime::now());
    }
}

/// Keeps the `kept` entries of a folder that were used last.
pub fn prune(folder: &Path, kept: usize) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut aged: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    aged.sort();
    let surplus = aged.len().saturating_sub(kept);
    for (_, path) in &aged[..surplus] {
        let _left = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_in_its_directory_is_kept() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let is_kept = |directory: &str, before: &[&str], after: &[&str]| {
            is_all_inside(Path::new(directory), &paths(before), &paths(after))
        };
        assert!(is_kept("", &[], &["node_modules", "apps/web/dist"]));
        assert!(is_kept("apps/web", &[], &["apps/web/node_modules"]));
        // What another frontend left beside it is none of its own.
        let other = "apps/admin/node_modules";
        assert!(is_kept(
            "apps/web",
            &[other],
            &[other, "apps/web/node_modules"]
        ));
        // A workspace is installed at its top, or was before.
        let top = "node_modules";
        let all = [top, "apps/web/node_modules"];
        assert!(!is_kept("apps/web", &[], &all));
        assert!(!is_kept("apps/web", &[top], &all));
        assert!(!is_kept("apps/web", &[], &["packages/ui/generated"]));
    }
}
