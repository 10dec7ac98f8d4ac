//! Recorded traces: a folder of CSV files becomes visits, blocks and one number per arm.
//!
//! A row is one round of one arm; a block is a fresh process of each arm and all its rounds; a
//! visit is the blocks of one endpoint, design and planted effect in one file. Columns are found
//! by their names, so their order and further columns do not matter. What cannot be read is an
//! error that names file and line: a row left out would be a result made up. Must not resample
//! or judge anything.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::procedures::numbers::{median, real};

/// The metrics of a block, in the order of [`Values`].
pub(crate) const METRICS: [Metric; 4] = [Metric::P50, Metric::Cpu, Metric::P95, Metric::Mean];

/// What is taken from the rounds of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// The median over the rounds of a round's median latency.
    P50,
    /// CPU time of all rounds over requests of all rounds.
    Cpu,
    /// The median over the rounds of a round's 95th percentile.
    P95,
    /// The mean latency over the requests of all rounds.
    Mean,
}

impl Metric {
    /// The name in tables and figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::Cpu => "cpu",
            Self::P95 => "p95",
            Self::Mean => "mean",
        }
    }
}

/// The numbers of one arm of one block, in the order of [`METRICS`].
pub(crate) type Values = [f64; METRICS.len()];

/// What was planted in head, in thousandths of a per cent so that effects can be keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Effect {
    slow: i64,
    tail: i64,
}

impl Effect {
    /// Nothing planted.
    pub(crate) const NONE: Self = Self { slow: 0, tail: 0 };

    /// So many per cent of extra work in every request.
    pub(crate) fn slower_by(per_cent: f64) -> Self {
        Self::new(per_cent, 0.0)
    }

    /// As in the heading of a table: `+5 %`, `tail 10 %` or `+5 %, tail 10 %`.
    pub(crate) fn title(self) -> String {
        let slow = format!("+{} %", per_cent(self.slow));
        let tail = format!("tail {} %", per_cent(self.tail));
        match (self.slow, self.tail) {
            (_, 0) => slow,
            (0, _) => tail,
            (_, _) => format!("{slow}, {tail}"),
        }
    }

    /// Extra work in every request, and in the tail, both in per cent.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a per cent is small, and was checked to be finite"
    )]
    fn new(slow: f64, tail: f64) -> Self {
        let thousandths = |value: f64| (value * 1_000.0).round() as i64;
        Self {
            slow: thousandths(slow),
            tail: thousandths(tail),
        }
    }
}

/// As in the name of a figure: `5`, `2.5`, `tail_10` or `5_tail_10`.
impl fmt::Display for Effect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.slow, self.tail) {
            (slow, 0) => write!(out, "{}", per_cent(slow)),
            (0, tail) => write!(out, "tail_{}", per_cent(tail)),
            (slow, tail) => write!(out, "{}_tail_{}", per_cent(slow), per_cent(tail)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousandths of a small number")]
fn per_cent(thousandths: i64) -> f64 {
    thousandths as f64 / 1_000.0
}

/// One block: a number per metric for each arm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// Base, arm 0.
    pub(crate) base: Values,
    /// Head, arm 1.
    pub(crate) head: Values,
}

/// The blocks of one endpoint, design and effect in one file, in the order recorded.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// The endpoint.
    pub(crate) endpoint: String,
    /// The design: how the arms took turns.
    pub(crate) design: String,
    /// What was planted in head.
    pub(crate) effect: Effect,
    /// Never empty.
    pub(crate) blocks: Vec<Block>,
}

/// Why a folder cannot be used.
#[derive(Debug)]
pub(crate) enum TraceError {
    /// Nothing to read.
    Empty(PathBuf),
    /// The file system said no.
    Unreadable(PathBuf, std::io::Error),
    /// A line that does not say what it should; the header is line 1.
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that is wrong as a whole.
    File(PathBuf, String),
}

