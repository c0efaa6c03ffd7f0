/** Which server does what one alone may do. Never changed once released. */
export const LEADERS = `
create table leaders (
  duty text primary key,
  server text not null,
  epoch bigint not null,
  until timestamptz(3) not null
);

update sandboxes set work = null, error = 'its node was deleted', state =
  case state when 'creating' then 'failed' when 'resuming' then 'paused'
    when 'pausing' then 'running' when 'killing' then 'failed' else state end
  where work is not null and not exists (select 1 from work w where w.id = sandboxes.work);
`;
