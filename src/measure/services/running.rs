//! A service that runs: a process or a container, which the stack treats alike.

use std::time::Duration;

use crate::measure::containers;
use crate::measure::containers::running::End;
use crate::measure::process::Supervised;
use crate::measure::process::spawn::last_of;
use crate::measure::process::supervise::describe;
use crate::measure::process::tree::Usage;

/// A service of ours that was started.
#[derive(Debug)]
pub(super) enum Running {
    /// A process.
    Process(Supervised),
    /// A container.
    Container(containers::Running),
}

impl Running {
    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<End> {
        match self {
            Self::Process(process) => process.ended().map(|status| End::Status {
                what: describe(status),
                success: status.success(),
            }),
            Self::Container(container) => container.ended(),
        }
    }

    /// The last lines it wrote since it was started.
    pub(super) fn last_lines(&self, count: usize) -> Vec<String> {
        match self {
            Self::Process(process) => last_of(&process.written(), count),
            Self::Container(container) => container.last_lines(count),
        }
    }

    /// Everything it wrote since it was started: a line of an earlier process says nothing of this
    /// one.
    pub(super) async fn log(&self) -> String {
        match self {
            Self::Process(process) => process.written(),
            Self::Container(container) => container.log().await,
        }
    }

    /// Stops every process of it where it stands.
    pub(super) fn freeze(&self) {
        match self {
            Self::Process(process) => process.freeze(),
            Self::Container(container) => container.freeze(),
        }
    }

    /// Lets every process of it go on.
    pub(super) fn thaw(&self) {
        match self {
            Self::Process(process) => process.thaw(),
            Self::Container(container) => container.thaw(),
        }
    }

    /// Lets it run on these cores only.
    pub(super) fn pin(&self, cores: &[usize]) {
        match self {
            Self::Process(process) => process.pin(cores),
            Self::Container(container) => container.pin(cores),
        }
    }

    /// Remembers which processes there are, where what ends is asked for later.
    pub(super) fn remember_processes(&mut self) {
        match self {
            Self::Process(_) => {}
            Self::Container(container) => container.remember_processes(),
        }
    }

    /// Whether the kernel keeps the most memory that all its processes ever had together.
    pub(super) fn keeps_peak(&self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Container(container) => container.keeps_peak(),
        }
    }

    /// What it uses now; nothing of what cannot be seen from here.
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Process(process) => Some(process.usage()),
            Self::Container(container) => container.usage(),
        }
    }

    /// The CPU time it has used; none where that cannot be seen from here.
    pub(super) fn cpu(&self) -> Option<Duration> {
        match self {
            Self::Process(process) => Some(process.cpu()),
            Self::Container(container) => container.cpu(),
        }
    }

    /// The process whose descendants are its processes; none where they cannot be seen from here.
    pub(super) fn root(&self) -> Option<i32> {
        match self {
            Self::Process(process) => Some(process.root()),
            Self::Container(container) => container.root(),
        }
    }

    /// Whether its processes run where we cannot look.
    pub(super) fn is_elsewhere(&self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Container(container) => container.is_elsewhere(),
        }
    }
}
