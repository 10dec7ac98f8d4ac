//! `X-Accepted-GitHub-Permissions` as the lines of YAML to add to a workflow.

use std::fmt::Write;

/// The advice for such a header: `issues=write; pull_requests=write`, where `;` is *or* and `,` is
/// *and*. None when nothing in it can be understood.
pub fn advice(accepted: &str) -> Option<String> {
    let choices: Vec<Vec<(&str, &str)>> = accepted.split(';').filter_map(choice).collect();
    let fewest = choices.iter().map(Vec::len).min()?;
    let mut fitting = choices.iter().filter(|choice| choice.len() == fewest);
    let first = fitting.next()?;
    // Comments of a pull request are issue comments too; its own permission says more.
    let chosen = fitting
        .find(|choice| choice.iter().any(|(scope, _)| *scope == "pull_requests"))
        .unwrap_or(first);
    let mut text = "add to the job in the workflow (naming one permission sets all others to \
                    none):\n\n    permissions:"
        .to_owned();
    for (scope, level) in chosen {
        let _infallible = write!(text, "\n      {}: {level}", scope.replace('_', "-"));
    }
    Some(text)
}

/// One choice: every permission it takes.
fn choice(text: &str) -> Option<Vec<(&str, &str)>> {
    let parts: Option<Vec<_>> = text
        .split(',')
        .map(|part| part.trim().split_once('=').filter(is_understood))
        .collect();
    parts.filter(|parts| !parts.is_empty())
}

fn is_understood((scope, level): &(&str, &str)) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    !scope.is_empty() && scope.chars().all(is_word) && ["read", "write"].contains(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_becomes_yaml() {
        let text = advice("issues=write; pull_requests=write").unwrap();
        assert!(
            text.ends_with("    permissions:\n      pull-requests: write"),
            "{text}"
        );
        let text = advice("contents=read,checks=write").unwrap();
        assert!(
            text.ends_with("permissions:\n      contents: read\n      checks: write"),
            "{text}"
        );
        let text = advice("metadata=read,issues=write; statuses=write").unwrap();
        assert!(
            text.ends_with("permissions:\n      statuses: write"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_understood_is_not_repeated() {
        for header in ["", "::error::x=write", "a=b", "issues", "issues=admin; x"] {
            assert_eq!(advice(header), None, "{header}");
        }
    }
}
