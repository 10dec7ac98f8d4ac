//! Building a frontend and weighing what came out, once for each state of its sources.
//!
//! What is cached is what was read from the output, not the output: `.tollgate/cache/bundle/`.
//! The user's configuration is not touched: some bundlers get a flag more (`flags.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::assets::Kind;
use super::committed::{self, Committed};
use super::{BundleError, Output, flags, loading, weigh, workspace};
use crate::measure::checkout::{Checkout, CheckoutError, Tree};
use crate::measure::install::{self, hex, install};
use crate::measure::packages;
use crate::measure::plan::Frontend;
use crate::measure::process::Supervisor;
use crate::measure::process::step::{self, Step, StepError};
use crate::measure::progress::Progress;
use crate::measure::secrets;
use crate::model::PhaseKind;
use crate::model::evidence::{BundleEvidence, UNMAPPED};

/// What is kept in the cache, and how it is found out; another number when either changes.
const FORMAT: &str = "8";
/// Variables that say where and when something runs, and not what is built: they differ from one run
/// to the next. Every other may be put into a build.
const OF_THE_RUN: [&str; 31] = [
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "TERM",
    "COLORTERM",
    "COLUMNS",
    "LINES",
    "USER",
    "LOGNAME",
    "SHELL",
    "MAIL",
    "TMPDIR",
    "HOSTNAME",
    "DISPLAY",
    "EDITOR",
    "PAGER",
    "LS_COLORS",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NO_COLOR",
    "DBUS_SESSION_BUS_ADDRESS",
    "BUILD_ID",
    "BUILD_NUMBER",
    "BUILD_TAG",
    "BUILD_URL",
];
/// What such variables begin with: of CI services, of sessions, of this program and of cargo, which
/// may have started it.
const OF_RUNS: [&str; 15] = [
    "GITHUB_",
    "RUNNER_",
    "ACTIONS_",
    "INPUT_",
    "STATE_",
    "CI_",
    "BUILDKITE_",
    "CIRCLE_",
    "JENKINS_",
    "SSH_",
    "XDG_",
    "TOLLGATE_",
    "CARGO",
    "RUST",
    "GIT_",
];
/// What is said where an install step left nothing that Node finds.
const NOTHING_INSTALLED: &str = "its `install` left no `node_modules` in the worktree, so it was built \
    with those of the checkout, which are taken to be right because nothing that decides them differs";
/// Bundle evidence kept in the cache.
const KEPT: usize = 40;

/// A frontend that could not be built or weighed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The install step failed.
    #[error("frontend `{frontend}`: install: {source}")]
    Install {
        /// Which frontend.
        frontend: String,
        /// What failed.
        source: Box<StepError>,
    },
    /// The build failed.
    #[error("frontend `{frontend}`: build: {source}")]
    Build {
        /// Which frontend.
        frontend: String,
        /// What failed.
        source: Box<StepError>,
    },
    /// What git has of it could not be told or put in place.
    #[error("frontend `{frontend}`: {source}")]
    Git {
        /// Which frontend.
        frontend: String,
        /// What failed.
        source: CheckoutError,
    },
    /// What decides the build, as the configuration says, is nowhere.
    #[error(
        "frontend `{frontend}`: `sources` names `{source_path}`, which git knows in neither base nor \
         head: what is built would never count as changed"
    )]
    Sources {
        /// Which frontend.
        frontend: String,
        /// What is not there.
        source_path: String,
    },
    /// It would ship what is installed in the user's checkout, which is of another version.
    #[error(
        "frontend `{frontend}`: its packages are not installed: `{file}` is another one than in the \
         checkout, whose packages Node finds; let it install its own in the worktree: \
         `install: {{ run: {installer}, inputs: [package.json] }}`"
    )]
    Packages {
        /// Which frontend.
        frontend: String,
        /// What differs, relative to the top of the repository.
        file: String,
        /// What would install them.
        installer: &'static str,
    },
    /// The output could not be weighed.
    #[error("frontend `{frontend}`: {source}")]
    Weigh {
        /// Which frontend.
        frontend: String,
        /// Why.
        source: BundleError,
    },
}

