-- What a run says about its place in the history, and what is asked for without reading whole runs.
-- PostgreSQL: the same text, see 0001.
alter table runs add column parent_hash text not null default '';
-- Name of the release it is the reference of; never removed while it has one.
alter table runs add column pinned text not null default '';

create table summaries (
    run_id bigint not null references runs (id) on delete cascade,
    metric text not null,
    samples bigint not null,
    median double precision not null,
    lowest double precision not null,
    highest double precision not null,
    primary key (run_id, metric)
);

create table acceptances (
    id integer primary key,
    project text not null,
    commit_hash text not null,
    metric text not null,
    ceiling double precision, -- as a share; none is any change
    accepted_by text not null,
    reason text not null,
    accepted_at text not null,
    unique (project, commit_hash, metric, accepted_by, reason)
);
