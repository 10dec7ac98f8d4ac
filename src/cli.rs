//! The command line: clap derive types only.

use std::path::PathBuf;

use crate::measure::shard::Part;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// A performance gate for pull requests.
///
/// Exit codes: 0 passed (perhaps with warnings), 1 the gate failed, 2 wrong usage or
/// configuration, 3 could not measure, 4 store or GitHub unreachable, 5 inconclusive where policy
/// says that blocks.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measures base and head, compares, explains, decides, reports.
    Check(Check),
    /// Makes one run of the shards that `tollgate check --shard` measured on several machines, and
    /// judges it as a check does.
    ///
    /// Shards of different commits or configurations, missing shards and metrics that two shards
    /// have are refused.
    Merge(Merge),
    /// Judges run files again: offline, and the same every time.
    ///
    /// One file: its head against its own base, by the same rules as the check that wrote it.
    ///
    /// Several files: the head of the last against the heads of the earlier ones, in the way stored
    /// runs are used. Sizes and counts are judged against the newest of them. For latency, CPU time
    /// and memory the earlier runs of the same class of machine give a range of what is usual, and
    /// leaving it is at most a warning; other machines are named and never judged. The base inside
    /// the last file is not used then: you asked for the earlier files.
    ///
    /// Needs no repository, no store and no network, and writes nothing.
    Compare(Compare),
    /// Prints the numbers that led to the verdict of one metric.
    ///
    /// Without a metric: lists every metric with its verdict, most severe first.
    ///
    /// `explain bundle` shows what the frontends ship, base beside head; `explain bundle NAME` what
    /// a package, a file or a module costs, which files hold it and which imports lead to it.
    Explain(Explain),
    /// Keeps runs and shows what is kept.
    Baseline {
        /// What to do with the store.
        #[command(subcommand)]
        command: Baseline,
    },
    /// Shows a recorded run on GitHub: one comment on the pull request, and a commit status or a
    /// check run that a branch protection rule can require.
    ///
    /// The verdict is made again from the samples in the run file, by the configuration given
    /// here. Runs inside GitHub Actions, and decides by the event what to do: see the README.
    ///
    /// Where the job itself is the gate, exits as `tollgate check` did. In a `workflow_run`
    /// workflow the status is the gate, and the exit code only says whether it was published.
    Publish(Publish),
    /// Does what somebody asked for in a comment on a pull request: `/tollgate accept METRIC [up to
    /// 8%] because REASON`, or `/tollgate rerun`.
    ///
    /// Runs inside GitHub Actions for the event `issue_comment`; only who may write to the
    /// repository is heard. Sets the outputs `todo` and `run`.
    Command(CommandOf),
    /// Proves that the gate works here: it blocks what is slow, and lets the same code pass.
    ///
    /// Exit codes: 0 it does, 1 it does not, the others as for every command.
    Canary(Canary),
    /// Says what this machine has to measure with, and what killed runs left on it.
    Doctor(Doctor),
    /// Runs a shell line and ends all it started when standard input closes. Used by Tollgate
    /// itself.
    #[command(hide = true)]
    Supervise {
        /// The shell line.
        #[arg(last = true)]
        line: String,
    },
}

/// `tollgate doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Removes the containers, networks and volumes of runs that were killed. What carries no label
    /// of Tollgate's is never touched, nor what belongs to a run that is under way.
    #[arg(long)]
    pub clean: bool,
    /// Removes the images that were built for services too.
    #[arg(long, requires = "clean")]
    pub images: bool,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct Project {
    /// Configuration file; its folder is the project.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "tollgate.yml",
        env = "TOLLGATE_CONFIG"
    )]
    pub config: PathBuf,
    /// Where runs are kept, in place of `store` in the configuration: a file, or
    /// `postgres://user@host/database`.
    #[arg(
        long,
        value_name = "PLACE",
        env = "TOLLGATE_STORE",
        hide_env_values = true
    )]
    pub store: Option<String>,
}

/// `tollgate check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Where the configuration is.
    #[command(flatten)]
    pub project: Project,
    /// What to judge against: a revision. Without it, the merge base with the default branch; in a
    /// workflow, what its event says.
    #[arg(long, value_name = "REVISION", env = "TOLLGATE_BASE")]
    pub base: Option<String>,
    /// What to judge: a revision. Without it, the working tree as it is.
    #[arg(long, value_name = "REVISION", conflicts_with = "head_patch")]
    pub head: Option<String>,
    /// Judge the base with this patch applied.
    #[arg(long, value_name = "FILE")]
    pub head_patch: Option<PathBuf>,
    /// Measures one of several equal parts of the endpoints and frontends, such as `2/5`, and judges
    /// nothing: `tollgate merge` does, when it has all of them.
    #[arg(long, value_name = "N/OF", env = "TOLLGATE_SHARD", value_parser = shard)]
    pub shard: Option<Part>,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `tollgate merge`.
