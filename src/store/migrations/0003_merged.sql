-- What tells whether an acceptance has become part of a branch, and how much was accepted; accepted
-- once more with another ceiling, both are kept. PostgreSQL: the same text, see 0001.
create table acceptances_by_ceiling (
    id integer primary key,
    project text not null,
    commit_hash text not null,
    metric text not null,
    ceiling double precision, -- as a share; none is what was measured
    accepted_by text not null,
    reason text not null,
    accepted_at text not null,
    pull_request bigint,
    measured double precision, -- how much worse it was on that commit, as a share
    merged_as text -- the commit that GitHub merged the pull request as
);
insert into acceptances_by_ceiling
    (project, commit_hash, metric, ceiling, accepted_by, reason, accepted_at)
    select project, commit_hash, metric, ceiling, accepted_by, reason, accepted_at
    from acceptances order by id;
drop table acceptances;
alter table acceptances_by_ceiling rename to acceptances;
create unique index acceptances_once on acceptances
    (project, commit_hash, metric, accepted_by, reason, coalesce(ceiling, -1.0));
