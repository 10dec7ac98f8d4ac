//! What the event of a workflow says head comes from: the branch it is to be merged into, the commit
//! before it in a merge queue, the commit before a push.
//!
//! Must not ask GitHub anything, nor git whether it is there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::event::{self, EventError};

/// What head is to be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// Where it leaves this branch.
    Branch(String),
    /// What is before it in the merge queue.
    QueuedBefore(String),
    /// What the branch was before it was pushed; none where the branch is new.
    PushedBefore(Option<String>),
}

#[derive(Deserialize)]
struct Queued {
    merge_group: Group,
}

#[derive(Deserialize)]
struct Group {
    base_sha: String,
}

#[derive(Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    name: String,
    before: String,
    repository: Repository,
}

#[derive(Deserialize)]
struct Any {
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
}

/// What the workflow of this process knows; none outside of one.
pub fn of_environment() -> Result<Option<Against>, EventError> {
    let variables = event::variables();
    of(&variables, || {
        let path = event::get(&variables, "GITHUB_EVENT_PATH")?;
        event::read(Path::new(path))
    })
}

/// What these variables and this event say.
fn of(
    variables: &BTreeMap<String, String>,
    read: impl Fn() -> Result<Vec<u8>, EventError>,
) -> Result<Option<Against>, EventError> {
    let Some(name) = variables.get("GITHUB_EVENT_NAME") else {
        return Ok(None);
    };
    if let Some(branch) = variables.get("GITHUB_BASE_REF") {
        return Ok(Some(Against::Branch(branch.clone())));
    }
    match name.as_str() {
        "merge_group" => {
            let group = event::parse::<Queued>(&read()?)?.merge_group;
            let base = event::commit("merge_group.base_sha", group.base_sha)?;
            Ok(Some(Against::QueuedBefore(base)))
        }
        "push" => Ok(Some(pushed(event::parse(&read()?)?)?)),
        // The events of a schedule and the like may say less.
        _ => Ok(read()
            .and_then(|event| event::parse::<Any>(&event))
            .ok()
            .map(|event| Against::Branch(event.repository.default_branch))),
    }
}

fn pushed(event: Pushed) -> Result<Against, EventError> {
    let default = event.repository.default_branch;
    if event.name != format!("refs/heads/{default}") {
        return Ok(Against::Branch(default));
    }
    let before = event::commit("before", event.before)?;
    let is_new = before.bytes().all(|byte| byte == b'0');
    Ok(Against::PushedBefore((!is_new).then_some(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "0123456789abcdef0123456789abcdef01234567";

    fn against(variables: &[(&str, &str)], event: &str) -> Result<Option<Against>, EventError> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        of(&variables.collect(), || Ok(event.as_bytes().to_vec()))
    }

    fn push(name: &str, before: &str) -> Option<Against> {
        let event = format!(
            r#"{{"ref":"{name}","before":"{before}","repository":{{"default_branch":"trunk"}}}}"#
        );
        against(&[("GITHUB_EVENT_NAME", "push")], &event).unwrap()
    }

    #[test]
    fn a_pull_request_is_compared_with_the_branch_it_goes_into() {
        let variables = [
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_BASE_REF", "release/1"),
        ];
        let expected = Some(Against::Branch("release/1".to_owned()));
        assert_eq!(against(&variables, "").unwrap(), expected);
        assert_eq!(against(&[], "").unwrap(), None);
    }

    #[test]
    fn an_entry_of_a_queue_is_compared_with_the_one_before_it() {
        let name = [("GITHUB_EVENT_NAME", "merge_group")];
        let event = format!(r#"{{"merge_group":{{"base_sha":"{BEFORE}"}}}}"#);
        let expected = Some(Against::QueuedBefore(BEFORE.to_owned()));
        assert_eq!(against(&name, &event).unwrap(), expected);
        against(&name, r#"{"merge_group":{"base_sha":"--all"}}"#).unwrap_err();
        against(&name, "{}").unwrap_err();
    }

    #[test]
    fn a_push_to_the_default_branch_is_compared_with_what_was_there() {
        let before = Against::PushedBefore(Some(BEFORE.to_owned()));
        assert_eq!(push("refs/heads/trunk", BEFORE), Some(before));
        let new = Against::PushedBefore(None);
        assert_eq!(push("refs/heads/trunk", &"0".repeat(40)), Some(new));
        let other = Against::Branch("trunk".to_owned());
        assert_eq!(push("refs/heads/topic", BEFORE), Some(other));
    }

    #[test]
    fn a_schedule_may_know_the_default_branch() {
        let name = [("GITHUB_EVENT_NAME", "schedule")];
        let event = r#"{"repository":{"default_branch":"trunk"}}"#;
        let expected = Some(Against::Branch("trunk".to_owned()));
        assert_eq!(against(&name, event).unwrap(), expected);
        assert_eq!(against(&name, "{}").unwrap(), None);
    }
}
