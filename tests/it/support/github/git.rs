//! GitHub's git data: blobs, trees and commits by their content, and branches that only move on.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::world::{Reply, created, invalid, missing, ok};

/// What git holds of a repository.
#[derive(Debug, Default)]
pub(crate) struct Git {
    blobs: BTreeMap<String, Vec<u8>>,
    /// File to blob.
    trees: BTreeMap<String, BTreeMap<String, String>>,
    /// Tree and parents.
    commits: BTreeMap<String, (String, Vec<String>)>,
    /// `heads/main` to commit.
    branches: BTreeMap<String, String>,
    /// Whether the token sees nothing of it.
    pub(crate) is_hidden: bool,
}

impl Git {
    /// What is in a file at the top of a branch.
    pub(crate) fn file(&self, branch: &str, file: &str) -> Option<Vec<u8>> {
        let commit = self.branches.get(&format!("heads/{branch}"))?;
        let blob = self.trees.get(&self.commits.get(commit)?.0)?.get(file)?;
        self.blobs.get(blob).cloned()
    }

    /// How many commits a branch has.
    pub(crate) fn length(&self, branch: &str) -> usize {
        let mut at = self.branches.get(&format!("heads/{branch}"));
        let mut length = 0;
        while let Some(commit) = at {
            length += 1;
            at = self.commits[commit].1.first();
        }
        length
    }

    /// Somebody else commits a file.
    pub(crate) fn commit(&mut self, branch: &str, file: &str, content: &[u8]) {
        self.commit_all(branch, &[(file, content)]);
    }

    /// Somebody else commits these files and no others.
    pub(crate) fn commit_all(&mut self, branch: &str, files: &[(&str, &[u8])]) {
        let mut entries = BTreeMap::new();
        for (file, content) in files {
            let blob = sha(content);
            self.blobs.insert(blob.clone(), content.to_vec());
            entries.insert((*file).to_owned(), blob);
        }
        let tree = self.tree(entries);
        let name = format!("heads/{branch}");
        let parents: Vec<String> = self.branches.get(&name).cloned().into_iter().collect();
        let commit = self.add(tree, parents);
        self.branches.insert(name, commit);
    }

    fn tree(&mut self, files: BTreeMap<String, String>) -> String {
        let id = sha(format!("{files:?}").as_bytes());
        self.trees.insert(id.clone(), files);
        id
    }

    fn add(&mut self, tree: String, parents: Vec<String>) -> String {
        let id = sha(format!("{tree} {parents:?}").as_bytes());
        self.commits.insert(id.clone(), (tree, parents));
        id
    }

    /// Whether a commit comes after another.
    fn follows(&self, commit: &str, earlier: &str) -> bool {
        commit == earlier
            || self.commits.get(commit).is_some_and(|(_, parents)| {
                parents.iter().any(|parent| self.follows(parent, earlier))
            })
    }

    pub(super) fn handle(
        &mut self,
        method: &str,
        path: &[&str],
        body: &Value,
        example: &Value,
    ) -> Reply {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match (method, path) {
            _ if self.is_hidden => missing(),
            ("GET", ["ref", name @ ..]) => match self.branches.get(&name.join("/")) {
                Some(commit) => ok(reference(&name.join("/"), commit, example)),
                None => missing(),
            },
            ("POST", ["refs"]) => {
                let name = text("ref").trim_start_matches("refs/").to_owned();
                if self.branches.contains_key(&name) {
                    return invalid("Reference", "ref", "Reference already exists");
                }
                self.branches.insert(name.clone(), text("sha"));
                created(reference(&name, &text("sha"), example))
            }
            ("PATCH", ["refs", name @ ..]) => {
                let (name, commit) = (name.join("/"), text("sha"));
                let Some(now) = self.branches.get(&name) else {
                    return invalid("Reference", "ref", "Reference does not exist");
                };
                if body["force"] != true && !self.follows(&commit, now) {
                    return invalid("Reference", "sha", "Update is not a fast forward");
                }
                self.branches.insert(name.clone(), commit.clone());
                ok(reference(&name, &commit, example))
            }
            ("POST", ["blobs"]) => {
                let content = STANDARD.decode(text("content")).expect("base64");
                let id = sha(&content);
                self.blobs.insert(id.clone(), content);
                created(named(example, &id))
            }
            ("GET", ["blobs", id]) => match self.blobs.get(*id) {
                Some(content) => {
                    let mut answer = named(example, id);
                    // As GitHub does: a line break every 60 characters.
                    let encoded: Vec<char> = STANDARD.encode(content).chars().collect();
                    let lines = encoded
                        .chunks(60)
                        .map(|line| line.iter().collect::<String>());
                    answer["content"] = lines.collect::<Vec<_>>().join("\n").into();
                    answer["size"] = content.len().into();
                    ok(answer)
                }
                None => missing(),
            },
            ("POST", ["trees"]) => {
                let base = self.trees.get(&text("base_tree"));
                let mut files = base.cloned().unwrap_or_default();
                for entry in body["tree"].as_array().into_iter().flatten() {
                    let part = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                    files.insert(part("path"), part("sha"));
                }
                let id = self.tree(files);
                created(named(example, &id))
            }
            ("GET", ["trees", "HEAD"]) => ok(example.clone()),
            ("GET", ["trees", id]) => match self.trees.get(*id) {
                Some(files) => {
                    let mut answer = named(example, id);
                    let entry = |(path, blob): (&String, &String)| {
                        let mut entry = example["tree"][0].clone();
                        entry["path"] = path.as_str().into();
                        entry["sha"] = blob.as_str().into();
                        entry
                    };
                    answer["tree"] = files.iter().map(entry).collect();
                    answer["truncated"] = false.into();
                    ok(answer)
                }
                None => missing(),
            },
            ("POST", ["commits"]) => {
                let parents = body["parents"].as_array().into_iter().flatten();
                let parents = parents.filter_map(|one| one.as_str().map(str::to_owned));
                let id = self.add(text("tree"), parents.collect());
                created(named(example, &id))
            }
            ("GET", ["commits", id]) => match self.commits.get(*id) {
                Some((tree, _)) => {
                    let mut answer = named(example, id);
                    answer["tree"]["sha"] = tree.as_str().into();
                    ok(answer)
                }
                None => missing(),
            },
            _ => panic!("{method} of git with {path:?} is not served"),
        }
    }
}

fn sha(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..40].to_owned()
}

fn named(example: &Value, id: &str) -> Value {
    let mut answer = example.clone();
    answer["sha"] = id.into();
    answer
}

fn reference(name: &str, commit: &str, example: &Value) -> Value {
    let mut answer = example.clone();
    answer["ref"] = format!("refs/{name}").into();
    answer["object"]["sha"] = commit.into();
    answer
}
