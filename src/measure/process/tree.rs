//! A process and its descendants, read from `/proc`: who they are, what they use.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// What a tree of processes uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since each process started, and that of children it has waited for.
    pub cpu: Duration,
    /// Resident memory in bytes; pages the processes share are counted once.
    pub resident: u64,
    /// Highest resident memory in bytes, summed over the processes that run. Of one that has ended
    /// nothing is known here: see [`super::peak`].
    pub peak: u64,
}

/// Every process below `root` that still runs, without `root` itself.
pub fn living_descendants(root: i32) -> Vec<i32> {
    Family::now().below(root)
}

/// Whose child every process is at one moment: one look at `/proc` for several trees.
#[derive(Debug)]
pub struct Family {
    children: HashMap<i32, Vec<Child>>,
}

impl Family {
    /// Looks now.
    pub fn now() -> Self {
        Self {
            children: children_by_parent(),
        }
    }

    /// Every process below `root` that still runs, without `root` itself.
    pub fn below(&self, root: i32) -> Vec<i32> {
        let mut found = Vec::new();
        let mut open = vec![root];
        while let Some(pid) = open.pop() {
            for child in self.children.get(&pid).into_iter().flatten() {
                open.push(child.pid);
                if !child.is_dead {
                    found.push(child.pid);
                }
            }
        }
        found
    }
}

/// Sends a signal; a process that is gone already is no error.
pub fn signal(pid: i32, signal: Signal) {
    let _gone = kill(Pid::from_raw(pid), signal);
}

/// Lets every thread of the processes below `root` run on these cores only. Threads started
/// later inherit it. A thread that is gone already, or a core we may not use, is no error.
pub fn pin(root: i32, cores: &[usize]) {
    let Some(set) = cpu_set(cores) else {
        return;
    };
    for pid in living_descendants(root) {
        for thread in threads(pid) {
            let _refused = sched_setaffinity(Pid::from_raw(thread), &set);
        }
    }
}

/// Lets the calling thread run on these cores only.
pub fn pin_self(cores: &[usize]) {
    if let Some(set) = cpu_set(cores) {
        let _refused = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// The cores the calling thread may run on.
pub fn own_cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else {
        return Vec::new();
    };
    (0..CpuSet::count())
        .filter(|core| set.is_set(*core).unwrap_or(false))
        .collect()
}

fn cpu_set(cores: &[usize]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core).ok()?;
    }
    (!cores.is_empty()).then_some(set)
}

/// The threads of a process.
pub fn threads(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// What the processes below `root` use together.
pub fn usage(root: i32) -> Usage {
    living_descendants(root)
        .into_iter()
        .fold(Usage::default(), |sum, pid| {
            let (resident, peak) = memory(pid);
            Usage {
                cpu: sum.cpu + cpu(pid),
                resident: sum.resident + resident,
                peak: sum.peak + peak,
            }
        })
}

/// Who is below a process, and what tells of those that were there and are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    pids: BTreeSet<i32>,
    /// Page faults of processes that ended and were waited for: none ends without one.
    faults_of_ended: u64,
    /// CPU time of those that run, and of those they have waited for.
    pub cpu: Duration,
}

impl Census {
    /// Whether a process has ended since `earlier`, however short it was there.
    pub fn has_lost_one_of(&self, earlier: &Self) -> bool {
        self.faults_of_ended > earlier.faults_of_ended || !earlier.pids.is_subset(&self.pids)
    }
}

/// The processes below `root` at this moment.
pub fn census(root: i32) -> Census {
    let pids: BTreeSet<i32> = living_descendants(root).into_iter().collect();
    Census {
        faults_of_ended: pids.iter().filter_map(|pid| faults_of_ended(*pid)).sum(),
        cpu: pids.iter().map(|pid| cpu(*pid)).sum(),
        pids,
    }
}

/// Page faults of the children that a process has waited for, and of those that these waited for.
fn faults_of_ended(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // cminflt and cmajflt are fields 11 and 13; the fields after the name start at 3.
    let mut fields = after_name(&stat)?.split_ascii_whitespace().skip(8);
    let minor: u64 = fields.next()?.parse().ok()?;
    let major: u64 = fields.nth(1)?.parse().ok()?;
    Some(minor + major)
}

/// Highest resident memory in bytes of the processes below `root`, summed: without looking at any
/// other process of the machine where the kernel can be asked for children.
pub fn peak(root: i32) -> u64 {
    let mut sum = 0;
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        let Some(children) = children_of(pid) else {
            return living_descendants(root).into_iter().map(peak_of).sum();
        };
        sum += children.iter().map(|child| peak_of(*child)).sum::<u64>();
        open.extend(children);
    }
    sum
}

/// The children of a process, by whichever thread; none where the kernel does not say.
fn children_of(pid: i32) -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for thread in threads(pid) {
        match fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")) {
            Ok(text) => children.extend(
                text.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            ),
            // A thread that has ended meanwhile, or a kernel without this file.
            Err(_) if fs::exists(format!("/proc/{pid}/task/{thread}")).unwrap_or(false) => {
                return None;
            }
            Err(_) => {}
        }
    }
    Some(children)
}

fn peak_of(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status
        .ok()
        .and_then(|text| bytes_of(&text, "VmHWM:"))
        .unwrap_or(0)
}

