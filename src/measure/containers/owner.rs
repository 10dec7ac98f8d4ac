//! Whose a container is: labels that name the process that made it.
//!
//! A process number alone is not enough: it is given away again. With the moment the process
//! started and the boot of the machine it is unique.

use std::collections::HashMap;
use std::fmt;
use std::fs;

use nix::unistd::Pid;

/// On everything we make, with the run's name.
pub const LABEL: &str = "tollgate";
/// On everything that must not outlive its owner, with the owner.
pub const OWNER: &str = "tollgate.owner";
/// On the same, with the arm.
pub const ARM: &str = "tollgate.arm";
/// On images that were built here: they outlive the run, to be used again.
pub const BUILT: &str = "tollgate.built";

/// A process of this machine, at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    boot: String,
    /// Process numbers mean something only within one of these.
    namespace: String,
    pid: i32,
    /// When it started, in clock ticks since the boot.
    started: u64,
}

/// What became of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It still runs.
    Alive,
    /// It has ended.
    Gone,
    /// It is in another process namespace, where we cannot look.
    Unknown,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        let pid = Pid::this().as_raw();
        Self {
            boot: boot(),
            namespace: namespace(),
            pid,
            started: started(pid).unwrap_or(0),
        }
    }

    /// What a label says; none when it was not written by us.
    pub fn parse(label: &str) -> Option<Self> {
        let mut parts = label.split('/');
        let owner = Self {
            boot: parts.next()?.to_owned(),
            namespace: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }

    /// Whether it still runs.
    pub fn fate(&self) -> Fate {
        if self.boot != boot() {
            return Fate::Gone;
        }
        if self.namespace != namespace() {
            return Fate::Unknown;
        }
        match started(self.pid) {
            Some(started) if started == self.started => Fate::Alive,
            Some(_) | None => Fate::Gone,
        }
    }

    /// The labels of what this process makes in a run.
    pub fn labels(&self, run: &str, arm: &str) -> HashMap<String, String> {
        HashMap::from([
            (LABEL.to_owned(), run.to_owned()),
            (OWNER.to_owned(), self.to_string()),
            (ARM.to_owned(), arm.to_owned()),
        ])
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            boot,
            namespace,
            pid,
            started,
        } = self;
        write!(f, "{boot}/{namespace}/{pid}/{started}")
    }
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// `pid:[4026531836]`.
fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().into_owned()
}

/// When a process started; none when it has ended, reaped or not.
pub(super) fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // The start time is field 22; after the name they start at 3.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_label_is_read_back() {
        let own = Owner::this();
        assert_eq!(Owner::parse(&own.to_string()), Some(own.clone()));
        assert_eq!(own.fate(), Fate::Alive);
        for foreign in ["", "yes", "a/b/c/d", "a/b/1/2/3"] {
            assert_eq!(Owner::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_number_that_was_given_away_again_is_another_process() {
        let own = Owner::this();
        let earlier = Owner {
            started: own.started.wrapping_sub(1),
            ..own.clone()
        };
        assert_eq!(earlier.fate(), Fate::Gone);
        let boot = "another".to_owned();
        let before_the_boot = Owner {
            boot,
            ..own.clone()
        };
        assert_eq!(before_the_boot.fate(), Fate::Gone);
        let namespace = "pid:[1]".to_owned();
        let elsewhere = Owner { namespace, ..own };
        assert_eq!(elsewhere.fate(), Fate::Unknown);
    }

    #[test]
    fn a_process_that_ended_is_gone_before_it_is_reaped() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        while started(pid).is_some() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
