//! Everything that can stop us: message, hint, exit code.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::run_files::RunFileError;
use crate::config::ConfigError;
use crate::github::GithubError;
use crate::github::event::EventError;
use crate::measure::MeasureError;
use crate::measure::bundle::build::BuildError;
use crate::measure::checkout::CheckoutError;
use crate::measure::services::ServiceError;
use crate::model::Outcome;
use crate::report::ReportError;
use crate::store::StoreError;

/// The exit codes, for scripts and CI.
pub mod exit {
    /// The gate passed, perhaps with warnings.
    pub const PASSED: u8 = 0;
    /// The gate failed.
    pub const FAILED: u8 = 1;
    /// Wrong usage or configuration.
    pub const USAGE: u8 = 2;
    /// Head could not be measured: a broken build is not a regression.
    pub const NOT_MEASURED: u8 = 3;
    /// The store or GitHub could not be reached, or what is stored is damaged.
    pub const UNREACHABLE: u8 = 4;
    /// Inconclusive, and policy says that this blocks.
    pub const INCONCLUSIVE: u8 = 5;
    /// Stopped by Ctrl-C or SIGTERM, as shells report it.
    pub const INTERRUPTED: u8 = 130;
}

/// The exit code of an outcome.
pub fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass | Outcome::Warn => exit::PASSED,
        Outcome::Inconclusive => exit::INCONCLUSIVE,
        Outcome::Fail => exit::FAILED,
    }
}

/// What stopped us.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something asked for on the command line is not there.
    #[error("{0}")]
    Usage(String),
    /// A run file cannot be judged.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// The machines of a run's shards have left nothing that can be judged.
    #[error(transparent)]
    Shards(RunFileError),
    /// What is kept on a branch of baselines is damaged.
    #[error(transparent)]
    Kept(RunFileError),
    /// Base and head could not be checked out.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// Head could not be measured.
    #[error(transparent)]
    Measure(Box<MeasureError>),
    /// The report could not be rendered.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run has holes and is no baseline.
    #[error("the run is not stored: {}", holes(endpoints, *metrics))]
    NotStored {
        /// Endpoints that answered wrongly.
        endpoints: String,
        /// Metrics without a number.
        metrics: usize,
    },
    /// A night that is no baseline.
    #[error("the baseline does not advance: {}", why.join("; "))]
    NotAdvanced {
        /// Each reason.
        why: Vec<String>,
    },
    /// The workflow's event cannot be understood.
    #[error(transparent)]
    Event(#[from] EventError),
    /// GitHub did not do what was asked.
    #[error(transparent)]
    Github(#[from] GithubError),
    /// A result could not be written.
    #[error("`{}` could not be written: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody stopped us.
    #[error("interrupted; every process that was started has been ended")]
    Interrupted,
}

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        Self::Measure(Box::new(error))
    }
}

impl Failure {
    /// The exit code it ends with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) | Self::Usage(_) | Self::RunFile(_) | Self::Event(_) => exit::USAGE,
            Self::NotAdvanced { .. } => exit::FAILED,
            Self::Checkout(error) => checkout_code(error),
            Self::Measure(_)
            | Self::Shards(_)
            | Self::NotStored { .. }
            | Self::Report(_)
            | Self::Write { .. } => exit::NOT_MEASURED,
            Self::Store(StoreError::ShortReference { .. } | StoreError::Ambiguous { .. }) => {
                exit::USAGE
            }
            Self::Kept(_) | Self::Store(_) | Self::Github(_) => exit::UNREACHABLE,
            Self::Interrupted => exit::INTERRUPTED,
        })
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::RunFile(error) | Self::Shards(error) | Self::Kept(error) => {
                error.hint().map(str::to_owned)
            }
            Self::Checkout(error) => checkout_hint(error),
            Self::Measure(error) => measure_hint(error),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Github(error) => error.hint(),
            Self::Write { source, .. } => write_hint(source),
            Self::NotStored { .. } => {
                Some("a baseline with holes would let later regressions through".to_owned())
            }
            Self::NotAdvanced { .. } => Some(
                "measure again on a quieter machine, repair what got worse, or let it through: \
                 `--accept METRIC --because WHY`"
                    .to_owned(),
            ),
            Self::Config(_)
            | Self::Usage(_)
            | Self::Event(_)
            | Self::Report(_)
            | Self::Interrupted => None,
        }
    }

    /// The whole message: what happened, why, what to do.
    pub fn message(&self) -> String {
        let mut text = format!("error: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let line = error.to_string();
            if !text.contains(&line) {
                let _infallible = write!(text, "\n  caused by: {line}");
            }
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            let _infallible = write!(text, "\n\nhint: {hint}");
        }
        text
    }
}

