//! What every measuring command needs around its work: the project, the interrupt, the sweep.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Project;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::measure::containers::leftovers;
use crate::measure::process::{Supervisor, tree};
use crate::measure::progress::note;
use crate::store::{Address, Location};

/// How long supervisors may take to end their trees.
const SWEEP_WITHIN: Duration = Duration::from_secs(10);
/// How long interrupted blocking work may take to clean up before it is asked again.
const CLEAN_UP_WITHIN: Duration = Duration::from_secs(3);
/// How often is looked whether they have.
const POLL: Duration = Duration::from_millis(10);

/// The configuration and the folder it describes.
pub(super) fn load(arguments: &Project) -> Result<(Config, PathBuf), Failure> {
    let (mut config, folder) = load_from(&arguments.config)?;
    if let Some(place) = arguments.store.as_deref().filter(|place| !place.is_empty()) {
        config.store = match Address::parse(place) {
            Some(address) => Location::Postgres(address),
            None if place.contains("://") => {
                return Err(Failure::Usage(
                    "runs are kept in a SQLite file or in PostgreSQL: `--store` takes a path, or \
                     `postgres://user@host/database`"
                        .to_owned(),
                ));
            }
            None => Location::Sqlite(place.into()),
        };
    }
    Ok((config, folder))
}

/// The configuration in this file and the folder it describes.
pub(super) fn load_from(file: &Path) -> Result<(Config, PathBuf), Failure> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let project = folder.unwrap_or(Path::new("."));
    // A missing folder is reported as a missing configuration, with its path.
    let project = project
        .canonicalize()
        .unwrap_or_else(|_| project.to_owned());
    Ok((config::load(file, &project)?, project))
}

/// Starts processes under this very program.
pub(super) fn supervisor() -> Result<Supervisor, Failure> {
    std::env::current_exe()
        .map(Supervisor::new)
        .map_err(|error| Failure::Usage(format!("this program does not find itself: {error}")))
}

/// Does the work unless somebody interrupts it; then everything it started is ended.
pub(super) async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    // What escapes a killed supervisor becomes ours, and is swept up below.
    let _adopts = prctl::set_child_subreaper(true);
    let result = tokio::select! {
        result = work => result,
        () = interrupted() => Err(Failure::Interrupted),
    };
    sweep().await;
    // Whatever failed: what cannot be removed now is removed by the next run.
    if let Err(error) = leftovers::remove_own().await {
        note(&format!(
            "{error}; `tollgate doctor --clean` removes what is left"
        ));
    }
    result
}

/// Does work that blocks, such as running git, unless somebody interrupts it; then what it runs
/// is ended, and what it has made so far is dropped.
pub(super) async fn interruptible_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut task = tokio::task::spawn_blocking(work);
    let result = tokio::select! {
        result = &mut task => Some(result),
        () = interrupted() => None,
    };
    if let Some(Ok(result)) = result {
        return result;
    }
    while !task.is_finished() {
        for pid in tree::living_descendants(Pid::this().as_raw()) {
            tree::signal(pid, Signal::SIGTERM);
        }
        // Time for what was interrupted to fail and to clean up after itself.
        let _still_running = tokio::time::timeout(CLEAN_UP_WITHIN, &mut task).await;
    }
    Err(Failure::Interrupted)
}

async fn interrupted() {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let mut signals: Vec<_> = kinds
        .into_iter()
        .filter_map(|kind| signal(kind).ok())
        .collect();
    std::future::poll_fn(|context| {
        let arrived = signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if arrived {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// Waits until every process we started is gone, and kills what does not go.
async fn sweep() {
    let own = Pid::this().as_raw();
    let deadline = Instant::now() + SWEEP_WITHIN;
    loop {
        let left = tree::living_descendants(own);
        if left.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            for pid in left {
                tree::signal(pid, Signal::SIGKILL);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
