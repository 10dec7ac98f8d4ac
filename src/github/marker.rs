//! The hidden first line of our comment: whose it is, and which run it shows.
//!
//! Parsed exactly: a comment that quotes or resembles it is nobody's but its author's.

use std::fmt;

/// What every marker starts with.
const OPEN: &str = "<!-- tollgate:v1 id=";
/// What it ends with.
const CLOSE: &str = " -->";
/// The longest name of a report.
const LONGEST_ID: usize = 64;

/// A run of a workflow, ordered: the later shows what is true now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunOrder {
    /// `GITHUB_RUN_ID`: grows over all workflows of GitHub.
    pub run: u64,
    /// `GITHUB_RUN_ATTEMPT`, from 1.
    pub attempt: u32,
}

/// The first line of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Which report it is, where a repository has several.
    pub id: String,
    /// The run it shows.
    pub order: RunOrder,
    /// The commit that was measured.
    pub head: String,
    /// The job that says so, where it publishes what it measured itself.
    pub job: Option<String>,
}

impl Marker {
    /// The marker in the first line of a comment.
    pub fn of(body: &str) -> Option<Self> {
        let line = body.lines().next()?;
        let inside = line.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
        let mut words = inside.split(' ');
        let mut marker = Self {
            id: words.next().filter(|id| is_id(id))?.to_owned(),
            order: RunOrder {
                run: number(words.next()?.strip_prefix("run=")?)?,
                attempt: number(words.next()?.strip_prefix("attempt=")?)?,
            },
            head: words
                .next()?
                .strip_prefix("head=")
                .filter(|head| is_commit(head))?
                .to_owned(),
            job: None,
        };
        if let Some(word) = words.next() {
            let job = word.strip_prefix("job=").filter(|job| is_job(job))?;
            marker.job = Some(job.to_owned());
        }
        words.next().is_none().then_some(marker)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunOrder { run, attempt } = self.order;
        let (id, head) = (&self.id, &self.head);
        write!(f, "{OPEN}{id} run={run} attempt={attempt} head={head}")?;
        if let Some(job) = &self.job {
            write!(f, " job={job}")?;
        }
        write!(f, "{CLOSE}")
    }
}

/// Whether a text can name a report: 1 to 64 of a–z, 0–9 and `-`.
pub fn is_id(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LONGEST_ID).contains(&text.len()) && text.chars().all(is_plain)
}

/// The longest name of a job.
const LONGEST_JOB: usize = 96;

/// Whether a text is a job as [`super::event::Context::job`] names it.
pub fn is_job(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    (1..=LONGEST_JOB).contains(&text.len()) && text.chars().all(is_plain)
}

/// Whether a text is the whole hash of a commit.
pub fn is_commit(text: &str) -> bool {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    [40, 64].contains(&text.len()) && text.chars().all(is_hex)
}

/// A number as we write it: no sign, no leading zero.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            id: "web-2".to_owned(),
            order: RunOrder {
                run: 12_345_678_901,
                attempt: 2,
            },
            head: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            job: None,
        }
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let text = format!("{}\n## Report", marker());
        assert_eq!(Marker::of(&text), Some(marker()));
        let crlf = format!("{}\r\n## Report", marker());
        assert_eq!(Marker::of(&crlf), Some(marker()));
    }

    #[test]
    fn what_only_resembles_a_marker_is_none() {
        let good = marker().to_string();
        let wrong = [
            format!("> {good}"),
            format!("\n{good}"),
            format!("{good} x"),
            good.replace("attempt=2", "attempt=02"),
            good.replace("attempt=2", "attempt=+2"),
            good.replace("attempt=2", "attempt=2 x=1"),
            good.replace("web-2", "web -->"),
            good.replace("web-2", "Web"),
            good.replace("v1", "v2"),
            good.replace("0123456789abcdef", "0123"),
            good.replace("run=12345678901", "run=99999999999999999999999"),
        ];
        for text in wrong {
            assert_eq!(Marker::of(&text), None, "{text}");
        }
    }

    #[test]
    fn a_job_is_in_it_where_there_is_one() {
        let marker = Marker {
            job: Some("web-app.0123abcd".to_owned()),
            ..marker()
        };
        let text = marker.to_string();
        assert_eq!(Marker::of(&text), Some(marker));
        assert_eq!(Marker::of(&text.replace("web-app", "Web app")), None);
        assert_eq!(Marker::of(&text.replace("job=", "jobs=")), None);
    }

    #[test]
    fn a_later_run_and_a_later_attempt_are_newer() {
        let order = |run, attempt| RunOrder { run, attempt };
        assert!(order(2, 1) > order(1, 3));
        assert!(order(1, 2) > order(1, 1));
    }
}
