-- The tables, their indexes, and the extension that counts queries.

create extension if not exists pg_stat_statements;

create table app_user (
  id            integer primary key,
  email         text not null unique,
  name          text not null,
  password_salt text not null,
  password_hash text not null
);

create table project (
  id          integer primary key,
  owner_id    integer not null references app_user,
  name        text not null,
  description text not null,
  created_at  timestamptz(3) not null
);

create table image (
  id         integer primary key,
  project_id integer not null references project,
  name       text not null,
  status     text not null check (status in ('failed', 'pending', 'reviewed', 'segmented')),
  plate_code text not null,
  cell_count integer not null,
  width      integer not null,
  height     integer not null,
  stage_x    integer not null,
  stage_y    integer not null,
  taken_at   timestamptz(3) not null,
  metadata   json not null
);
-- Kept out of the rows and as it is, so that scans of the other columns stay quick.
alter table image alter column metadata set storage external;

-- A project's images, latest first: the project page, the latest image in the list.
create index image_project_taken on image (project_id, taken_at desc, id desc);
-- Search: one status, most cells first.
create index image_status_cells on image (status, cell_count desc, id);

create table segmentation (
  id         integer primary key,
  image_id   integer not null unique references image,
  model      text not null,
  confidence double precision not null,
  peaks      integer[] not null
);
