-- What GitHub said of the pull request of an acceptance: open, closed, merged, superseded; none where
-- nobody has asked. PostgreSQL: the same text, see 0001.
alter table acceptances add column merging text;
