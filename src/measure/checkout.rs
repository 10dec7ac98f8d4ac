//! Base and head as two git worktrees, side by side and gone afterwards.
//!
//! Must not change anything of the user's: no branch, no index, no file outside `.tollgate/`.
//! A working tree is measured through a snapshot made with an index of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::model::Revision;
use crate::model::evidence::ChangedLines;

/// The folder of ours in the measured project.
pub const HOME: &str = ".tollgate";

/// What base is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The merge base of head with the default branch.
    MergeBase,
    /// The merge base of head with that branch, as it is at `origin` or here.
    MergeBaseWith(String),
    /// A revision.
    Revision(String),
    /// A revision that nobody named, and what it is.
    Known {
        /// Which.
        revision: String,
        /// In words.
        label: &'static str,
    },
}

/// What head is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// The files as they are, committed or not.
    WorkingTree,
    /// A revision.
    Revision(String),
    /// Base with this patch.
    Patch(PathBuf),
}

/// What went wrong with git.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Git is missing.
    #[error("`git` could not be run: {0}")]
    NoGit(std::io::Error),
    /// The project is not in a repository.
    #[error("`{}` is not inside a git repository", .0.display())]
    NotARepository(PathBuf),
    /// A revision does not exist.
    #[error("`{revision}` is not a revision of this repository{}", shallow_note(*.shallow))]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Whether the clone is shallow.
        shallow: bool,
    },
    /// There is no such branch to find a merge base with.
    #[error("no merge base with {branch} was found{}", shallow_note(*.shallow))]
    NoMergeBase {
        /// Which.
        branch: String,
        /// Whether the clone is shallow.
        shallow: bool,
    },
    /// A patch does not apply.
    #[error("`{}` does not apply to base `{base}`:\n{why}", patch.display())]
    Patch {
        /// The patch.
        patch: PathBuf,
        /// Base in short.
        base: String,
        /// What git says.
        why: String,
    },
    /// A patch cannot be read.
    #[error("the patch `{}` cannot be read: {source}", path.display())]
    NoPatch {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Git failed otherwise.
    #[error("`git {command}` failed: {why}")]
    Git {
        /// What was run.
        command: String,
        /// What git says.
        why: String,
    },
    /// A file of ours could not be written.
    #[error("`{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn shallow_note(shallow: bool) -> &'static str {
    if shallow {
        " (this clone is shallow)"
    } else {
        ""
    }
}

/// A repository and where the project lies in it.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The project: the folder of the configuration.
    project: PathBuf,
    /// Path of the project below the top level of the repository.
    prefix: PathBuf,
}

impl Repository {
    /// Finds the repository `project` lies in.
    pub fn of(project: &Path) -> Result<Self, CheckoutError> {
        let output = git_output(project, &["rev-parse", "--show-prefix"], &[])?;
        if !output.status.success() {
            return Err(CheckoutError::NotARepository(project.to_owned()));
        }
        Ok(Self {
            project: project.to_owned(),
            prefix: PathBuf::from(text(&output.stdout)),
        })
    }

    /// Resolves what base is into a commit and a name for it.
    pub fn base(&self, base: &Base, head: &Head) -> Result<(String, String), CheckoutError> {
        match base {
            Base::Revision(revision) => Ok((self.commit(revision)?, revision.clone())),
            Base::Known { revision, label } => Ok((self.commit(revision)?, (*label).to_owned())),
            Base::MergeBase => {
                let branches = self.default_branches();
                self.merge_base(head, &branches, "the default branch")
            }
            Base::MergeBaseWith(branch) => {
                let branches = [format!("origin/{branch}"), branch.clone()];
                self.merge_base(head, &branches, &format!("`{branch}`"))
            }
        }
    }

