//! Tollgate while it runs.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{Finished, Sandbox, leftovers};

/// Longest time any run of this suite may take.
const LONGEST: Duration = Duration::from_secs(300);
/// How long the processes of a killed run may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How often is looked.
const POLL: Duration = Duration::from_millis(20);

/// A run of Tollgate. Killed when it is dropped before its end.
#[derive(Debug)]
pub(crate) struct Running<'s> {
    sandbox: &'s Sandbox,
    child: Child,
    repository: Option<leftovers::Repository>,
    started: Instant,
    _turn: Turn,
}

/// Held while a run takes its time: by many, or by one that wants to be alone.
static TURNS: RwLock<()> = RwLock::new(());

#[derive(Debug)]
enum Turn {
    Shared(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>),
}

impl<'s> Running<'s> {
    pub(super) fn start(sandbox: &'s Sandbox, command: Command) -> Self {
        // A test that failed meanwhile is no reason for the others to fail.
        let turn = TURNS.read().unwrap_or_else(PoisonError::into_inner);
        Self::start_in_turn(sandbox, command, Turn::Shared(turn))
    }

    /// Waits until no other run is under way, and lets none start before it has ended.
    pub(super) fn start_alone(sandbox: &'s Sandbox, command: Command) -> Self {
        let turn = TURNS.write().unwrap_or_else(PoisonError::into_inner);
        Self::start_in_turn(sandbox, command, Turn::Alone(turn))
    }

    fn start_in_turn(sandbox: &'s Sandbox, mut command: Command, turn: Turn) -> Self {
        let repository = leftovers::Repository::of(sandbox);
        let file = |name: &str| File::create(sandbox.outside(name)).expect("an output file");
        let child = command
            .env("TOLLGATE_TEST_ID", sandbox.id())
            .stdin(Stdio::null())
            .stdout(file("output/stdout"))
            .stderr(file("output/stderr"))
            // A terminal sends Ctrl-C to a group of its own as well.
            .process_group(0)
            .spawn()
            .expect("the program can be run");
        Self {
            sandbox,
            child,
            repository,
            started: Instant::now(),
            _turn: turn,
        }
    }

    /// Waits until a shell line has left this mark.
    pub(crate) fn until_mark(mut self, name: &str) -> Self {
        let mark = self.sandbox.marks().join(name);
        self.wait_until(&format!("the mark `{name}`"), || mark.exists());
        self
    }

    /// Waits until it has said this on standard error.
    pub(crate) fn until_it_says(mut self, text: &str) -> Self {
        let path = self.output("stderr");
        self.wait_until(&format!("`{text}`"), || {
            fs::read_to_string(&path).is_ok_and(|said| said.contains(text))
        });
        self
    }

    /// Waits a little more, to be in the middle of something.
    pub(crate) fn and_then(self, length: Duration) -> Self {
        thread::sleep(length);
        self
    }

    /// Does what a terminal does at Ctrl-C: the whole group gets SIGINT.
    pub(crate) fn press_ctrl_c(self) -> Self {
        killpg(self.pid(), Signal::SIGINT).expect("it runs");
        self
    }

    /// Sends a signal to Tollgate alone.
    pub(crate) fn send(self, signal: Signal) -> Self {
        kill(self.pid(), signal).expect("it runs");
        self
    }

    /// Waits for the end; then no process, worktree or folder of it may be left.
    pub(crate) fn finish(mut self) -> Finished<'s> {
        let status = self.wait();
        let finished = self.finished(status);
        let left = leftovers::processes(self.sandbox.id());
        assert!(left.is_empty(), "processes are left: {left:#?}\n{finished}");
        let left = leftovers::files(self.sandbox, self.child.id());
        assert!(left.is_empty(), "this is left: {left:#?}\n{finished}");
        if let Some(before) = &self.repository {
            let after = leftovers::Repository::of(self.sandbox);
            assert_eq!(Some(before), after.as_ref(), "the repository has changed");
        }
        finished
    }

    /// Waits until a run that could not clean up, because it was killed, has at least no process
    /// left.
    pub(crate) fn finish_killed(mut self) -> Finished<'s> {
        let status = self.wait();
        let finished = self.finished(status);
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let left = leftovers::processes(self.sandbox.id());
            if left.is_empty() {
                return finished;
            }
            assert!(
                Instant::now() < deadline,
                "processes are left after {} s: {left:#?}\n{finished}",
                GONE_WITHIN.as_secs()
            );
            thread::sleep(POLL);
        }
    }

    /// The processes it has started that still run, itself left out.
    pub(crate) fn processes(&self) -> Vec<String> {
        let own = format!("{} ", self.child.id());
        let mut all = leftovers::processes(self.sandbox.id());
        all.retain(|process| !process.starts_with(&own));
        all
    }

    /// Those of its processes that are stopped where they stand.
    pub(crate) fn frozen(&self) -> Vec<String> {
        let is_stopped = |process: &String| {
            let pid = process.split(' ').next().unwrap_or_default();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ");
            state.is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        self.processes().into_iter().filter(is_stopped).collect()
    }

    /// The number of its process.
    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process number"))
    }

    fn output(&self, name: &str) -> PathBuf {
        self.sandbox.outside("output").join(name)
    }

    fn wait_until(&mut self, what: &str, happened: impl Fn() -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !happened() {
            let ended = self.child.try_wait().expect("its status");
            let said = || fs::read_to_string(self.output("stderr")).unwrap_or_default();
            assert!(ended.is_none(), "it ended before {what}:\n{}", said());
            assert!(Instant::now() < deadline, "no {what}:\n{}", said());
            thread::sleep(POLL);
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LONGEST;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            if Instant::now() > deadline {
                let said = fs::read_to_string(self.output("stderr")).unwrap_or_default();
                panic!("it does not end within {} s:\n{said}", LONGEST.as_secs());
            }
            thread::sleep(POLL);
        }
    }

    fn finished(&self, status: ExitStatus) -> Finished<'s> {
        let read = |name: &str| fs::read_to_string(self.output(name)).expect("its output");
        let (stdout, stderr) = (read("stdout"), read("stderr"));
        let took = self.started.elapsed();
        Finished::new(self.sandbox, status, self.child.id(), stdout, stderr, took)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
