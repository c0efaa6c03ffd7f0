/** The first schema. Never changed once released: the next migration changes what it made. */
export const FLEET = `
create table authority (
  id integer primary key check (id = 1),
  certificate text not null,
  key text not null,
  created timestamptz(3) not null
);

create table join_tokens (
  id text primary key,
  hash text not null unique,
  labels jsonb not null,
  created_by text not null,
  created timestamptz(3) not null,
  expires timestamptz(3) not null,
  node text,
  key text,
  check ((node is null) = (key is null))
);

create table operator_tokens (
  name text primary key,
  role text not null check (role in ('view', 'operate', 'override')),
  hash text not null unique,
  created_by text not null,
  created timestamptz(3) not null
);

create table variants (
  id text primary key,
  class text not null,
  arch text not null,
  profile text not null,
  created timestamptz(3) not null
);

create table nodes (
  id text primary key,
  name text not null unique,
  labels jsonb not null,
  joined timestamptz(3) not null,
  seen timestamptz(3) not null,
  profile text not null,
  variant text not null references variants (id),
  held text,
  baseline text not null,
  pending_profile text,
  cordoned boolean not null,
  capacity jsonb not null,
  snapshots text not null,
  plan_pool text,
  plan_version integer,
  plan_digest text,
  plan_error text,
  certificate_expires timestamptz(3) not null
);
create index nodes_variant on nodes (variant);

create table profiles (
  digest text primary key,
  profile text not null,
  variant text not null references variants (id),
  class text not null,
  kernel text,
  microcode text,
  bios text,
  firecracker jsonb not null,
  tsc_khz integer
);

create table node_history (
  id bigint generated always as identity primary key,
  node text not null,
  time timestamptz(3) not null,
  profile text not null,
  drift text,
  reasons jsonb not null
);
create index node_history_node on node_history (node, id);

create table pools (
  name text primary key,
  selector jsonb not null,
  strategy text not null check (strategy in ('spread', 'pack')),
  running integer,
  created timestamptz(3) not null
);

create table plan_versions (
  pool text not null references pools (name) on delete cascade,
  version integer not null,
  state text not null check (state in ('proposed', 'running', 'superseded')),
  digest text not null,
  plan text not null,
  templates text not null,
  difference jsonb not null,
  created timestamptz(3) not null,
  created_by text not null,
  approved_by text,
  primary key (pool, version)
);
create unique index plan_versions_running on plan_versions (pool) where state = 'running';

create table contracts (
  digest text primary key,
  contract text not null,
  arch text not null,
  vendor text,
  class text,
  firecracker text not null,
  plan text,
  node text not null,
  reported_by text not null,
  created timestamptz(3) not null
);

create table findings (
  digest text primary key,
  findings jsonb not null
);

create table verdicts (
  contract text not null references contracts (digest) on delete cascade,
  variant text not null references variants (id) on delete cascade,
  verdict text not null check (verdict in ('compatible', 'insecure', 'incompatible', 'unknown')),
  findings text not null references findings (digest),
  rules text not null,
  revision bigint not null,
  primary key (contract, variant)
);
create index verdicts_variant on verdicts (variant);
create index verdicts_revision on verdicts (revision);

create table held_snapshots (
  node text not null references nodes (id) on delete cascade,
  name text not null,
  digest text not null,
  kind text not null check (kind in ('template', 'sandbox')),
  contract text not null references contracts (digest),
  memory_mib integer not null,
  bytes bigint not null,
  parent text,
  created timestamptz(3) not null,
  primary key (node, name)
);
create index held_snapshots_digest on held_snapshots (digest);
create index held_snapshots_contract on held_snapshots (contract);

create table audit (
  id bigint generated always as identity primary key,
  time timestamptz(3) not null,
  actor text not null,
  action text not null,
  subject text not null,
  data jsonb not null
);

create table answers (
  actor text not null,
  key text not null,
  request text not null,
  status integer not null,
  body text not null,
  created timestamptz(3) not null,
  primary key (actor, key)
);
`;