    /// The merge base of head with the first of the branches that is there.
    fn merge_base(
        &self,
        head: &Head,
        branches: &[String],
        name: &str,
    ) -> Result<(String, String), CheckoutError> {
        let commit = match head {
            Head::Revision(revision) => self.commit(revision)?,
            Head::WorkingTree | Head::Patch(_) => self.commit("HEAD")?,
        };
        for branch in branches {
            if let Ok(base) = self.git(&["merge-base", "--", branch, &commit]) {
                return Ok((base, format!("merge base with {branch}")));
            }
        }
        Err(CheckoutError::NoMergeBase {
            branch: name.to_owned(),
            shallow: self.is_shallow(),
        })
    }

    /// Whether that commit is here.
    pub fn has(&self, commit: &str) -> bool {
        self.commit(commit).is_ok()
    }

    /// Names the default branch may have, most reliable first.
    fn default_branches(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Ok(name) = self.git(&["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]) {
            names.push(name);
        }
        names.extend(["origin/main", "origin/master", "main", "master"].map(str::to_owned));
        names
    }

    /// The ancestors of a commit, nearest first, itself included.
    pub fn ancestors(&self, commit: &str) -> Result<Vec<String>, CheckoutError> {
        let list = self.git(&["rev-list", "--first-parent", "--max-count=5000", commit])?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// What the history of `to` has and that of `from` has not.
    pub fn since(&self, from: &str, to: &str) -> Result<NewCommits, CheckoutError> {
        let range = format!("{from}..{to}");
        let all = self.git(&["rev-list", "--parents", "--end-of-options", &range])?;
        let subjects = self.git(&[
            "log",
            "--first-parent",
            "--no-show-signature",
            "--format=%s",
            "--end-of-options",
            &range,
        ])?;
        // Each commit and its parents, the newest of all first.
        let all: Vec<(&str, Vec<&str>)> = all
            .lines()
            .filter_map(|line| {
                let mut hashes = line.split(' ');
                Some((hashes.next()?, hashes.collect()))
            })
            .collect();
        let parents: BTreeMap<&str, &[&str]> = all
            .iter()
            .map(|(commit, parents)| (*commit, parents.as_slice()))
            .collect();
        let mut tips: BTreeSet<&str> = parents
            .values()
            .flat_map(|parents| parents.iter().skip(1).copied())
            .filter(|commit| parents.contains_key(commit))
            .collect();
        let mut at = all.first().map(|(commit, _)| *commit);
        while let Some((commit, parents)) = at.and_then(|commit| parents.get_key_value(commit)) {
            tips.insert(*commit);
            at = parents.first().copied();
        }
        Ok(NewCommits {
            all: all.iter().map(|(commit, _)| (*commit).to_owned()).collect(),
            tips: tips.into_iter().map(str::to_owned).collect(),
            subjects: subjects.lines().map(str::to_owned).collect(),
        })
    }

    /// Whether a commit is in the history of another; one that is not here is not.
    pub fn is_ancestor(&self, commit: &str, of: &str) -> bool {
        self.has(commit)
            && self
                .git(&["merge-base", "--is-ancestor", commit, of])
                .is_ok()
    }

    /// The newest commit of a branch, as it is at `origin` or here.
    pub fn branch(&self, name: &str) -> Option<String> {
        let names = [
            format!("refs/remotes/origin/{name}"),
            format!("refs/heads/{name}"),
        ];
        names.iter().find_map(|name| self.commit(name).ok())
    }

    /// A file at the top of the repository, as a commit has it; none where it has no such file.
    pub fn file(
        &self,
        commit: &str,
        file: &str,
        largest: u64,
    ) -> Result<Option<Vec<u8>>, CheckoutError> {
        let object = format!("{commit}:{file}");
        let Ok(object) = self.git(&["rev-parse", "--verify", "--quiet", &object]) else {
            return Ok(None);
        };
        let size = self.git(&["cat-file", "-s", &object])?;
        let failed = |why: String| CheckoutError::Git {
            command: format!("cat-file blob {object}"),
            why,
        };
        if size.parse().is_ok_and(|size: u64| size > largest) {
            return Err(failed(format!("`{file}` has {size} bytes")));
        }
        let output = git_output(&self.project, &["cat-file", "blob", &object], &[])?;
        if !output.status.success() {
            return Err(failed(text(&output.stderr)));
        }
        Ok(Some(output.stdout))
    }

    /// Files that differ between base and head, relative to the top of the repository; none are
    /// known of a patch.
    pub fn changed_files(&self, base: &Base, head: &Head) -> Result<Vec<String>, CheckoutError> {
        let (base, _) = self.base(base, head)?;
        let mut questions: Vec<Vec<&str>> = Vec::new();
        let difference = ["diff", "--name-only", "--no-renames", "-z", &base];
        match head {
            Head::Patch(_) => return Ok(Vec::new()),
            Head::Revision(revision) => {
                questions.push([&difference[..], &[revision, "--", ":/"]].concat());
            }
            Head::WorkingTree => {
                questions.push([&difference[..], &["--", ":/"]].concat());
                let others = ["ls-files", "--others", "--exclude-standard", "--full-name"];
                questions.push([&others[..], &["-z", "--", ":/"]].concat());
            }
        }
        let mut files = Vec::new();
        for question in &questions {
            let answer = self.git(question)?;
            let named = answer.split('\0').filter(|file| !file.is_empty());
            files.extend(named.map(str::to_owned));
        }
        Ok(files)
    }

    /// The top of the repository that has the project at this place.
    fn top_of(&self, project: &Path) -> PathBuf {
        let depth = self.prefix.components().count();
        let top = project.ancestors().nth(depth);
        top.unwrap_or(project).to_owned()
    }

    /// A file of the project as git names it.
    pub fn named(&self, file: &str) -> String {
        normal(&self.prefix.join(file))
    }

    fn commit(&self, revision: &str) -> Result<String, CheckoutError> {
        let wanted = format!("{revision}^{{commit}}");
        self.git(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ])
        .map_err(|_| CheckoutError::UnknownRevision {
            revision: revision.to_owned(),
            shallow: self.is_shallow(),
        })
    }

    /// Whether this clone lacks older commits.
    pub fn is_shallow(&self) -> bool {
        self.git(&["rev-parse", "--is-shallow-repository"])
            .is_ok_and(|answer| answer == "true")
    }

    fn git(&self, arguments: &[&str]) -> Result<String, CheckoutError> {
        git(&self.project, arguments, &[])
    }

    /// What git answers with a zero byte behind every path, as the bytes that they are.
    fn paths(&self, arguments: &[&str]) -> Result<Vec<Vec<u8>>, CheckoutError> {
        let output = git_output(&self.project, arguments, &[])?;
        if !output.status.success() {
            return Err(CheckoutError::Git {
                command: arguments.join(" "),
                why: text(&output.stderr),
            });
        }
        let paths = output.stdout.split(|byte| *byte == 0);
        Ok(paths
            .filter(|path| !path.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// A commit of the working tree as it is, made without touching branch or index.
    fn snapshot(&self, scratch: &Path) -> Result<String, CheckoutError> {
        let top = PathBuf::from(self.git(&["rev-parse", "--show-toplevel"])?);
        self.commit_of_everything(&top, &scratch.join("snapshot.index"), "working tree")
    }

    /// Commits every file of the worktree at `top` that git does not ignore, to no branch.
    fn commit_of_everything(
        &self,
        top: &Path,
        index: &Path,
        message: &str,
    ) -> Result<String, CheckoutError> {
        let own_index = [("GIT_INDEX_FILE", index.to_string_lossy().into_owned())];
        git(top, &["read-tree", "HEAD"], &own_index)?;
        git(top, &["add", "--all", "."], &own_index)?;
        let tree = git(top, &["write-tree"], &own_index)?;
        let identity = [
            ("GIT_AUTHOR_NAME", "tollgate".to_owned()),
            ("GIT_AUTHOR_EMAIL", "tollgate@localhost".to_owned()),
            ("GIT_COMMITTER_NAME", "tollgate".to_owned()),
            ("GIT_COMMITTER_EMAIL", "tollgate@localhost".to_owned()),
        ];
        git(
            top,
            &["commit-tree", &tree, "-p", "HEAD", "-m", message],
            &identity,
        )
    }
}

/// What was added to a branch.
#[derive(Debug)]
pub struct NewCommits {
    /// Every commit, those of merged branches too.
    pub all: Vec<String>,
    /// Of these, the ones of the branch itself, and the newest of everything that was merged.
    pub tips: Vec<String>,
    /// The first lines of the commits of the branch itself.
    pub subjects: Vec<String>,
}

/// One checked-out arm.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The project in this arm.
    pub project: PathBuf,
    /// The commit that is checked out: for a snapshot or a patch, one of ours.
    checked_out: String,
    /// Whether it is a snapshot of the user's files as they are.
    is_snapshot: bool,
    /// What it is.
    pub revision: Revision,
}

/// Both arms, removed when this is dropped.
#[derive(Debug)]
pub struct Checkout {
    repository: Repository,
    /// Folder of this run below `.tollgate/`.
    work: PathBuf,
    /// Folder for the data of services: short, and open to accounts services may drop to.
    data: PathBuf,
    /// The base arm.
    pub base: Tree,
    /// The head arm.
    pub head: Tree,
}

impl Checkout {
    /// Checks out both arms. What a killed run left behind is removed first.
    pub fn create(
        repository: &Repository,
        base: &Base,
        head: &Head,
    ) -> Result<Self, CheckoutError> {
        let (commit, label) = repository.base(base, head)?;
        let home = home(&repository.project)?;
        remove_leftovers(repository, &home);
        let id = std::process::id().to_string();
        let work = home.join("work").join(&id);
        let data = data_folder(&work, &id);
        make_folder(&work)?;
        make_folder(&data)?;
        let unfinished = Unfinished {
            repository,
            work: &work,
            data: &data,
        };
        let base_tree = unfinished.check_out("base", &commit, |tree| Revision {
            commit: commit.clone(),
            tree,
            label,
        })?;
        let head_tree = unfinished.check_out_head(head, &base_tree)?;
        std::mem::forget(unfinished);
        Ok(Self {
            repository: repository.clone(),
            work,
            data,
            base: base_tree,
            head: head_tree,
        })
    }

    /// Folder of this run for logs and temporary files; gone afterwards.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Folder for the data of services; gone afterwards.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The hash of a folder or file of an arm, as git knows it. None when it is not there.
    pub fn tree_hash(&self, tree: &Tree, path: &Path) -> Option<String> {
        let below = normal(&self.repository.prefix.join(path));
        let object = format!("{}:{below}", tree.checked_out);
        self.repository
            .git(&["rev-parse", "--verify", "--quiet", &object])
            .ok()
    }

    /// What git knows of paths of an arm, relative to the top of the repository: mode, type, hash and
    /// path of each that is there.
    pub fn entries(&self, tree: &Tree, paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, CheckoutError> {
        let named: Vec<String> = paths.iter().map(|path| normal(path)).collect();
        let mut arguments = vec!["ls-tree", "-z", "--full-tree", "--", &tree.checked_out];
        arguments.extend(named.iter().map(String::as_str));
        self.repository.paths(&arguments)
    }

    /// The files at or below these paths that git tracks in the user's own checkout, all relative to
    /// the top of the repository.
    pub fn tracked_by_user(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, CheckoutError> {
        let named = paths.iter().map(|path| literal(&normal(path)));
        let named: Vec<String> = named.collect();
        let mut arguments = vec!["ls-files", "-z", "--full-name", "--"];
        arguments.extend(named.iter().map(String::as_str));
        let files = self.repository.paths(&arguments)?.into_iter();
        Ok(files
            .map(|file| PathBuf::from(OsStr::from_bytes(&file)))
            .collect())
    }

    /// A path of the project, relative to the top of the repository.
    pub fn below_top(&self, path: &Path) -> PathBuf {
        PathBuf::from(normal(&self.repository.prefix.join(path)))
    }

    /// The top of the repository in an arm.
    pub fn top(&self, tree: &Tree) -> PathBuf {
        self.repository.top_of(&tree.project)
    }

    /// The top of the repository in the user's own checkout.
    pub fn top_of_user(&self) -> PathBuf {
        let project = &self.repository.project;
        let whole = project.canonicalize();
        (self.repository).top_of(whole.as_ref().unwrap_or(project))
    }

    /// The files below a folder of the project that are committed in an arm, relative to the folder.
    /// Of the user's files as they are, those that git tracks: what it only does not ignore may be
    /// anything.
    pub fn tracked_below(&self, tree: &Tree, folder: &Path) -> Result<Vec<PathBuf>, CheckoutError> {
        let below = normal(&self.repository.prefix.join(folder));
        if normal(folder).is_empty() {
            return Ok(Vec::new());
        }
        let below = format!("{below}/");
        let arguments = [
            "ls-tree",
            "-r",
            "-z",
            "--full-tree",
            &tree.checked_out,
            &below,
        ];
        let listed = self.repository.paths(&arguments)?;
        // `mode type hash`, a tab and the path; another repository is no file.
        let files = listed.iter().filter_map(|line| {
            let tab = line.iter().position(|byte| *byte == b'\t')?;
            let is_file = !line.starts_with(b"160000");
            is_file.then(|| line[tab + 1..].strip_prefix(below.as_bytes()))?
        });
        let mut files: Vec<&[u8]> = files.collect();
        let tracked;
        if tree.is_snapshot {
            let arguments = ["ls-files", "-z", "--full-name", "--", &literal(&below)];
            tracked = self.repository.paths(&arguments)?;
            let tracked: BTreeSet<&[u8]> = (tracked.iter())
                .filter_map(|path| path.strip_prefix(below.as_bytes()))
                .collect();
            files.retain(|file| tracked.contains(file));
        }
        let paths = files.into_iter();
        Ok(paths
            .map(|path| PathBuf::from(OsStr::from_bytes(path)))
            .collect())
    }

    /// Puts a folder of the project in an arm back as it was checked out, files that are gone included.
    pub fn restore(&self, tree: &Tree, folder: &Path) -> Result<(), CheckoutError> {
        let below = normal(&self.repository.prefix.join(folder));
        let path = literal(&below);
        let source = format!("--source={}", tree.checked_out);
        git(
            &tree.project,
            &["restore", &source, "--worktree", "--", &path],
            &[],
        )
        .map(drop)
    }

    /// The hash of the whole repository of an arm, where the project is only a part of it: what lies
    /// beside and above it may decide what it is built from. None where the project is all of it.
    pub fn hash_around(&self, tree: &Tree) -> Option<String> {
        if self.repository.prefix.as_os_str().is_empty() {
            return None;
        }
        let object = format!("{}^{{tree}}", tree.checked_out);
        self.repository
            .git(&["rev-parse", "--verify", "--quiet", &object])
            .ok()
    }

    /// Whether a path of the project is there in one of the arms, as far as git knows.
    pub fn is_anywhere(&self, path: &Path) -> bool {
        let trees = [&self.base, &self.head];
        trees
            .iter()
            .any(|tree| self.tree_hash(tree, path).is_some())
    }

    /// The lines head changed, in files of the project.
    pub fn changed_lines(&self) -> Result<Vec<ChangedLines>, CheckoutError> {
        let diff = self.repository.git(&[
            "diff",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
            "--relative",
            &self.base.checked_out,
            &self.head.checked_out,
            "--",
            ".",
        ])?;
        Ok(changed_lines(&diff))
    }

    /// The repository it was made from.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        remove(&self.repository, &self.work, &self.data);
    }
}

/// A checkout under construction: what exists of it goes when a later step fails.
struct Unfinished<'a> {
    repository: &'a Repository,
    work: &'a Path,
    data: &'a Path,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        remove(self.repository, self.work, self.data);
    }
}

impl Unfinished<'_> {
    fn check_out(
        &self,
        name: &str,
        commit: &str,
        revision: impl FnOnce(String) -> Revision,
    ) -> Result<Tree, CheckoutError> {
        let folder = self.work.join(name);
        let path = folder.to_string_lossy().into_owned();
        self.repository.git(&[
            "worktree", "add", "--quiet", "--detach", "--force", &path, commit,
        ])?;
        let tree = self
            .repository
            .git(&["rev-parse", &format!("{commit}^{{tree}}")])?;
        Ok(Tree {
            project: folder.join(&self.repository.prefix),
            checked_out: commit.to_owned(),
            is_snapshot: false,
            revision: revision(tree),
        })
    }

    fn check_out_head(&self, head: &Head, base: &Tree) -> Result<Tree, CheckoutError> {
        match head {
            Head::Revision(name) => {
                let commit = self.repository.commit(name)?;
                let of = commit.clone();
                self.check_out("head", &commit, |tree| Revision {
                    commit: of,
                    tree,
                    label: name.clone(),
                })
            }
            Head::WorkingTree => {
                let parent = self.repository.commit("HEAD")?;
                let commit = self.repository.snapshot(self.work)?;
                let tree = self.check_out("head", &commit, |tree| Revision {
                    commit: parent,
                    tree,
                    label: "working tree".to_owned(),
                })?;
                Ok(Tree {
                    is_snapshot: true,
                    ..tree
                })
            }
            Head::Patch(patch) => self.check_out_patched(patch, base),
        }
    }

    fn check_out_patched(&self, patch: &Path, base: &Tree) -> Result<Tree, CheckoutError> {
        let base_commit = base.revision.commit.clone();
        let name = patch.file_name().unwrap_or(patch.as_os_str());
        let label = format!("{} + {}", base.revision.short(), name.to_string_lossy());
        let tree = self.check_out("head", &base_commit, |tree| Revision {
            commit: base_commit.clone(),
            tree,
            label,
        })?;
        self.apply(patch, &tree, base)?;
        let top = self.work.join("head");
        let index = self.work.join("patch.index");
        let commit = self
            .repository
            .commit_of_everything(&top, &index, &tree.revision.label)?;
        let hash = self
            .repository
            .git(&["rev-parse", &format!("{commit}^{{tree}}")])?;
        if hash == base.revision.tree {
            return Err(CheckoutError::Patch {
                patch: patch.to_owned(),
                base: base.revision.short().to_owned(),
                why: "it changes nothing in the project; are its paths relative to the project?"
                    .to_owned(),
            });
        }
        Ok(Tree {
            checked_out: commit,
            revision: Revision {
                tree: hash,
                ..tree.revision
            },
            ..tree
        })
    }

    /// Applies a patch whose paths are relative to the project or to the top of the repository.
    fn apply(&self, patch: &Path, tree: &Tree, base: &Tree) -> Result<(), CheckoutError> {
        let absolute = patch
            .canonicalize()
            .map_err(|source| CheckoutError::NoPatch {
                path: patch.to_owned(),
                source,
            })?;
        let path = absolute.to_string_lossy();
        let top = self.work.join("head");
        let prefix = format!("--directory={}", self.repository.prefix.display());
        let attempts: [(&Path, &[&str]); 2] = [
            (&top, &["apply", "--whitespace=nowarn", &prefix, &path]),
            (&top, &["apply", "--whitespace=nowarn", &path]),
        ];
        let mut first_failure = None;
        for (directory, arguments) in attempts {
            match git(directory, arguments, &[]) {
                Ok(_) => return Ok(()),
                Err(CheckoutError::Git { why, .. }) => {
                    first_failure.get_or_insert(why);
                }
                Err(other) => return Err(other),
            }
        }
        debug_assert!(tree.project.starts_with(&top));
        Err(CheckoutError::Patch {
            patch: patch.to_owned(),
            base: base.revision.short().to_owned(),
            why: first_failure.unwrap_or_default(),
        })
    }
}

/// `.tollgate/`, which ignores itself.
pub fn home(project: &Path) -> Result<PathBuf, CheckoutError> {
    let home = project.join(HOME);
    make_folder(&home)?;
    let ignore = home.join(".gitignore");
    if !ignore.exists() {
        write_whole(&ignore, "*\n").map_err(|source| CheckoutError::File {
            path: ignore,
            source,
        })?;
    }
    Ok(home)
}

/// Writes a small file whole or not at all.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _absent = fs::remove_file(&unfinished);
    }
    written
}

