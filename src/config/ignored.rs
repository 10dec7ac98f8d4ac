//! `paths-ignore`: changes that nothing needs to be measured for.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::{Flaw, Problem, quote};
use super::locate::KeyPath;

/// Files of the repository that a change may touch without being measured.
#[derive(Debug, Clone, Default)]
pub struct Ignored {
    patterns: GlobSet,
}

impl Ignored {
    /// Reads patterns such as `docs/**`, relative to the top of the repository.
    pub(super) fn read(patterns: &[String], at: &KeyPath) -> Result<Self, Problem> {
        let mut set = GlobSetBuilder::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let at = at.index(index);
            let example =
                "write for example `docs/**` or `**/*.md`, from the top of the repository";
            if pattern.starts_with('!') {
                let flaw = Flaw::new(format!("{} takes nothing back", quote(pattern)));
                return Err(flaw.help("write narrower patterns instead").at(&at));
            }
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            match glob {
                Ok(glob) if !pattern.is_empty() => set.add(glob),
                Ok(_) => return Err(Flaw::new("an empty pattern").help(example).at(&at)),
                Err(error) => {
                    let message = format!("{} is no pattern: {}", quote(pattern), error.kind());
                    return Err(Flaw::new(message).help(example).at(&at));
                }
            };
        }
        let patterns = set
            .build()
            .map_err(|error| Flaw::new(format!("the patterns cannot be used: {error}")).at(at))?;
        Ok(Self { patterns })
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Why a change of these files needs no measuring; none where it does. Files are relative to the
    /// top of the repository. The configuration itself is never left out: it says what is.
    pub fn why_not(&self, changed: &[String], configuration: &str) -> Option<String> {
        let is_left_out = |file: &String| self.patterns.is_match(file) && file != configuration;
        let (first, more) = changed.split_first()?;
        if !changed.iter().all(is_left_out) {
            return None;
        }
        let more = match more.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "only {first}{more} changed, which `paths-ignore` leaves out"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(patterns: &[&str], changed: &[&str]) -> Option<String> {
        let owned = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let at = KeyPath::root().key("paths-ignore");
        let ignored = Ignored::read(&owned(patterns), &at).expect("patterns");
        ignored.why_not(&owned(changed), "app/tollgate.yml")
    }

    #[test]
    fn only_what_is_left_out_altogether_is_not_measured() {
        let patterns = ["docs/**", "**/*.md", "app/*.yml"];
        assert_eq!(
            why_not(&patterns, &["docs/a/b.png", "README.md"]).as_deref(),
            Some("only docs/a/b.png and 1 more changed, which `paths-ignore` leaves out")
        );
        assert_eq!(why_not(&patterns, &["docs/a.png", "src/a.js"]), None);
        assert_eq!(why_not(&patterns, &["app/tollgate.yml"]), None);
        assert_eq!(why_not(&patterns, &[]), None);
        // `*` is no folder, as in a workflow.
        assert_eq!(why_not(&["*.md"], &["docs/a.md"]), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in ["docs/[", "", "!docs/**"] {
            let at = KeyPath::root().key("paths-ignore");
            assert!(Ignored::read(&[wrong.to_owned()], &at).is_err(), "{wrong}");
        }
    }
}