/// CPU time only: cheaper than [`usage`], for reading around a slice.
pub fn cpu_of_tree(root: i32) -> Duration {
    living_descendants(root).into_iter().map(cpu).sum()
}

/// Whether a thread of the processes below `root` runs, waits for a core or waits for a disk at
/// this moment.
pub fn is_busy(root: i32) -> bool {
    let is_busy = |pid: i32, thread: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat"));
        let stat = stat.unwrap_or_default();
        let state = after_name(&stat).and_then(|rest| rest.split_ascii_whitespace().next());
        matches!(state, Some("R" | "D"))
    };
    living_descendants(root)
        .into_iter()
        .any(|pid| threads(pid).into_iter().any(|thread| is_busy(pid, thread)))
}

/// CPU time of one process to the nanosecond, and of its waited-for children to the clock tick.
pub fn cpu(pid: i32) -> Duration {
    let own = clock_getcpuclockid(Pid::from_raw(pid))
        .and_then(ClockId::now)
        .map_or(Duration::ZERO, Duration::from);
    own + waited_for_children(pid).unwrap_or_default()
}

fn waited_for_children(pid: i32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // cutime and cstime are fields 16 and 17; the fields after the name start at 3.
    let mut fields = after_name(&stat)?.split_ascii_whitespace().skip(13);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks = sysconf(SysconfVar::CLK_TCK).ok()??;
    let per_second = u64::try_from(ticks).ok()?;
    Some(Duration::from_millis((user + system) * 1000 / per_second))
}

/// Resident and peak resident bytes. Resident is the proportional set size where the kernel
/// tells it: a database's processes share their buffers, and would count them once each.
fn memory(pid: i32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let resident = bytes_of(&rollup, "Pss:").or_else(|| bytes_of(&status, "VmRSS:"));
    let peak = bytes_of(&status, "VmHWM:");
    (resident.unwrap_or(0), peak.unwrap_or(0))
}

/// The value of a line such as `VmRSS:  1234 kB`.
fn bytes_of(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[derive(Debug)]
struct Child {
    pid: i32,
    is_dead: bool,
}

fn children_by_parent() -> HashMap<i32, Vec<Child>> {
    let mut children: HashMap<i32, Vec<Child>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some((parent, is_dead)) = parent_of(pid) {
            children
                .entry(parent)
                .or_default()
                .push(Child { pid, is_dead });
        }
    }
    children
}

/// The parent of a process, and whether the process is dead but not reaped.
fn parent_of(pid: i32) -> Option<(i32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = after_name(&stat)?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some((parent, matches!(state, "Z" | "X")))
}

/// The part of a stat line after the command name, which may itself hold spaces and brackets.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    #[test]
    fn finds_a_child_and_what_it_uses() {
        let mut child = Command::new("sleep")
            .arg("30")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let own = Pid::this().as_raw();
        assert!(living_descendants(own).contains(&pid));
        assert!(memory(pid).0 > 0);
        signal(pid, Signal::SIGKILL);
        child.wait().unwrap();
        assert!(!living_descendants(own).contains(&pid));
    }

    #[test]
    fn knows_who_works() {
        let run = |program: &str, argument: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "\"$0\" \"$1\" & wait", program, argument]);
            command.stdout(Stdio::null()).spawn().unwrap()
        };
        for (program, argument, works) in [("sleep", "30", false), ("yes", "", true)] {
            let mut shell = run(program, argument);
            let root = i32::try_from(shell.id()).unwrap();
            while living_descendants(root).is_empty() {
                std::thread::yield_now();
            }
            let child = living_descendants(root)[0];
            // What was just started is still loading its program.
            let mut seen = is_busy(root);
            for _ in 0..5000 {
                if seen == works {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
                seen = is_busy(root);
            }
            signal(child, Signal::SIGKILL);
            shell.wait().unwrap();
            assert_eq!(seen, works, "{program}");
        }
    }

    #[test]
    fn knows_that_a_process_was_there() {
        let line = "read _; sleep 0.2; read _; exit";
        let mut shell = Command::new("sh")
            .args(["-c", line])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let own = Pid::this().as_raw();
        let root = i32::try_from(shell.id()).unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        // The shell itself has no child that ended, and does not lose one by waiting.
        let before = census_of(root);
        assert!(!census_of(root).has_lost_one_of(&before));
        assert!(peak(own) > 0);
        writeln!(stdin, "go").unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !census_of(root).has_lost_one_of(&before) {
            assert!(Instant::now() < deadline, "{before:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(stdin);
        shell.wait().unwrap();
        let now = Census::default();
        assert!(now.has_lost_one_of(&before), "the shell itself has ended");
    }

    /// Of one process alone: other tests have children of their own.
    fn census_of(pid: i32) -> Census {
        Census {
            pids: BTreeSet::from([pid]),
            faults_of_ended: faults_of_ended(pid).unwrap(),
            cpu: cpu(pid),
        }
    }

    #[test]
    fn counts_cpu_time_finer_than_a_clock_tick() {
        let own = Pid::this().as_raw();
        let before = cpu(own);
        let mut sum = 0_u64;
        while cpu(own) - before < Duration::from_micros(500) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu(own) - before < Duration::from_millis(10));
    }
}