impl fmt::Display for TraceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(folder) => write!(out, "{}: no .csv files", folder.display()),
            Self::Unreadable(path, error) => write!(out, "{}: {error}", path.display()),
            Self::Line {
                file,
                line,
                problem,
            } => write!(out, "{}:{line}: {problem}", file.display()),
            Self::File(file, problem) => write!(out, "{}: {problem}", file.display()),
        }
    }
}

/// Reads every `.csv` file of a folder; visits come in the order they were recorded.
pub(crate) fn load(folder: &Path) -> Result<Vec<Visit>, TraceError> {
    let unreadable = |error| TraceError::Unreadable(folder.to_owned(), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end == "csv") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(TraceError::Empty(folder.to_owned()));
    }
    files.sort_by_key(|file| (visit_number(file), file.clone()));
    let mut visits = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)
            .map_err(|error| TraceError::Unreadable(file.clone(), error))?;
        visits.extend(visits_of(&file, &text)?);
    }
    Ok(visits)
}

/// The number at the end of `…_v123.csv`: visits are numbered by the time they began.
fn visit_number(file: &Path) -> Option<u64> {
    let stem = file.file_stem()?.to_str()?;
    stem.rsplit_once("_v")?.1.parse().ok()
}

/// What a row belongs to: endpoint, design and effect.
type Key = (String, String, Effect);
/// The rounds of each arm, by block.
type Rounds = BTreeMap<u64, [BTreeMap<u64, Round>; 2]>;

/// One round of one arm.
struct Round {
    requests: f64,
    cpu: f64,
    mean: f64,
    p50: f64,
    p95: f64,
}

fn visits_of(file: &Path, text: &str) -> Result<Vec<Visit>, TraceError> {
    let mut lines = text.lines().enumerate();
    let at = |line: usize, problem: String| TraceError::Line {
        file: file.to_owned(),
        line: line + 1,
        problem,
    };
    let (_, header) = lines
        .next()
        .ok_or_else(|| at(0, "the file is empty".to_owned()))?;
    let columns = Columns::of(header).map_err(|problem| at(0, problem))?;
    let mut found: BTreeMap<Key, Rounds> = BTreeMap::new();
    for (number, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let row = columns.row(line).map_err(|problem| at(number, problem))?;
        add(row, &mut found).map_err(|problem| at(number, problem))?;
    }
    if found.is_empty() {
        return Err(at(0, "no rows after the header".to_owned()));
    }
    found
        .into_iter()
        .map(|(key, rounds)| visit(key, rounds))
        .collect::<Result<_, _>>()
        .map_err(|problem| TraceError::File(file.to_owned(), problem))
}

/// A row, understood.
struct Row {
    key: Key,
    block: u64,
    arm: usize,
    number: u64,
    round: Round,
}

fn add(row: Row, found: &mut BTreeMap<Key, Rounds>) -> Result<(), String> {
    let (block, arm, number) = (row.block, row.arm, row.number);
    let rounds = found.entry(row.key).or_default().entry(block).or_default();
    match rounds[arm].insert(number, row.round) {
        None => Ok(()),
        Some(_) => Err(format!(
            "round {number} of arm {arm} in block {block} is here a second time"
        )),
    }
}

fn visit((endpoint, design, effect): Key, rounds: Rounds) -> Result<Visit, String> {
    let blocks = rounds
        .into_iter()
        .map(
            |(number, [base, head])| match (values(&base), values(&head)) {
                (Some(base), Some(head)) => Ok(Block { base, head }),
                _ => Err(format!(
                    "block {number} of {endpoint}, {design}, {} has rounds of one arm only",
                    effect.title()
                )),
            },
        )
        .collect::<Result<_, _>>()?;
    Ok(Visit {
        endpoint,
        design,
        effect,
        blocks,
    })
}