fn make_folder(path: &Path) -> Result<(), CheckoutError> {
    fs::create_dir_all(path).map_err(|source| CheckoutError::File {
        path: path.to_owned(),
        source,
    })
}

/// The data folder lies in the system's temporary folder: socket paths must be short, and
/// services that drop to another account must be able to reach it.
fn data_folder(work: &Path, id: &str) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    work.hash(&mut hasher);
    std::env::temp_dir().join(format!("tollgate-{id}-{:08x}", hasher.finish() >> 32))
}

/// Removes what runs left behind whose process no longer exists.
fn remove_leftovers(repository: &Repository, home: &Path) {
    let runs = fs::read_dir(home.join("work"))
        .into_iter()
        .flatten()
        .flatten();
    for run in runs {
        let id = run.file_name().to_string_lossy().into_owned();
        if id.parse::<u32>().is_ok() && !Path::new("/proc").join(&id).exists() {
            remove(repository, &run.path(), &data_folder(&run.path(), &id));
        }
    }
}

fn remove(repository: &Repository, work: &Path, data: &Path) {
    for folder in [data, work] {
        if folder.exists()
            && let Err(error) = fs::remove_dir_all(folder)
        {
            crate::measure::progress::note(&format!(
                "`{}` could not be removed: {error}",
                folder.display()
            ));
        }
    }
    // Only forgets worktrees whose folder is gone.
    let _pruned = repository.git(&["worktree", "prune"]);
}

