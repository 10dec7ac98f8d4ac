//! What a container uses, read from the files of its control group: version 1, 2 or both at once.
//!
//! CPU time is the kernel's own figure. Memory is counted as `docker stats` counts it: what is in
//! use without the file pages that nobody has touched lately. Must not ask a container engine, and
//! knows no metric.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files of one control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    cpu: Files,
    memory: Files,
}

/// Where one controller has its files.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Files {
    /// Version 1: a hierarchy of its own.
    One(PathBuf),
    /// Version 2: one folder for all.
    Two(PathBuf),
}

/// What a container's memory is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// As `docker stats` counts it: `memory.current` without `inactive_file`. The kernel charges 64
    /// pages at a time on each core, so two readings of a container at rest may differ by that.
    pub used: u64,
    /// The most it ever was, page cache included: an upper bound of what it needed.
    pub peak: Option<u64>,
}

impl Cgroup {
    /// The group that a process is in now; none where its files cannot be found from here.
    pub fn of(pid: i32) -> Option<Self> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let found = Self::find(&groups, &mounts)?;
        found.cpu().is_some().then_some(found)
    }

    /// The same from the text of `/proc/PID/cgroup` and `/proc/self/mountinfo`.
    fn find(groups: &str, mounts: &str) -> Option<Self> {
        Some(Self {
            cpu: files("cpuacct", groups, mounts)?,
            memory: files("memory", groups, mounts)?,
        })
    }

    /// The CPU time that everything in it has used, ended processes included.
    pub fn cpu(&self) -> Option<Duration> {
        match &self.cpu {
            Files::One(folder) => number(&folder.join("cpuacct.usage")).map(Duration::from_nanos),
            Files::Two(folder) => {
                let stat = fs::read_to_string(folder.join("cpu.stat")).ok()?;
                value(&stat, "usage_usec").map(Duration::from_micros)
            }
        }
    }

    /// Its memory.
    pub fn memory(&self) -> Option<Memory> {
        let (folder, usage, idle, peak) = match &self.memory {
            Files::One(folder) => (
                folder,
                "memory.usage_in_bytes",
                "total_inactive_file",
                "memory.max_usage_in_bytes",
            ),
            Files::Two(folder) => (folder, "memory.current", "inactive_file", "memory.peak"),
        };
        let usage = number(&folder.join(usage))?;
        let stat = fs::read_to_string(folder.join("memory.stat")).ok()?;
        let idle = value(&stat, idle).unwrap_or(0);
        Some(Memory {
            // As Docker does where the two were read at different moments.
            used: if idle < usage { usage - idle } else { usage },
            peak: number(&folder.join(peak)),
        })
    }

    /// How many of its processes were killed because its memory was full.
    pub fn killed_for_memory(&self) -> Option<u64> {
        let (folder, name) = match &self.memory {
            Files::One(folder) => (folder, "memory.oom_control"),
            Files::Two(folder) => (folder, "memory.events"),
        };
        let text = fs::read_to_string(folder.join(name)).ok()?;
        value(&text, "oom_kill")
    }
}

/// Which version of control groups a controller of this machine has, in words.
pub fn version() -> &'static str {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let has_one = mount("cgroup", Some("memory"), &mounts).is_some();
    let has_two = mount("cgroup2", None, &mounts).is_some();
    match (has_one, has_two) {
        (true, true) => "1 and 2 (hybrid: memory and CPU time in version 1)",
        (true, false) => "1",
        (false, true) => "2",
        (false, false) => "none",
    }
}

/// Version 1 where the controller has a hierarchy of its own: then version 2 does not have it.
fn files(controller: &str, groups: &str, mounts: &str) -> Option<Files> {
    let lines = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    for (controllers, path) in lines.clone() {
        if controllers.split(',').any(|one| one == controller) {
            let mounted = mount("cgroup", Some(controller), mounts)?;
            return Some(Files::One(below(&mounted, path)));
        }
    }
    let (_, path) = lines
        .clone()
        .find(|(controllers, _)| controllers.is_empty())?;
    Some(Files::Two(below(&mount("cgroup2", None, mounts)?, path)))
}