/// The numbers of one arm of a block; none without rounds.
fn values(rounds: &BTreeMap<u64, Round>) -> Option<Values> {
    if rounds.is_empty() {
        return None;
    }
    let of = |take: fn(&Round) -> f64| rounds.values().map(take).collect::<Vec<f64>>();
    let requests: f64 = of(|round| round.requests).iter().sum();
    let time: f64 = of(|round| round.mean * round.requests).iter().sum();
    let cpu: f64 = of(|round| round.cpu).iter().sum();
    let p50 = median(&of(|round| round.p50));
    let p95 = median(&of(|round| round.p95));
    Some([p50, cpu / requests, p95, time / requests])
}

/// The columns this needs, in the order of [`Columns::row`].
const NEEDED: [&str; 12] = [
    "endpoint", "design", "slow", "tail", "block", "round", "arm", "n", "cpu_ns", "mean", "p50",
    "p95",
];

/// Where the needed columns are.
struct Columns {
    places: [usize; NEEDED.len()],
    count: usize,
}

impl Columns {
    fn of(header: &str) -> Result<Self, String> {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let mut places = [0; NEEDED.len()];
        for (place, name) in places.iter_mut().zip(NEEDED) {
            *place = names
                .iter()
                .position(|candidate| *candidate == name)
                .ok_or_else(|| format!("the header has no column `{name}`"))?;
        }
        Ok(Self {
            places,
            count: names.len(),
        })
    }

    fn row(&self, line: &str) -> Result<Row, String> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != self.count {
            return Err(format!(
                "{} fields, the header has {}",
                fields.len(),
                self.count
            ));
        }
        let [
            endpoint,
            design,
            slow,
            tail,
            block,
            round,
            arm,
            requests,
            cpu,
            mean,
            p50,
            p95,
        ] = self.places.map(|place| fields[place]);
        if endpoint.is_empty() || design.is_empty() {
            return Err("`endpoint` and `design` must not be empty".to_owned());
        }
        Ok(Row {
            key: (
                endpoint.to_owned(),
                design.to_owned(),
                Effect::new(number("slow", slow)?, number("tail", tail)?),
            ),
            block: whole("block", block)?,
            arm: arm_of(arm)?,
            number: whole("round", round)?,
            round: Round {
                requests: above_zero("n", requests)?,
                cpu: not_negative("cpu_ns", cpu)?,
                mean: above_zero("mean", mean)?,
                p50: above_zero("p50", p50)?,
                p95: above_zero("p95", p95)?,
            },
        })
    }
}

fn arm_of(text: &str) -> Result<usize, String> {
    match text {
        "0" => Ok(0),
        "1" => Ok(1),
        other => Err(format!("`arm` is `{other}`, not 0 (base) or 1 (head)")),
    }
}

fn whole(column: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{column}` is `{text}`, not a whole number"))
}

fn number(column: &str, text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) | Err(_) => Err(format!("`{column}` is `{text}`, not a number")),
    }
}

fn above_zero(column: &str, text: &str) -> Result<f64, String> {
    match number(column, text)? {
        value if value > 0.0 => Ok(value),
        _ => Err(format!("`{column}` is `{text}`, and must be above zero")),
    }
}

fn not_negative(column: &str, text: &str) -> Result<f64, String> {
    match number(column, text)? {
        value if value >= 0.0 => Ok(value),
        _ => Err(format!("`{column}` is `{text}`, and must not be negative")),
    }
}

/// The true change of a metric in head, as a share: the median of the blocks' ratios over all
/// visits given. None where a number is zero.
pub(crate) fn true_change(visits: &[&Visit], metric: usize) -> Option<f64> {
    let ratios: Vec<f64> = visits
        .iter()
        .flat_map(|visit| &visit.blocks)
        .map(|block| (block.head[metric] / block.base[metric]).ln())
        .collect();
    if ratios.is_empty() {
        return None;
    }
    let change = median(&ratios).exp_m1();
    change.is_finite().then_some(change)
}

/// How many blocks a visit has on average, for the header.
pub(crate) fn mean_blocks(visits: &[Visit]) -> f64 {
    let blocks: usize = visits.iter().map(|visit| visit.blocks.len()).sum();
    real(blocks) / real(visits.len())
}
