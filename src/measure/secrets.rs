//! Which variables of our environment are for us alone: where runs are kept and what may write to GitHub
//! is no business of what is measured, whose code is the pull request's.
//!
//! Must not keep back what the configuration of a service or a build sets itself.

/// Their names, in the order of the alphabet.
pub const OURS: [&str; 10] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_RUNTIME_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_TOKEN",
    "PGPASSWORD",
    "TOLLGATE_STORE",
    "TOLLGATE_STORE_PASSWORD",
];

/// Whether a variable is for us alone.
pub fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}