fn holes(endpoints: &str, metrics: usize) -> String {
    if endpoints.is_empty() {
        format!("{metrics} metrics have no number")
    } else {
        format!("wrong answers from {endpoints}")
    }
}

fn checkout_code(error: &CheckoutError) -> u8 {
    match error {
        CheckoutError::NotARepository(_)
        | CheckoutError::UnknownRevision { .. }
        | CheckoutError::NoMergeBase { .. }
        | CheckoutError::NoPatch { .. }
        | CheckoutError::Patch { .. } => exit::USAGE,
        CheckoutError::NoGit(_) | CheckoutError::Git { .. } | CheckoutError::File { .. } => {
            exit::NOT_MEASURED
        }
    }
}

fn checkout_hint(error: &CheckoutError) -> Option<String> {
    let hint = match error {
        CheckoutError::NoGit(_) => "install git (Debian, Ubuntu: `apt-get install git`)",
        CheckoutError::NotARepository(_) => {
            "run it inside the repository of the project, or name its configuration with `--config`"
        }
        CheckoutError::UnknownRevision { shallow: true, .. }
        | CheckoutError::NoMergeBase { shallow: true, .. } => {
            "fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout"
        }
        CheckoutError::UnknownRevision { shallow: false, .. } => {
            "`git log --oneline --all` lists what there is"
        }
        CheckoutError::NoMergeBase { shallow: false, .. } => "name the base with `--base REVISION`",
        CheckoutError::Patch { .. } => {
            "paths in the patch are read relative to the folder of the configuration, then to the \
             top of the repository"
        }
        CheckoutError::File { source, .. } => return write_hint(source),
        CheckoutError::NoPatch { .. } | CheckoutError::Git { .. } => return None,
    };
    Some(hint.to_owned())
}

fn measure_hint(error: &MeasureError) -> Option<String> {
    if let Some(log) = error.log() {
        return Some(format!("the whole output is in `{}`", log.display()));
    }
    let hint = match error {
        MeasureError::Service(ServiceError::PortTaken { .. }) => {
            "leave `port` out and a free one is chosen, or end what uses it"
        }
        MeasureError::Service(ServiceError::NotReady { .. }) => {
            "check `ready` and `command`, or allow more time: `ready: { …, within: 60 s }`"
        }
        MeasureError::Service(ServiceError::OutOfMemory { .. }) => {
            "raise its `memory`, or find out what takes it: base runs with the same limit"
        }
        MeasureError::Service(ServiceError::Restore { .. }) => {
            "its log says more; `restore: false` leaves its data as the last block left it"
        }
        MeasureError::Service(ServiceError::Speaks { .. }) => {
            "check `tls`: `ca` is a PEM file of the project, or of `{{ data }}`"
        }
        MeasureError::Build(BuildError::Weigh { .. }) => {
            "check `output`: it is the folder the build writes, relative to `directory`"
        }
        MeasureError::Build(BuildError::Sources { .. }) => {
            "correct it, relative to the project, or remove `sources`: then all of the project counts"
        }
        MeasureError::Build(
            BuildError::Install { .. } | BuildError::Build { .. } | BuildError::Packages { .. },
        )
        | MeasureError::Install { .. }
        | MeasureError::Service(
            ServiceError::Step { .. }
            | ServiceError::Start { .. }
            | ServiceError::Ended { .. }
            | ServiceError::Engine { .. }
            | ServiceError::NoEngine(_),
        )
        | MeasureError::Prepare(_)
        | MeasureError::Session(_) => return None,
        MeasureError::Checkout(error)
        | MeasureError::Build(BuildError::Git { source: error, .. }) => {
            return checkout_hint(error);
        }
    };
    Some(hint.to_owned())
}

fn write_hint(error: &io::Error) -> Option<String> {
    let kind = error.kind();
    let hint = if kind == io::ErrorKind::StorageFull {
        "the disk is full; nothing half-written is left"
    } else if kind == io::ErrorKind::PermissionDenied {
        "check who owns the folder"
    } else {
        return None;
    };
    Some(hint.to_owned())
}
