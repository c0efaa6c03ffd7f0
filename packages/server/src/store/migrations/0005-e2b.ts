/** What E2B's API has beyond the fleet's: teams' keys, and what a sandbox was asked for with. */
export const E2B = `
create table e2b_keys (
  id text primary key,
  team text not null,
  name text not null,
  hash text not null unique,
  created_by text not null,
  created timestamptz(3) not null,
  unique (team, name)
);

create table e2b_secrets (
  id integer primary key check (id = 1),
  secret text not null
);

create table e2b_sandboxes (
  sandbox text primary key references sandboxes (id) on delete cascade,
  team text not null,
  template text not null,
  metadata jsonb not null,
  allow_internet boolean not null,
  public_traffic boolean not null,
  auto_resume boolean not null,
  timeout_seconds integer not null,
  started timestamptz(3) not null,
  ends timestamptz(3) not null
);
create index e2b_sandboxes_team on e2b_sandboxes (team, started, sandbox);
`;