impl BuildError {
    /// Where the whole output of the failed step is.
    pub fn log(&self) -> Option<&Path> {
        match self {
            Self::Install { source, .. } | Self::Build { source, .. } => Some(&source.log),
            Self::Git { .. }
            | Self::Sources { .. }
            | Self::Packages { .. }
            | Self::Weigh { .. } => None,
        }
    }
}

/// What was read from a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Built {
    /// What it ships.
    pub evidence: BundleEvidence,
    /// What could not be read, with the reason.
    pub skipped: Vec<String>,
}

/// Where to build.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Both arms.
    pub checkout: &'a Checkout,
    /// The arm.
    pub tree: &'a Tree,
    /// The cache folder.
    pub cache: &'a Path,
    /// Folder for the logs of this arm.
    pub logs: &'a Path,
    /// What stored runs say of earlier builds.
    pub known: &'a [BundleEvidence],
}

/// Builds and weighs a frontend of one arm, or takes it from the cache.
pub async fn build(
    frontend: &Frontend,
    site: Site<'_>,
    supervisor: &Supervisor,
    progress: &mut Progress,
) -> Result<Built, BuildError> {
    let directory = site.tree.project.join(&frontend.directory);
    let mut sources = frontend.sources.iter();
    if let Some(missing) = sources.find(|path| !site.checkout.is_anywhere(path)) {
        return Err(BuildError::Sources {
            frontend: frontend.name.clone(),
            source_path: shown_path(missing),
        });
    }
    let key = key(frontend, site)?;
    let kept = site.cache.join("bundle").join(format!("{key}.json"));
    if let Some(built) = read(&kept).or_else(|| stored(site.known, &key)) {
        progress.phase(PhaseKind::Build);
        progress.step(&format!(
            "{}: unchanged sources, known sizes",
            frontend.name
        ));
        return Ok(built);
    }
    // Before anything can write into them.
    let differing = packages::differing(site.checkout, site.tree, &frontend.directory);
    let differing = differing.map_err(|source| of_git(frontend, source))?;
    run_install(frontend, site, supervisor, progress).await?;
    // What a bundler can be asked depends on what is installed.
    let mut line = flags::added(&frontend.build, &directory);
    let mut refused = None;
    let mut ran = run_build(frontend, site, supervisor, &line, progress).await;
    // Only now, since the line may have installed them; a failure may come from just this.
    let of_checkout = packages::are_foreign(site.checkout, site.tree, &frontend.directory);
    if let Some(file) = differing.filter(|_| of_checkout) {
        return Err(BuildError::Packages {
            frontend: frontend.name.clone(),
            file: shown_path(&file),
            installer: packages::installer(site.checkout, site.tree, &frontend.directory),
        });
    }
    if matches!(ran, Err(BuildError::Build { .. })) && line != frontend.build {
        refused = Some(without_flags(&line));
        line.clone_from(&frontend.build);
        ran = run_build(frontend, site, supervisor, &line, progress).await;
    }
    let foreign = ran?;
    progress.phase(PhaseKind::Weigh);
    progress.step(&frontend.name);
    let output = directory.join(&frontend.output);
    let name = frontend.directory.to_string_lossy();
    let shown = frontend.directory.join(&frontend.output);
    let built = Output {
        folder: &output,
        foreign: &foreign,
        frontend: &directory,
        directory: &name,
        stats: frontend.stats.as_deref(),
        brotli: frontend.brotli,
        cache: Some(&site.cache.join("sizes")),
    };
    let weighed = weigh(&built).map_err(|source| BuildError::Weigh {
        frontend: frontend.name.clone(),
        // The worktree is gone when this is read: the folder is named as the user knows it.
        source: source.seen_from(&shown),
    })?;
    let mut skipped = weighed.skipped;
    let unmapped = (is_unmapped(&weighed.evidence) && directory.join("package.json").is_file())
        .then(|| flags::unmapped(&line, &directory).to_owned());
    let paths = weighed.evidence.assets.iter().map(|it| it.path.as_str());
    let untouched: Vec<&str> = paths.filter(|path| foreign.contains(*path)).collect();
    let nothing_installed = (of_checkout && frontend.install.is_some())
        .then(|| packages::are_asked_for(site.checkout, site.tree, &frontend.directory))
        .filter(|are_asked_for| *are_asked_for)
        .map(|_| NOTHING_INSTALLED.to_owned());
    let notes = [
        refused,
        unmapped,
        nothing_installed,
        committed::note(&frontend.output, &untouched),
    ];
    skipped.extend((notes.into_iter().flatten()).map(|it| format!("{}: {it}", frontend.name)));
    let built = Built {
        evidence: BundleEvidence {
            build: Some(key),
            ..weighed.evidence
        },
        skipped,
    };
    write(&kept, &built);
    Ok(built)
}

