//! What the reader sees while it runs: a live line on a terminal, plain lines elsewhere.
//!
//! Writes to standard error only: standard output is data.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::model::{Phase, PhaseKind};

/// Says something that belongs to no phase.
#[expect(clippy::print_stderr, reason = "talk goes to standard error")]
pub fn note(text: &str) {
    eprintln!("note: {text}");
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
