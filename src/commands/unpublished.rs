//! The job summary of a run that another job measured: it is there before GitHub is asked anything, and
//! says what became of it when nothing can be published.
//!
//! Until GitHub has said what the run is of, nothing in it is verified: it must not look like a verdict.

use crate::failure::Failure;
use crate::github::publication::Publication;
use crate::github::workflow::{self, Draft};
use crate::measure::progress::note;
use crate::report;

/// What is said as long as GitHub was not asked.
const NOT_VERIFIED: &str = "Nothing below is verified: GitHub was not asked yet, or did not say, which pull request this is \
     of, what it is to be compared with and what was accepted.";
/// What to do where it stays like that.
const WHAT_TO_DO: &str = "Nothing was published, and what is shown elsewhere is of an earlier run or none. Once what is \
     said here is mended, run this job again: it takes the same samples.";

/// What stands in the job summary until something is published.
#[derive(Debug)]
pub(super) struct Unpublished {
    draft: Option<Draft>,
    /// What is known without GitHub, in Markdown.
    known: String,
}

impl Unpublished {
    /// Says that something is about to be published, and what is known of it.
    pub(super) fn begin(known: String) -> Self {
        let words = format!(
            "## ⏳ Tollgate: not published yet\n\nIf this is still here when the job has ended, it was stopped: run \
             it again.\n\n{known}"
        );
        let draft = workflow::draft(&words).unwrap_or_else(|error| {
            not_written(&error);
            None
        });
        Self { draft, known }
    }

    /// Puts what is known in the end in its place.
    pub(super) fn replace(self, markdown: &str) {
        let written = match self.draft {
            Some(draft) => draft.replace(markdown),
            None => workflow::summarise(markdown),
        };
        if let Err(error) = written {
            not_written(&error);
        }
    }

    /// Says why nothing was published, and what to do.
    pub(super) fn failed(self, failure: &Failure) {
        let why = report::inert(&failure.to_string());
        let hint = hint_block(failure.hint().as_deref());
        let words = format!(
            "## ❔ Tollgate: not published\n\n> [!WARNING]\n> {why}\n{hint}\n{WHAT_TO_DO}\n\n{}",
            self.known
        );
        self.replace(&words);
    }
}

/// What the samples say that nobody has verified: folded away, so that nobody takes it for the verdict.
pub(super) fn not_verified(publication: &Publication, run_url: &str) -> String {
    format!(
        "{NOT_VERIFIED}\n\nThe samples of [the run that measured]({run_url}) say: {}\n\n<details><summary>The whole \
         report, not verified</summary>\n\n{}\n\n</details>",
        report::inert(&publication.title),
        publication.full.trim_end(),
    )
}

/// The lines to add to the workflow, to be copied.
pub(super) fn hint_block(hint: Option<&str>) -> String {
    match hint {
        Some(hint) => match hint.split_once("\n\n") {
            Some((words, yaml)) => format!("\n{words}\n\n```yaml\n{yaml}\n```\n"),
            None => format!("\n{hint}\n"),
        },
        None => String::new(),
    }
}

fn not_written(error: &std::io::Error) {
    note(&format!("the job summary could not be written: {error}"));
}