#[derive(Debug, Args)]
pub struct Merge {
    /// Where the configuration is.
    #[command(flatten)]
    pub project: Project,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The run files of all shards, in any order. There are none where `paths-ignore` left out all
    /// that changed.
    #[arg(value_name = "RUN")]
    pub shards: Vec<PathBuf>,
}

fn shard(text: &str) -> Result<Part, String> {
    let numbers = text.split_once('/').and_then(|(number, of)| {
        let part = Part {
            number: number.parse().ok()?,
            of: of.parse().ok()?,
        };
        (1..=part.of).contains(&part.number).then_some(part)
    });
    numbers.ok_or_else(|| "write for example `2/5`: the second of five shards".to_owned())
}

/// How run files are judged.
#[derive(Debug, Args)]
pub struct Rules {
    /// Configuration with the tolerances, targets and severities. Without it, `tollgate.yml` of
    /// the current folder; where there is none, the defaults.
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    pub config: Option<PathBuf>,
}

/// `tollgate compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// How they are judged.
    #[command(flatten)]
    pub rules: Rules,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Run files, as `tollgate check` writes them to `.tollgate/run.json`.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
}

/// `tollgate publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// Where the configuration is.
    #[command(flatten)]
    pub project: Project,
    /// Name of this report, where a repository has several: each has its own comment and status.
    /// 1 to 64 of a–z, 0–9 and `-`.
    #[arg(long, value_name = "NAME", default_value = "tollgate", env = "TOLLGATE_ID", value_parser = report_id)]
    pub id: String,
    /// How the verdict stands on the commit.
    #[arg(long, value_enum, default_value_t = GateOn::Status, env = "TOLLGATE_GATE")]
    pub gate: GateOn,
    /// Leaves the pull request without a comment.
    #[arg(long, env = "TOLLGATE_NO_COMMENT", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_comment: bool,
    /// Only says on the commit that it is being measured: before the check.
    #[arg(long)]
    pub begin: bool,
    /// Completes what rules require although nothing was measured on purpose, and says why: for
    /// changes that cannot make anything slower.
    #[arg(
        long,
        value_name = "WHY",
        env = "TOLLGATE_SKIPPED",
        conflicts_with = "begin"
    )]
    pub skipped: Option<String>,
    /// Records what was accepted on this branch of baselines as well, where nights find it: beside the
    /// runs, for what is accepted in a comment or by a label. Takes `contents: write`.
    #[arg(long, value_name = "NAME", value_parser = on_branch, env = "TOLLGATE_ACCEPTED_ON")]
    pub accepted_on: Option<String>,
    /// The file of the runs on that branch.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "main.json",
        value_parser = on_branch,
        requires = "accepted_on"
    )]
    pub accepted_beside: String,
    /// The exit code of `tollgate check`: says why there is nothing to judge.
    #[arg(long, value_name = "CODE", env = "TOLLGATE_CHECK_EXIT")]
    pub check_exit: Option<u8>,
    /// Exits with 4 when something could not be published.
    #[arg(long, env = "TOLLGATE_STRICT", value_parser = clap::builder::FalseyValueParser::new())]
    pub strict: bool,
    /// The token to publish with.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GITHUB_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Run file. Without it, `.tollgate/run.json` beside the configuration.
    #[arg(value_name = "RUN")]
    pub run: Option<PathBuf>,
}

/// `tollgate command`.
#[derive(Debug, Args)]
pub struct CommandOf {
    /// Name of the report.
    #[arg(long, value_name = "NAME", default_value = "tollgate", env = "TOLLGATE_ID", value_parser = report_id)]
    pub id: String,
    /// The token to answer with.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GITHUB_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
}

/// How a verdict stands on a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GateOn {
    /// A commit status: one line, in the right place, from any token.
    Status,
    /// A check run: with the report and sentences beside the lines. GitHub shows those of a
    /// workflow's own token below an arbitrary workflow of the commit.
    Check,
    /// Both.
    Both,
    /// Neither: only the exit code.
    None,
}

fn report_id(text: &str) -> Result<String, String> {
    if crate::github::marker::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 64 of a–z, 0–9 and `-`".to_owned())
    }
}

/// `tollgate explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// How the run was judged.
    #[command(flatten)]
    pub rules: Rules,
    /// Run file. Without it, `.tollgate/run.json` beside the configuration: the last check. Given
    /// several times, the last is judged against the earlier ones, as `tollgate compare` does.
    #[arg(long = "run", value_name = "FILE")]
    pub runs: Vec<PathBuf>,
    /// Also writes a page with a treemap of what the frontends ship; it needs no network.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The metric, as in `report.json`, or words that only one has: `list p50`. Or `bundle`, and
    /// the name of a package, a file or a module.
    #[arg(value_name = "METRIC")]
    pub metric: Vec<String>,
}

