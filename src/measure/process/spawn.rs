//! Starting a supervised process, and holding on to it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, ChildStdin, Command};

use super::tree;
use crate::measure::secrets;

/// How long a supervisor may take to end its tree, grace period included.
const END_WITHIN: Duration = Duration::from_secs(8);

/// Starts processes that end with us.
#[derive(Debug, Clone)]
pub struct Supervisor {
    program: PathBuf,
}

impl Supervisor {
    /// Uses `program`, which must understand `supervise -- LINE`: normally this program itself.
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Starts `line` in `directory` with everything it says going to `log`.
    pub fn spawn(
        &self,
        line: &str,
        directory: &Path,
        environment: &BTreeMap<String, String>,
        log: &Path,
    ) -> io::Result<Supervised> {
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let output = File::options().create(true).append(true).open(log)?;
        let log_from = output.metadata()?.len();
        let mut command = Command::new(&self.program);
        for name in secrets::OURS {
            command.env_remove(name);
        }
        let mut child = command
            .args(["supervise", "--", line])
            .current_dir(directory)
            .envs(environment)
            // Git sets these for hooks; a build must not act on our repository through them.
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .env_remove("GIT_WORK_TREE")
            // What is measured must not set outputs or variables of the workflow's later steps.
            .env_remove("GITHUB_ENV")
            .env_remove("GITHUB_OUTPUT")
            .env_remove("GITHUB_PATH")
            .env_remove("GITHUB_STATE")
            .env_remove("GITHUB_STEP_SUMMARY")
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Out of the terminal's group: Ctrl-C reaches us, and we end the tree in order.
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take();
        let pid = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .ok_or_else(|| io::Error::other("the supervisor ended at once"))?;
        Ok(Supervised {
            child,
            pipe,
            pid,
            log: log.to_owned(),
            log_from,
        })
    }
}

/// A supervised process tree. Dropping it closes the pipe, which ends the tree.
#[derive(Debug)]
pub struct Supervised {
    child: Child,
    pipe: Option<ChildStdin>,
    pid: i32,
    log: PathBuf,
    /// Where in it the output of this start begins: an earlier one's may stand before.
    log_from: u64,
}

impl Supervised {
    /// Waits for the line to end by itself.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends the tree and waits until it is gone.
    pub async fn end(mut self) {
        drop(self.pipe.take());
        if tokio::time::timeout(END_WITHIN, self.child.wait())
            .await
            .is_err()
        {
            for pid in tree::living_descendants(self.pid) {
                tree::signal(pid, Signal::SIGKILL);
            }
            let _killed = self.child.kill().await;
        }
    }

    /// Stops every process of the tree where it stands.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets every process of the tree go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        for pid in tree::living_descendants(self.pid) {
            tree::signal(pid, signal);
        }
    }

    /// Lets the tree run on these cores only.
    pub fn pin(&self, cores: &[usize]) {
        tree::pin(self.pid, cores);
    }

    /// What the tree uses now.
    pub fn usage(&self) -> tree::Usage {
        tree::usage(self.pid)
    }

    /// The CPU time the tree has used.
    pub fn cpu(&self) -> Duration {
        tree::cpu_of_tree(self.pid)
    }

    /// The supervisor: the process is below it.
    pub fn root(&self) -> i32 {
        self.pid
    }

    /// Everything it wrote since it was started.
    pub fn written(&self) -> String {
        let mut bytes = Vec::new();
        let _unreadable = File::open(&self.log).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.log_from))?;
            file.read_to_end(&mut bytes)
        });
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The last lines of a log, for an error message.
pub fn last_lines(log: &Path, count: usize) -> Vec<String> {
    let bytes = fs::read(log).unwrap_or_default();
    last_of(&String::from_utf8_lossy(&bytes), count)
}

/// The last lines of a text that say something.
pub fn last_of(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(count);
    lines[from..]
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}