/// Said of a build that its flags have made fail.
fn without_flags(line: &str) -> String {
    format!(
        "it was built without the flags that make a bundler tell its chunks and packages, because \
         `{line}` failed"
    )
}

/// Whether scripts are shipped, and of no byte is known whose it is.
fn is_unmapped(evidence: &BundleEvidence) -> bool {
    let mut assets = evidence.assets.iter();
    let has_script = assets.any(|it| Kind::of(&it.path) == Kind::Script);
    let mut packages = evidence.packages.iter();
    has_script && packages.all(|it| it.package == UNMAPPED)
}

async fn run_install(
    frontend: &Frontend,
    site: Site<'_>,
    supervisor: &Supervisor,
    progress: &mut Progress,
) -> Result<(), BuildError> {
    let Some(step) = &frontend.install else {
        return Ok(());
    };
    progress.phase(PhaseKind::Install);
    progress.step(&format!("{}: {}", frontend.name, step.run));
    let request = install::Request {
        install: step,
        directory: &frontend.directory,
        within: frontend.within,
        log: &site.logs.join(format!("{}-install.log", frontend.name)),
    };
    install(site.checkout, site.tree, supervisor, site.cache, &request)
        .await
        .map(drop)
        .map_err(|source| BuildError::Install {
            frontend: frontend.name.clone(),
            source,
        })
}

/// Builds, and names the committed files of the output folder that the build left as they were.
async fn run_build(
    frontend: &Frontend,
    site: Site<'_>,
    supervisor: &Supervisor,
    line: &str,
    progress: &mut Progress,
) -> Result<BTreeSet<String>, BuildError> {
    let failed = |source| of_git(frontend, source);
    progress.phase(PhaseKind::Build);
    let folder = frontend.directory.join(&frontend.output);
    let committed = Committed::put_in_place(site.checkout, site.tree, &folder).map_err(failed)?;
    run_line(frontend, site, supervisor, line, progress).await?;
    if committed.are_all_there_is() {
        committed.put_aside().map_err(failed)?;
        run_line(frontend, site, supervisor, line, progress).await?;
        committed.put_back().map_err(failed)?;
    }
    Ok(committed.untouched())
}

async fn run_line(
    frontend: &Frontend,
    site: Site<'_>,
    supervisor: &Supervisor,
    line: &str,
    progress: &mut Progress,
) -> Result<(), BuildError> {
    progress.step(&format!("{}: {line}", frontend.name));
    let directory = site.tree.project.join(&frontend.directory);
    // What an earlier build said of itself must not pass for what this one says.
    let own = [loading::OWN_STATS, loading::OWN_METAFILE].map(Path::new);
    for name in own.into_iter().chain(frontend.stats.as_deref()) {
        let _absent = fs::remove_file(directory.join(name));
    }
    let step = Step {
        line,
        directory: &directory,
        environment: &BTreeMap::new(),
        log: &site.logs.join(format!("{}-build.log", frontend.name)),
        within: frontend.within,
    };
    step::run(supervisor, &step)
        .await
        .map_err(|source| BuildError::Build {
            frontend: frontend.name.clone(),
            source,
        })
}

