/** Plan versions that reach a pool in waves. Never changed once released. */
export const ROLLOUTS = `
alter table plan_versions drop constraint plan_versions_state_check;
alter table plan_versions add constraint plan_versions_state_check
  check (state in ('proposed', 'rolling', 'running', 'superseded'));

alter table nodes add column plan_refused text;

create table rollouts (
  pool text primary key references pools (name) on delete cascade,
  version integer not null,
  stage text not null check (stage in ('canary', 'share', 'all')),
  state text not null check (state in ('rolling', 'halted', 'done')),
  why text,
  canaries jsonb not null,
  started timestamptz(3) not null,
  stage_since timestamptz(3) not null
);
`;
