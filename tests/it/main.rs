//! Tollgate through its front door: the real program on real repositories with real processes.
//!
//! Each test is a sentence about what a user sees. After every run the suite also looks for what
//! must not be there: a process, a worktree, a folder of data, a change of the user's repository.

/// The sample app: PostgreSQL, Redis, Node and Python. Named so that it starts first: it takes
/// longest.
mod a_real_app;
/// Answers that are wrong, in one arm or in both.
mod answers;
/// What `tollgate baseline` keeps and shows.
mod baselines;
/// Real bundlers from npm. Takes long as well.
mod bundlers;
/// What frontends ship: routes, files, packages, and where they come from.
mod bundles;
/// `tollgate canary`: the gate proved on the project itself.
mod canary;
/// `tollgate compare`: run files judged again.
mod compare;
/// Services in real containers.
mod containers;
/// Base measured a second time beside itself.
mod control;
mod data;
/// A disk that is full.
mod disk;
/// `tollgate explain`: the numbers behind a verdict.
mod explain;
/// Frontends that grow, that do not build, and whose base does not build.
mod frontends;
/// Comments, statuses and workflows on a double of GitHub.
mod github;
/// Ctrl-C, SIGTERM and `kill -9`, at several moments.
mod interrupts;
/// Services that answer with a model.
mod models;
/// Messages that nobody takes.
mod queues;
/// What is sent: variables, folders of files, batches; and over what.
mod requests;
/// Services that do not start, do not answer or do not stay.
mod services;
/// Logging in, and what happens to the token.
mod sessions;
mod shards;
/// The builder, the runner and the look for what is left.
mod support;
/// Where Tollgate is started: a workflow, a git hook, a shallow clone, a dirty working tree.
mod surroundings;
/// Targets, and what policy makes of a verdict.
mod targets;
/// Wrong usage: message, hint, exit code.
mod usage;
/// The same, slower, and under load.
mod verdicts;
