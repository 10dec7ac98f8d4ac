//! What people see on GitHub, against a double of its API that is held to GitHub's own description.

mod accepting;
mod comments;
mod nightly;
mod publishing;
mod standing;
mod toolkit;
mod workflows;