/// Where a hierarchy is mounted, and which part of it.
#[derive(Debug)]
struct Mounted {
    root: PathBuf,
    at: PathBuf,
}

fn below(mounted: &Mounted, path: &str) -> PathBuf {
    let path = Path::new(path);
    let rest = path.strip_prefix(&mounted.root).unwrap_or(path);
    mounted.at.join(rest.strip_prefix("/").unwrap_or(rest))
}

/// A line of `mountinfo`: `35 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`.
fn mount(kind: &str, controller: Option<&str>, mounts: &str) -> Option<Mounted> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let is_kind = right.next()? == kind;
        let options = right.nth(1)?;
        let has = |controller| options.split(',').any(|one| one == controller);
        let mut left = left.split(' ').skip(3);
        let mounted = Mounted {
            root: left.next()?.into(),
            at: left.next()?.into(),
        };
        (is_kind && controller.is_none_or(has)).then_some(mounted)
    })
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number behind a key, in lines such as `inactive_file 4096`.
fn value(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(name, _)| *name == key)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
24 30 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
33 24 0:29 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 24 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 24 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_hybrid_machine_has_these_controllers_in_version_1() {
        let groups = "8:cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n";
        assert_eq!(
            Cgroup::find(groups, HYBRID),
            Some(Cgroup {
                cpu: Files::One("/sys/fs/cgroup/cpuacct/docker/abc".into()),
                memory: Files::One("/sys/fs/cgroup/memory/docker/abc".into()),
            })
        );
    }

    #[test]
    fn controllers_may_share_a_hierarchy_and_a_part_of_one_may_be_mounted() {
        let groups = "4:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n";
        let mounts = "\
33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 24 0:31 /docker /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";
        let found = Cgroup::find(groups, mounts).unwrap();
        assert_eq!(
            found.cpu,
            Files::One("/sys/fs/cgroup/cpu,cpuacct/docker/abc".into())
        );
        assert_eq!(found.memory, Files::One("/sys/fs/cgroup/memory/abc".into()));
    }

    #[test]
    fn version_2_has_one_folder() {
        let groups = "0::/system.slice/docker-abc.scope\n";
        let mounts = "28 1 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let folder = Files::Two("/sys/fs/cgroup/system.slice/docker-abc.scope".into());
        let found = Cgroup::find(groups, mounts).unwrap();
        assert_eq!((&found.cpu, &found.memory), (&folder, &folder));
    }

    #[test]
    fn reads_version_1() {
        let folder = folder(&[
            ("cpuacct.usage", "1234567890\n"),
            ("memory.usage_in_bytes", "10000\n"),
            ("memory.max_usage_in_bytes", "20000\n"),
            (
                "memory.stat",
                "cache 7\ninactive_file 1\ntotal_inactive_file 3000\n",
            ),
            (
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            ),
        ]);
        let one = Files::One(folder.path().to_owned());
        let group = Cgroup {
            cpu: one.clone(),
            memory: one,
        };
        assert_eq!(group.cpu(), Some(Duration::from_nanos(1_234_567_890)));
        let peak = Some(20_000);
        assert_eq!(group.memory(), Some(Memory { used: 7_000, peak }));
        assert_eq!(group.killed_for_memory(), Some(2));
    }

    #[test]
    fn reads_version_2_with_and_without_a_peak() {
        let folder = folder(&[
            (
                "cpu.stat",
                "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n",
            ),
            ("memory.current", "10000\n"),
            ("memory.stat", "anon 5\ninactive_file 12000\n"),
            (
                "memory.events",
                "low 0\noom 1\noom_kill 1\noom_group_kill 0\n",
            ),
        ]);
        let two = Files::Two(folder.path().to_owned());
        let group = Cgroup {
            cpu: two.clone(),
            memory: two,
        };
        assert_eq!(group.cpu(), Some(Duration::from_micros(1500)));
        // More idle than there is: read at different moments.
        let peak = None;
        assert_eq!(group.memory(), Some(Memory { used: 10_000, peak }));
        assert_eq!(group.killed_for_memory(), Some(1));
    }
}
