/** What the server holds nodes and operators to. Never changed once released. */
export const BOUNDS = `
alter table pools add column unplanned text not null default 'refuse'
  check (unplanned in ('refuse', 'allow'));

alter table plan_versions add column variants jsonb not null default '[]';

alter table verdicts add column under_plan text;
update verdicts set under_plan = verdict;
alter table verdicts alter column under_plan set not null;
alter table verdicts add check
  (under_plan in ('compatible', 'insecure', 'incompatible', 'unknown'));

alter table nodes add column touched xid8 not null default pg_current_xact_id();
create function touch() returns trigger language plpgsql as
  $$ begin new.touched = pg_current_xact_id(); return new; end $$;
create trigger nodes_touched before insert or update on nodes
  for each row execute function touch();
alter table nodes set (fillfactor = 50);

create table former_nodes (
  name text primary key,
  baseline text not null,
  cordoned boolean not null,
  deleted timestamptz(3) not null
);

create table manifests (
  digest text primary key,
  kind text not null check (kind in ('template', 'sandbox')),
  contract text not null references contracts (digest),
  memory_mib integer not null,
  bytes bigint not null,
  parent text,
  created timestamptz(3) not null,
  reported_by text not null
);
create index manifests_reported_by on manifests (reported_by);
create index contracts_reported_by on contracts (reported_by);
`;
