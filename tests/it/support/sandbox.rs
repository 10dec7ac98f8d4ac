//! The project of a test: a repository that nobody else sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::{BUILD, Finished, Running, SERVICE, needs};

/// A project in a repository of its own.
#[derive(Debug)]
pub(crate) struct Sandbox {
    folder: TempDir,
    id: String,
}

impl Sandbox {
    /// A repository without a commit.
    pub(crate) fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        needs("git", "git");
        needs("python3", "python3");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let sandbox = Self {
            folder: TempDir::with_prefix("sandbox-").expect("a temporary folder"),
            id: format!("{}-{number}", std::process::id()),
        };
        for folder in [
            sandbox.project(),
            sandbox.marks(),
            sandbox.outside("output"),
        ] {
            fs::create_dir(folder).expect("a new folder");
        }
        sandbox.git(&["init", "--quiet", "--initial-branch=main"]);
        sandbox.git(&["config", "user.name", "Ada"]);
        sandbox.git(&["config", "user.email", "ada@example.com"]);
        sandbox
    }

    /// A repository with this configuration and `service.py`, committed to `main`.
    pub(crate) fn with_service(config: &str) -> Self {
        let sandbox = Self::empty();
        sandbox.write("service.py", SERVICE);
        sandbox.write("tollgate.yml", config);
        sandbox.commit("the service");
        sandbox
    }

    /// A repository with a frontend that `build.sh` builds, committed to `main`. `keys` are more
    /// keys of the frontend, `others` more lines of the configuration.
    pub(crate) fn with_frontend(keys: &str, others: &str) -> Self {
        let sandbox = Self::empty();
        sandbox.write("build.sh", BUILD);
        sandbox.write("tollgate.yml", &frontend(keys, others));
        sandbox.commit("the frontend");
        sandbox
    }

    /// The project, which is the repository.
    pub(crate) fn project(&self) -> PathBuf {
        self.outside("project")
    }

    /// Where shell lines leave marks: `$MARKS` in their environment.
    pub(crate) fn marks(&self) -> PathBuf {
        self.outside("marks")
    }

    /// A path beside the project.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What marks every process of this sandbox.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// A path below `.tollgate/`.
    pub(crate) fn result(&self, name: &str) -> PathBuf {
        self.project().join(".tollgate").join(name)
    }

    /// Writes a file of the working tree.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.project().join(file);
        let folder = path.parent().expect("a file in a folder");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Replaces text in a file of the working tree, and panics when it is not there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.project().join(file);
        let text = fs::read_to_string(&path).expect("a file to edit");
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(path, text.replacen(from, to, 1)).expect("a file");
    }

    /// The line of a file in the working tree that starts like this, counted from 1.
    pub(crate) fn line_of(&self, file: &str, start: &str) -> usize {
        let text = fs::read_to_string(self.project().join(file)).expect("a file");
        let line = text.lines().position(|line| line.starts_with(start));
        line.expect("a line that starts like this") + 1
    }

    /// Commits the working tree to the current branch and returns the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the project and returns what it says.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self
            .command("git")
            // Where a test has given the project to another account.
            .args(["-c", "safe.directory=*"])
            .args(arguments)
            .output()
            .expect("git can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// `tollgate check` of the working tree against `main`, to its end.
    pub(crate) fn check(&self) -> Finished<'_> {
        self.run(&["check"])
    }

    /// Runs Tollgate to its end and looks what it left behind.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished<'_> {
        self.start(arguments).finish()
    }

    /// [`Self::check`] while no other test runs Tollgate.
    pub(crate) fn check_alone(&self) -> Finished<'_> {
        self.run_alone(&["check"])
    }

    /// [`Self::run`] while no other test runs Tollgate: for what needs a latency, which does not
    /// count beside much other work.
    pub(crate) fn run_alone(&self, arguments: &[&str]) -> Finished<'_> {
        self.run_alone_with(&[], arguments)
    }

    /// Both: alone, and with more variables in its environment.
    pub(crate) fn run_alone_with(
        &self,
        variables: &[(&str, &Path)],
        arguments: &[&str],
    ) -> Finished<'_> {
        let mut command = self.command(env!("CARGO_BIN_EXE_tollgate"));
        command.args(arguments).envs(variables.iter().copied());
        Running::start_alone(self, command).finish()
    }

    /// Runs Tollgate with more variables in its environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &Path)], arguments: &[&str]) -> Finished<'_> {
        let mut command = self.command(env!("CARGO_BIN_EXE_tollgate"));
        command.args(arguments).envs(variables.iter().copied());
        Running::start(self, command).finish()
    }

    /// Lets a run of Tollgate that was put together elsewhere come to its end.
    pub(crate) fn finish(&self, command: Command) -> Finished<'_> {
        Running::start(self, command).finish()
    }

    /// [`Self::check`] with no more memory than that for each process.
    pub(crate) fn check_within(&self, megabytes: u32) -> Finished<'_> {
        let mut command = self.command("sh");
        command
            .args(["-c", "ulimit -d $1 && exec \"$0\" check"])
            .arg(env!("CARGO_BIN_EXE_tollgate"))
            .arg((megabytes * 1_000).to_string());
        Running::start(self, command).finish()
    }

    /// Starts Tollgate in the project.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'_> {
        self.start_in(&self.project(), arguments)
    }

    /// Starts Tollgate in another folder.
    pub(crate) fn start_in(&self, folder: &Path, arguments: &[&str]) -> Running<'_> {
        let mut command = self.command(env!("CARGO_BIN_EXE_tollgate"));
        command.args(arguments).current_dir(folder);
        Running::start(self, command)
    }

    /// A command in the project with the environment of a test: nothing of ours, of CI or of the
    /// user's git.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let ours = ["GITHUB_", "TOLLGATE_", "GIT_AUTHOR", "GIT_COMMITTER"];
            let others = ["CI", "NO_COLOR", "GIT_DIR", "GIT_INDEX_FILE"];
            if ours.iter().any(|start| text.starts_with(start)) || others.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(self.project())
            .env("PATH", path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("MARKS", self.marks());
        command
    }
}

/// A configuration with a frontend only.
pub(crate) fn frontend(keys: &str, others: &str) -> String {
    format!(
        "project: sandbox
frontend:
  - name: web
    build: sh build.sh
    output: dist
{keys}{others}"
    )
}

/// The search path, with the folder of Python itself first: what stands in its place, as pyenv
/// does, takes longer to start than the service.
fn path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = std::env::var("PATH").unwrap_or_default();
        let asked = Command::new("python3")
            .args([
                "-c",
                "import os, sys; print(os.path.dirname(sys.executable))",
            ])
            .output()
            .expect("python3 can be run");
        let python = String::from_utf8_lossy(&asked.stdout);
        format!("{}:{path}", python.trim())
    })
}
