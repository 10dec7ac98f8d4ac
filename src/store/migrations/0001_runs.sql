-- One row per measured revision; rows are added and never changed.
-- `body` is the run as JSON, everything before it is copied out of it to find a run by.
-- PostgreSQL: the same text with `bigint generated always as identity primary key` for `id`.
create table runs (
    id integer primary key,
    project text not null,
    commit_hash text not null,
    tree_hash text not null,
    label text not null,
    measured_at text not null, -- UTC, whole seconds, so that text order is time order
    machine text not null,
    metrics bigint not null,
    format bigint not null,
    body text not null
);

create index runs_by_commit on runs (project, commit_hash, measured_at);
