//! The most memory that trees of processes ever had, those included that ended meanwhile.
//!
//! What a process had is gone with it, so somebody has to look while it is there: a thread of its
//! own, and only where a target asks for it. A process that lives for less than a look, or grows
//! between the last one and its end, is seen too small.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::tree;

/// How often is looked. Touching 100 MB for the first time takes longer than that; a look at a
/// service with thirty threads takes 0.2 ms.
const EVERY: Duration = Duration::from_millis(20);

/// Looks at trees until it is dropped or asked.
#[derive(Debug)]
pub struct Peaks<K> {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeMap<K, u64>>>,
}

impl<K: Ord + Send + 'static> Peaks<K> {
    /// Looks from now on at what is below these roots; not at all where there is none.
    pub fn watch(roots: BTreeMap<K, i32>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = (!roots.is_empty()).then(|| {
            thread::spawn(move || {
                let mut most: BTreeMap<K, (i32, u64)> = roots
                    .into_iter()
                    .map(|(key, root)| (key, (root, 0)))
                    .collect();
                while !told.load(Ordering::Relaxed) {
                    for (root, peak) in most.values_mut() {
                        *peak = (*peak).max(tree::peak(*root));
                    }
                    thread::sleep(EVERY);
                }
                most.into_iter()
                    .map(|(key, (_, peak))| (key, peak))
                    .collect()
            })
        });
        Self { is_over, thread }
    }

    /// Ends it. Returns the largest sum of each tree, in bytes.
    pub fn end(mut self) -> BTreeMap<K, u64> {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        ended.and_then(Result::ok).unwrap_or_default()
    }
}

/// A block that is broken off leaves no thread.
impl<K> Drop for Peaks<K> {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_a_process_had_is_known_after_its_end() {
        // A shell waits for what needs 80 MB for a moment, and then for its own end.
        let holds =
            "python3 -c 'x = bytearray(80_000_000); import time; time.sleep(0.2)'; sleep 60";
        let mut shell = Command::new("sh")
            .args(["-c", &format!("sh -c \"{holds}\" & wait")])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let root = i32::try_from(shell.id()).unwrap();
        let peaks = Peaks::watch(BTreeMap::from([("service", root)]));
        let deadline = Instant::now() + Duration::from_secs(30);
        let sleeps = |pid: i32| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == "sleep")
        };
        while !tree::living_descendants(root).into_iter().any(sleeps) {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(10));
        }
        let left = tree::usage(root).peak;
        let most = peaks.end()["service"];
        for pid in tree::living_descendants(root) {
            tree::signal(pid, nix::sys::signal::Signal::SIGKILL);
        }
        shell.wait().unwrap();
        assert!(left < 50_000_000, "{left}");
        assert!(most > 80_000_000, "{most}");
    }

    #[test]
    fn nothing_is_looked_at_where_nothing_asks() {
        let peaks = Peaks::<&str>::watch(BTreeMap::new());
        assert!(peaks.thread.is_none());
        assert!(peaks.end().is_empty());
    }
}