fn git(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> Result<String, CheckoutError> {
    let output = git_output(directory, arguments, environment)?;
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(CheckoutError::Git {
        command: arguments.join(" "),
        why: text(&output.stderr),
    })
}

fn git_output(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> Result<Output, CheckoutError> {
    let extra: BTreeMap<&str, &String> = environment.iter().map(|(k, v)| (*k, v)).collect();
    Command::new("git")
        .args([
            "-c",
            "core.quotePath=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(arguments)
        .current_dir(directory)
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE")
        .env("LC_ALL", "C")
        .envs(extra)
        .output()
        .map_err(CheckoutError::NoGit)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn normal(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// A path from the top of the repository as git takes it, whatever letters it has.
fn literal(path: &str) -> String {
    format!(":(top,literal){path}")
}

/// Reads the hunks of a diff without context.
fn changed_lines(diff: &str) -> Vec<ChangedLines> {
    let mut changes = Vec::new();
    let mut file: Option<&str> = None;
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("+++ ") {
            file = name.strip_prefix("b/");
        } else if let (Some(file), Some((first, count))) = (file, hunk(line)) {
            changes.push(ChangedLines {
                file: file.to_owned(),
                first,
                last: (first + count).saturating_sub(1),
            });
        }
    }
    changes
}

/// The lines a hunk header names in the new file: first and count.
fn hunk(line: &str) -> Option<(u32, u32)> {
    let header = line.strip_prefix("@@ ")?;
    let new = header.split(' ').find_map(|part| part.strip_prefix('+'))?;
    match new.split_once(',') {
        Some((first, count)) => Some((first.parse().ok()?, count.parse().ok()?)),
        None => Some((new.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_changed_lines_from_a_diff() {
        let diff = "diff --git a/x.js b/x.js\n--- a/x.js\n+++ b/x.js\n@@ -3 +3,2 @@ fn\n-a\n+b\n+c\n@@ -9,2 +10,0 @@\n-d\n-e\ndiff --git a/gone b/gone\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
        let changes = changed_lines(diff);
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[0].first, changes[0].last), (3, 4));
        assert_eq!((changes[1].first, changes[1].last), (10, 9));
    }
}
