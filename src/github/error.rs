//! What can go wrong with GitHub: what we wanted, what it said, what to do.

use super::permissions;

/// Why GitHub did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// The address or the token make no client.
    #[error("no connection to GitHub can be made: {0}")]
    Client(String),
    /// It did not answer, or with an error of its own.
    #[error("GitHub could not {what}: {why}")]
    Unreachable {
        /// What was asked: `write the comment`.
        what: &'static str,
        /// What came instead of an answer.
        why: String,
    },
    /// It asks for more patience than there is.
    #[error("GitHub's rate limit does not let us {what} for another {seconds} s")]
    RateLimited {
        /// What was asked.
        what: &'static str,
        /// How long it asks to wait.
        seconds: u64,
    },
    /// It said no.
    #[error("GitHub refused to {what}: {status} {message}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
        /// The permissions that would have been enough, as `X-Accepted-GitHub-Permissions` has
        /// them.
        accepted: Option<String>,
    },
    /// It answered something else.
    #[error("GitHub answered in an unknown form when asked to {what}: {why}")]
    Form {
        /// What was asked.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Two jobs of one run say different things under one name, and the last would win.
    #[error("two jobs of this run publish the report `{id}`: {ours} and {theirs}")]
    TwoJobs {
        /// The name of the report.
        id: String,
        /// This job.
        ours: String,
        /// The other one.
        theirs: String,
    },
    /// It shows the token nothing, not even what must be there.
    #[error("GitHub shows this token nothing of the repository when asked to {what}")]
    Hidden {
        /// What was asked.
        what: &'static str,
    },
    /// Every attempt to move a branch on was turned away.
    #[error("GitHub did not move the branch `{branch}` on: {why}")]
    NotMoved {
        /// Which branch.
        branch: String,
        /// Its words.
        why: String,
    },
    /// Several runs kept changing the same comment.
    #[error("other runs kept changing the comment; it was left as it is")]
    Contended,
}

/// The words of a token that lacks a permission.
const NOT_ACCESSIBLE: &str = "not accessible by";

impl GithubError {
    /// The HTTP status, where it said no.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Client(_)
            | Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Form { .. }
            | Self::TwoJobs { .. }
            | Self::Hidden { .. }
            | Self::NotMoved { .. }
            | Self::Contended => None,
        }
    }

    /// Whether the workflow has to be changed, whatever was measured.
    pub fn is_mistake(&self) -> bool {
        matches!(self, Self::TwoJobs { .. })
    }

    /// Whether the token lacks a permission. What a token may not see, GitHub says is not there.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.status(), Some(401 | 403 | 404))
    }

    /// Whether it said no to a token that may, because of how the thing is that was asked for.
    pub fn is_about_the_thing(&self) -> bool {
        let Self::Refused {
            status, message, ..
        } = self
        else {
            return false;
        };
        *status == 403 && !message.contains(NOT_ACCESSIBLE)
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused {
                status: 401 | 403 | 404,
                accepted: Some(accepted),
                ..
            } => permissions::advice(accepted),
            Self::Refused {
                status: 403,
                message,
                ..
            } if message.contains(NOT_ACCESSIBLE) => {
                Some("give the job more `permissions:`".to_owned())
            }
            Self::Refused { status: 401, .. } => {
                Some("the token has expired or is none; pass `github.token`".to_owned())
            }
            Self::TwoJobs { .. } => Some(
                "give each an `id` of its own, for example `id: ${{ matrix.app }}`, or use `shard` \
                 and `merge` where they are parts of one"
                    .to_owned(),
            ),
            Self::Hidden { .. } => permissions::advice("contents=read"),
            Self::NotMoved { .. } => Some(
                "others kept writing to it: run it again; or a rule of the repository forbids the push: \
                 leave this branch out of the rule"
                    .to_owned(),
            ),
            Self::Refused { .. }
            | Self::Client(_)
            | Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Form { .. }
            | Self::Contended => None,
        }
    }
}