/// `tollgate canary`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Canary {
    /// Where the configuration is.
    #[command(flatten)]
    pub project: Project,
    /// What to prove it on: a revision.
    #[arg(long, value_name = "REVISION", default_value = "HEAD")]
    pub base: String,
    /// A change that is known to be slow: the gate must block it.
    #[arg(long, value_name = "FILE", group = "what")]
    pub patch: Option<PathBuf>,
    /// The one endpoint, service or frontend that the patch makes slow: nothing else may be
    /// accused.
    #[arg(long, value_name = "NAME", requires = "patch")]
    pub only: Option<String>,
    /// Measures the base against itself this many times: the gate must not block.
    #[arg(long, value_name = "RUNS", group = "what", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub aa: Option<u32>,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub format: ListFormat,
}

/// What to print on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A summary for people.
    Text,
    /// The comment as it would be posted.
    Markdown,
    /// The report as JSON, and nothing else.
    Json,
}

/// `tollgate baseline`.
#[derive(Debug, Subcommand)]
pub enum Baseline {
    /// Measures a revision and appends it to the store: what a nightly workflow runs.
    Refresh {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// What to measure.
        #[arg(long, value_name = "REVISION", default_value = "HEAD")]
        revision: String,
        /// How often to measure it, each time from scratch. What reads too differently from itself
        /// is no baseline; of several, the last is stored.
        #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
        repeat: u32,
        /// A metric that may be worse than in the last night, in words that only one has.
        #[arg(long, value_name = "METRIC", requires = "because")]
        accept: Vec<String>,
        /// Why; it is recorded and shown.
        #[arg(long, value_name = "WHY", requires = "accept")]
        because: Option<String>,
        /// Makes the run the reference of this release: later nights are compared with it.
        #[arg(long, value_name = "RELEASE")]
        pin: Option<String>,
        /// Removes all but the newest so many runs afterwards; pinned ones stay.
        #[arg(long, value_name = "RUNS")]
        keep: Option<u32>,
    },
    /// Makes a stored run the reference of a release.
    Pin {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// Number of the run in the list.
        run: i64,
        /// Name of the release.
        release: String,
    },
    /// Removes old runs; pinned ones stay.
    Prune {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// The newest so many stay.
        #[arg(long, value_name = "RUNS")]
        keep: u32,
    },
    /// Shows what is stored of one metric, newest first, without reading whole runs.
    History {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// The metric, as in `report.json`: `endpoint/list projects/p50`.
        metric: String,
    },
    /// Shows what was accepted, by whom and why, newest first.
    Accepted {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
    },
    /// Stores the runs that are kept on a branch on GitHub. Runs inside GitHub Actions.
    Pull {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// Where they are kept.
        #[command(flatten)]
        branch: Branch,
    },
    /// Adds a file of stored runs to a branch on GitHub: what others add meanwhile is kept. Runs
    /// inside GitHub Actions, and needs no store and no repository.
    Push {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// Where they are kept.
        #[command(flatten)]
        branch: Branch,
        /// The newest so many stay; pinned ones as well.
        #[arg(long, default_value_t = 60)]
        limit: u32,
        /// The file, as `baseline export` writes it.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Lists the stored runs, newest first.
    List {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// What to print.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,
    },
    /// Writes stored runs to a file that can be read in a diff.
    Export {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// The newest so many.
        #[arg(long, default_value_t = 60)]
        limit: u32,
        /// The file, such as `baselines/main.json`.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Stores the runs of such a file that are not stored yet.
    Import {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// The file.
        #[arg(value_name = "FILE", required_unless_present = "from_branch")]
        file: Option<PathBuf>,
        /// Takes what is kept on this branch, as it is in the clone: without a token. Where there is
        /// no such branch, nothing is imported.
        #[arg(long, value_name = "NAME", value_parser = on_branch, conflicts_with = "file")]
        from_branch: Option<String>,
        /// The file on that branch.
        #[arg(long, value_name = "NAME", default_value = "main.json", value_parser = on_branch)]
        path: String,
    },
    /// Shows a stored run as JSON.
    Show {
        /// Where the configuration is.
        #[command(flatten)]
        project: Project,
        /// Its number in the list, or a commit, or the beginning of one.
        run: String,
    },
}

/// A file on a branch.
#[derive(Debug, Args)]
pub struct Branch {
    /// The branch; it has nothing but baselines and a history of its own.
    #[arg(long, value_name = "NAME", default_value = "tollgate-baselines", value_parser = on_branch)]
    pub branch: String,
    /// The file on it.
    #[arg(long, value_name = "NAME", default_value = "main.json", value_parser = on_branch)]
    pub path: String,
    /// The token to read and write with.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GITHUB_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
}

fn on_branch(text: &str) -> Result<String, String> {
    if crate::github::branch::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("use letters, digits, `-`, `_` and `.`".to_owned())
    }
}

/// What lists and canaries print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table for people.
    Text,
    /// JSON.
    Json,
}
