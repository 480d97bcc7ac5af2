create table if not exists assembled_plugins (
    tenant text not null,
    id bigint not null,
    name text not null,
    team bigint not null,
    version text not null,
    summary text not null,
    primary key (tenant, id)
);
insert into assembled_plugins
select 't' || lpad(t::text, 5, '0'), id, 'plugin-' || lpad(id::text, 4, '0'), id % 3,
    format('1.%s.0', id), format('What plugin %s does, in one short sentence.', id)
from generate_series(1, 10000) t, generate_series(1, 20) id
on conflict do nothing;
analyze assembled_plugins;
