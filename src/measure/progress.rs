//! What the reader sees while it runs: a live line on a terminal, plain lines elsewhere.
//!
//! Writes to standard error only: standard output is data.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::arm::ArmName;
use super::block::Timed;
use crate::model::{Phase, PhaseKind};

/// Says something that belongs to no phase.
#[expect(clippy::print_stderr, reason = "talk goes to standard error")]
pub fn note(text: &str) {
    eprintln!("note: {text}");
}

/// How the p50 of head compares with that of base in the blocks so far: for who waits, and no
/// verdict.
#[derive(Debug, Default)]
pub struct SoFar {
    /// Sum of the log ratios, and how many.
    ratios: BTreeMap<String, (f64, u32)>,
}

/// Endpoints that a summary names.
const NAMED: usize = 3;

impl SoFar {
    /// Takes what was timed of one endpoint in one block.
    pub(super) fn take(&mut self, endpoint: &str, timed: &[Timed]) {
        let p50 = |name: ArmName| {
            let one = timed.iter().find(|one| one.name == name)?;
            (one.recording.good() > 0).then(|| one.recording.quantile_ms(0.5))
        };
        if let (Some(base), Some(head)) = (p50(ArmName::Base), p50(ArmName::Head)) {
            let sum = self.ratios.entry(endpoint.to_owned()).or_default();
            sum.0 += (head / base).ln();
            sum.1 += 1;
        }
    }

    fn change(sum: &(f64, u32)) -> f64 {
        (sum.0 / f64::from(sum.1)).exp_m1()
    }

    /// `+1.2 %`; none where there is nothing yet.
    pub(super) fn of(&self, endpoint: &str) -> Option<String> {
        self.ratios
            .get(endpoint)
            .map(|sum| percent(Self::change(sum)))
    }

    /// The endpoints that differ most, with how much.
    pub(super) fn summary(&self) -> Option<String> {
        let mut all: Vec<(&String, f64)> = self
            .ratios
            .iter()
            .map(|(name, sum)| (name, Self::change(sum)))
            .collect();
        all.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
        let named = all.iter().take(NAMED);
        let named: Vec<String> = named
            .map(|(name, change)| format!("{name} {}", percent(*change)))
            .collect();
        let rest = all.len().saturating_sub(NAMED);
        let others = match rest {
            0 => String::new(),
            1 => ", one other closer".to_owned(),
            rest => format!(", {rest} others closer"),
        };
        (!named.is_empty()).then(|| format!("p50 so far {}{others}", named.join(", ")))
    }
}

/// A change as the report writes it.
fn percent(change: f64) -> String {
    let sign = if change < 0.0 { '−' } else { '+' };
    format!("{sign}{:.1} %", change.abs() * 100.0)
}

/// Shows what is going on and keeps the time of every phase.
#[derive(Debug)]
pub struct Progress {
    line: Option<ProgressBar>,
    start: Instant,
    spent: Vec<(PhaseKind, Duration)>,
    current: Option<(PhaseKind, Instant)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A live line where standard error is a terminal, plain lines elsewhere.
    pub fn new() -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            line,
            start: Instant::now(),
            spent: Vec::new(),
            current: None,
        }
    }

    /// A new phase begins; the one before ends.
    pub fn phase(&mut self, kind: PhaseKind) {
        self.close();
        self.current = Some((kind, Instant::now()));
    }

    /// A step of the current phase.
    #[expect(clippy::print_stderr, reason = "talk goes to standard error")]
    pub fn step(&self, text: &str) {
        let phase = self.current.map_or("", |(kind, _)| kind.label());
        match &self.line {
            Some(line) => line.set_message(format!("{phase}: {text}")),
            None => eprintln!(
                "[{:>6.1} s] {phase}: {text}",
                self.start.elapsed().as_secs_f64()
            ),
        }
    }

    /// A step worth a line on a terminal only: plain logs would drown in these.
    pub fn tick(&self, text: &str) {
        if self.line.is_some() {
            self.step(text);
        }
    }

    /// Where the time went, in the order the phases first began.
    pub fn phases(&mut self) -> Vec<Phase> {
        self.close();
        let mut phases: Vec<Phase> = Vec::new();
        for (kind, spent) in &self.spent {
            let seconds = spent.as_secs_f64();
            match phases.iter_mut().find(|phase| phase.kind == *kind) {
                Some(phase) => phase.seconds += seconds,
                None => phases.push(Phase {
                    kind: *kind,
                    seconds,
                }),
            }
        }
        phases
    }

    fn close(&mut self) {
        if let Some((kind, since)) = self.current.take() {
            self.spent.push((kind, since.elapsed()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
