/** Sandboxes that the server starts, and what nodes have to do for them. */
export const SANDBOXES = `
create table sandboxes (
  id text primary key,
  node text not null references nodes (id) on delete cascade,
  state text not null,
  work text,
  came_from text,
  snapshot text,
  contract text,
  memory_mib integer not null,
  on_timeout text not null,
  labels jsonb not null,
  error text,
  created_by text not null,
  created timestamptz(3) not null,
  updated timestamptz(3) not null
);
create index sandboxes_node on sandboxes (node);

create table work (
  id text primary key,
  number bigint generated always as identity,
  node text not null references nodes (id) on delete cascade,
  sandbox text,
  body text not null,
  state text not null check (state in ('queued', 'done', 'failed')),
  code text,
  message text,
  created timestamptz(3) not null,
  finished timestamptz(3)
);
create index work_queued on work (node, number) where state = 'queued';
create index work_finished on work (finished) where finished is not null;
`;