/// What decides the result: the sources, the line, the environment a bundler reads, the tools.
fn key(frontend: &Frontend, site: Site<'_>) -> Result<String, BuildError> {
    let install = frontend.install.as_ref().map_or("", |step| &step.run);
    let lines = [frontend.build.as_str(), install];
    let (sources, around) = match frontend.sources.is_empty() {
        true => (
            workspace::sources(&site.tree.project, &frontend.directory, &lines),
            site.checkout.hash_around(site.tree),
        ),
        false => (frontend.sources.clone(), None),
    };
    let mut hasher = Sha256::new();
    let directory = frontend.directory.to_string_lossy();
    let output = frontend.output.to_string_lossy();
    let stats = (frontend.stats.as_deref()).map_or_else(String::new, shown_path);
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        version,
        FORMAT,
        &stats,
        if frontend.brotli { "brotli" } else { "" },
        &frontend.build,
        install,
        &directory,
        &output,
        super::gzip::ENCODER,
    ] {
        hasher.update(part);
        hasher.update([0]);
    }
    for source in sources {
        // What git does not know, such as installed packages, decides nothing.
        if let Some(hash) = site.checkout.tree_hash(site.tree, &source) {
            hasher.update(format!("{}\0{hash}\0", source.display()));
        }
    }
    hasher.update(around.unwrap_or_default());
    let failed = |source| of_git(frontend, source);
    let packages = packages::decided_by(site.checkout, site.tree, &frontend.directory);
    for entry in packages.map_err(failed)? {
        hasher.update(entry);
        hasher.update([0]);
    }
    let folder = frontend.directory.join(&frontend.output);
    let committed = (site.checkout.tracked_below(site.tree, &folder)).map_err(failed)?;
    if !committed.is_empty() {
        let hash = site.checkout.tree_hash(site.tree, &folder);
        hasher.update(hash.unwrap_or_default());
        for file in committed {
            hasher.update(file.as_os_str().as_encoded_bytes());
            hasher.update([0]);
        }
    }
    for (name, value) in environment() {
        for part in [name, value] {
            hasher.update(part.as_encoded_bytes());
            hasher.update([0]);
        }
    }
    hasher.update(install::toolchain());
    Ok(hex(&hasher.finalize())[..24].to_owned())
}

fn of_git(frontend: &Frontend, source: CheckoutError) -> BuildError {
    BuildError::Git {
        frontend: frontend.name.clone(),
        source,
    }
}

fn shown_path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What the environment may decide in a build, in the order of the names.
fn environment() -> BTreeMap<OsString, OsString> {
    let vars = std::env::vars_os();
    vars.filter(|(name, _)| decides(&name.to_string_lossy()))
        .collect()
}

fn decides(name: &str) -> bool {
    !OF_THE_RUN.contains(&name)
        && !secrets::is_ours(name)
        && !OF_RUNS.iter().any(|start| name.starts_with(start))
}

/// What a stored run says of the same build.
fn stored(known: &[BundleEvidence], key: &str) -> Option<Built> {
    let of_build = |evidence: &&BundleEvidence| evidence.build.as_deref() == Some(key);
    Some(Built {
        evidence: known.iter().find(of_build)?.clone(),
        skipped: Vec::new(),
    })
}

fn read(path: &Path) -> Option<Built> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Keeps what was read. A cache that cannot be written costs time, not correctness.
fn write(path: &Path, built: &Built) {
    let Some(folder) = path.parent() else {
        return;
    };
    let unfinished = path.with_extension("unfinished");
    let written = fs::create_dir_all(folder).is_ok()
        && serde_json::to_vec(built).is_ok_and(|bytes| fs::write(&unfinished, bytes).is_ok());
    if written {
        let _kept = fs::rename(&unfinished, path);
    }
    install::prune(folder, KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_variable_may_be_put_into_a_build_but_those_of_the_run() {
        for name in [
            "API",
            "VITE_KEY",
            "NODE_ENV",
            "CI",
            "BASE_URL",
            "BUILD_TARGET",
        ] {
            assert!(decides(name), "{name}");
        }
        for name in [
            "GITHUB_RUN_ID",
            "PATH",
            "CI_JOB_ID",
            "TOLLGATE_STORE",
            "GH_TOKEN",
            "PGPASSWORD",
            "BUILD_ID",
        ] {
            assert!(!decides(name), "{name}");
        }
    }
}
