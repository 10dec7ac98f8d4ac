-- Of growth from zero there is no share. What an earlier version wrote in its place, the largest number
-- there is, was no limit at all and says nothing. PostgreSQL: the same text, see 0001.
alter table acceptances add column added double precision; -- how much it was, in the metric's unit
update acceptances set measured = null where measured > 1e300;
