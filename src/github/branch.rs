//! A file on a branch of its own, changed by compare-and-swap through GitHub's git data API.
//!
//! A branch only ever moves on from the commit that was read: where somebody else was faster, that
//! is said, and nothing of theirs is lost. Must not know what the file is about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::error::GithubError;

const READ: &str = "read the branch of the baselines";
const WRITE: &str = "write to the branch of the baselines";
/// Statuses by which GitHub says that a branch is not where it was: a conflict, or an update that
/// is no fast-forward, or a branch that is there already. Also where a rule forbids the push.
const MOVED: [u16; 2] = [409, 422];

/// A file as it stands on a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The newest commit of the branch and its tree; none where there is no branch yet.
    at: Option<(String, String)>,
    /// What is in the file; none where there is no such file.
    pub content: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Reference {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

#[derive(Deserialize)]
struct Commit {
    tree: Object,
}

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    sha: Option<String>,
}

#[derive(Deserialize)]
struct Blob {
    content: String,
    encoding: String,
}

/// Whether a text can name a branch or a file and leads nowhere else as part of an address.
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty()
        && text.len() <= 100
        && !text.starts_with(['.', '-'])
        && !text.ends_with(".lock")
        && !text.contains("..")
        && text.chars().all(is_plain)
}

/// Reads a file at the top of a branch.
pub async fn read(client: &Client, branch: &str, file: &str) -> Result<Version, GithubError> {
    let reference = match client.get(READ, &format!("/git/ref/heads/{branch}")).await {
        Ok(answer) => answer.read::<Reference>(READ)?,
        Err(error) if error.status() == Some(404) => {
            is_readable(client).await?;
            return Ok(Version {
                at: None,
                content: None,
            });
        }
        Err(error) => return Err(error),
    };
    let commit = reference.object.sha;
    let route = format!("/git/commits/{commit}");
    let tree = client
        .get(READ, &route)
        .await?
        .read::<Commit>(READ)?
        .tree
        .sha;
    let route = format!("/git/trees/{tree}");
    let entries = client.get(READ, &route).await?.read::<Tree>(READ)?.tree;
    let entry = entries.into_iter().find(|entry| entry.path == file);
    let content = match entry.and_then(|entry| entry.sha) {
        Some(sha) => {
            let route = format!("/git/blobs/{sha}");
            Some(decoded(client.get(READ, &route).await?.read(READ)?)?)
        }
        None => None,
    };
    Ok(Version {
        at: Some((commit, tree)),
        content,
    })
}

/// What a token may not see, GitHub says is not there: so no branch counts as none only where something
/// can be seen that every repository has but an empty one.
async fn is_readable(client: &Client) -> Result<(), GithubError> {
    match client.get(READ, "/git/trees/HEAD").await {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(409) => Ok(()),
        Err(error) if error.status() == Some(404) => Err(GithubError::Hidden { what: READ }),
        Err(error) => Err(error),
    }
}

fn decoded(blob: Blob) -> Result<Vec<u8>, GithubError> {
    let form = |why: String| GithubError::Form { what: READ, why };
    if blob.encoding != "base64" {
        return Err(form("the file is not in base64".to_owned()));
    }
    let text: String = blob.content.split_whitespace().collect();
    STANDARD
        .decode(text)
        .map_err(|error| form(error.to_string()))
}

/// Puts a file at the top of a branch, unless the branch has moved on since `from` was read:
/// then nothing changes, and the answer is in GitHub's words.
pub async fn write(
    client: &Client,
    branch: &str,
    file: &str,
    content: &[u8],
    message: &str,
    from: &Version,
) -> Result<Result<(), String>, GithubError> {
    // Blobs, trees and commits are found by their content: the same one is never there twice.
    let create = async |route: &str, body: Value| -> Result<String, GithubError> {
        let answer = client.post_again(WRITE, route, &body).await?;
        Ok(answer.read::<Object>(WRITE)?.sha)
    };
    let body = json!({ "content": STANDARD.encode(content), "encoding": "base64" });
    let blob = create("/git/blobs", body).await?;
    let entry = json!({ "path": file, "mode": "100644", "type": "blob", "sha": blob });
    let mut body = json!({ "tree": [entry] });
    if let Some((_, tree)) = &from.at {
        body["base_tree"] = tree.as_str().into();
    }
    let tree = create("/git/trees", body).await?;
    let parents: Vec<&String> = from.at.iter().map(|(commit, _)| commit).collect();
    let body = json!({ "message": message, "tree": tree, "parents": parents });
    let commit = create("/git/commits", body).await?;
    let moved = if from.at.is_some() {
        let body = json!({ "sha": commit, "force": false });
        client
            .patch(WRITE, &format!("/git/refs/heads/{branch}"), &body)
            .await
    } else {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": commit });
        client.post_again(WRITE, "/git/refs", &body).await
    };
    match moved {
        Ok(_) => Ok(Ok(())),
        Err(GithubError::Refused {
            status, message, ..
        }) if MOVED.contains(&status) => Ok(Err(message)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        assert!(is_name("tollgate-baselines") && is_name("main.json"));
        for name in [
            "", "../x", "a/b", "a..b", ".git", "x.lock", "a b", "ä", "-f", "a?b",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
