use crate::dashboards::grafana::{Board, Panel, panel};

/// All dashboards, in the order in which a fault is looked for.
pub(crate) fn all() -> Vec<Board> {
    vec![
        fleet(),
        tenants(),
        pools(),
        cache(),
        circuits(),
        quotas(),
        outbox(),
    ]
}

#[rustfmt::skip]
fn fleet() -> Board {
    Board {
        uid: "fleet",
        title: "fleet",
        about: "Rate, errors and duration of all requests, by route, and the processes that answer them.",
        panels: vec![
            panel("Requests by route", "reqps", &[("sum by (route) (rate(http_requests_total{$j}[$r]))", "{{route}}")]),
            panel("Requests by status", "reqps", &[("sum by (status) (rate(http_requests_total{$j}[$r]))", "{{status}}")]),
            panel("Errors of all requests", "percentunit", &[(
                r#"(sum(rate(http_requests_total{status=~"5..",$j}[$r])) or vector(0)) / sum(rate(http_requests_total{$j}[$r]))"#, "5xx",
            )]),
            panel("Time to the head", "s", &[
                ("histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{$j}[$r])))", "p50"),
                ("histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{$j}[$r])))", "p95"),
                ("histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{$j}[$r])))", "p99"),
            ]),
            panel("Time to the head, p95 by route", "s", &[(
                "histogram_quantile(0.95, sum by (route, le) (rate(http_request_duration_seconds_bucket{$j}[$r])))", "{{route}}",
            )]),
            panel("Time to the end of the body", "s", &[
                ("histogram_quantile(0.5, sum by (le) (rate(http_exchange_duration_seconds_bucket{$j}[$r])))", "p50"),
                ("histogram_quantile(0.95, sum by (le) (rate(http_exchange_duration_seconds_bucket{$j}[$r])))", "p95"),
                ("histogram_quantile(0.99, sum by (le) (rate(http_exchange_duration_seconds_bucket{$j}[$r])))", "p99"),
            ]),
            panel("Did not end well", "reqps", &[("sum by (failure) (rate(http_request_failures_total{$j}[$r]))", "{{failure}}")]),
            panel("In flight", "short", &[("sum by (method) (http_requests_in_flight{$j})", "{{method}}")]),
            panel("Bodies", "Bps", &[
                ("sum(rate(http_request_body_bytes_total{$j}[$r]))", "received"),
                ("sum(rate(http_response_body_bytes_total{$j}[$r]))", "sent"),
            ]),
            panel("Memory", "bytes", &[("process_resident_memory_bytes{$j}", "{{instance}}")]),
            panel("Processors", "short", &[("rate(process_cpu_seconds_total{$j}[$r])", "{{instance}}")]),
            panel("Files and threads", "short", &[
                ("process_open_fds{$j}", "files of {{instance}}"),
                ("process_threads{$j}", "threads of {{instance}}"),
            ]),
            panel("Phase", "short", &[("lifecycle_phase{$j}", "{{instance}}")]),
            panel("Connections", "short", &[("lifecycle_connections{$j}", "{{instance}}")]),
            panel("Accepted", "cps", &[
                ("sum(rate(lifecycle_accepted_total{$j}[$r]))", "accepted"),
                ("sum(rate(lifecycle_not_accepted_total{$j}[$r]))", "not accepted"),
            ]),
        ],
    }
}

#[rustfmt::skip]
fn tenants() -> Board {
    Board {
        uid: "tenants",
        title: "tenants",
        about: "What each tenant gets. Those that do most, fail most or wait longest have series; the rest is __other__.",
        panels: vec![
            panel("Most requests", "reqps", &[("topk(10, sum by (tenant) (rate(tenant_requests_total{$j}[$r])))", "{{tenant}}")]),
            panel("Most errors", "reqps", &[("topk(10, sum by (tenant) (rate(tenant_errors_total{$j}[$r])))", "{{tenant}}")]),
            panel("Most time", "short", &[("topk(10, sum by (tenant) (rate(tenant_busy_seconds_total{$j}[$r])))", "{{tenant}}")]),
            panel("Slowest, p95 on any instance", "s", &[("topk(10, max by (tenant) (tenant_duration_p95_seconds{$j}))", "{{tenant}}")]),
            panel("Slowest, p99 on any instance", "s", &[("topk(10, max by (tenant) (tenant_duration_p99_seconds{$j}))", "{{tenant}}")]),
            panel("Slowest, p50 on any instance", "s", &[("topk(10, max by (tenant) (tenant_duration_p50_seconds{$j}))", "{{tenant}}")]),
            panel("Most refused", "reqps", &[("topk(10, sum by (tenant) (rate(tenant_refused_total{$j}[$r])))", "{{tenant}}")]),
            panel("Refused, by reason", "reqps", &[("sum by (reason) (rate(tenant_board_refusals_total{$j}[$r]))", "{{reason}}")]),
            panel("Most went away", "reqps", &[("topk(10, sum by (tenant) (rate(tenant_dropped_total{$j}[$r])))", "{{tenant}}")]),
            panel("Errors of a tenant's requests", "percentunit", &[(
                "topk(10, sum by (tenant) (rate(tenant_errors_total{$j}[$r])) / (sum by (tenant) (rate(tenant_requests_total{$j}[$r])) > 0))", "{{tenant}}",
            )]),
            panel("Who asks", "reqps", &[
                (r#"sum(rate(tenant_requests_total{tenant!~"__.*",$j}[$r]))"#, "with a series"),
                (r#"sum(rate(tenant_requests_total{tenant="__other__",$j}[$r]))"#, "others"),
                (r#"sum(rate(tenant_requests_total{tenant="__none__",$j}[$r]))"#, "nobody"),
                ("sum(rate(tenant_board_requests_total{$j}[$r]))", "all"),
            ]),
            panel("Tenants", "short", &[
                ("max(tenant_board_active{$j})", "active in the last hour, on an instance"),
                ("max(tenant_board_shown{$j})", "with a series, on an instance"),
            ]),
            panel("Lookups of tenants", "ops", &[("sum by (outcome) (rate(tenant_registry_lookups_total{$j}[$r]))", "{{outcome}}")]),
            panel("Names kept", "short", &[("sum by (of) (tenant_registry_kept{$j})", "{{of}}")]),
            panel("Registry fails", "short", &[
                ("sum(tenant_registry_failing{$j})", "instances whose store fails"),
                ("sum(rate(tenant_registry_stale_total{$j}[$r]))", "served with what is old"),
            ]),
        ],
    }
}

#[rustfmt::skip]
fn pools() -> Board {
    Board {
        uid: "pools",
        title: "pools and PostgreSQL",
        about: "Connections and who waits for them; servers; queries by label.",
        panels: vec![
            panel("Connections of pools", "short", &[("sum by (source, state) (pool_connections{$j})", "{{source}} {{state}}")]),
            panel("Connections there may be", "short", &[("sum by (source) (pool_size{$j})", "{{source}}")]),
            panel("Wait for a connection of a pool", "short", &[("sum by (source) (pool_waiting{$j})", "{{source}}")]),
            panel("Got no connection", "ops", &[("sum by (source) (rate(pool_refused_total{$j}[$r]))", "{{source}}")]),
            panel("Connections opened and closed", "ops", &[
                ("sum by (outcome) (rate(pool_connects_total{$j}[$r]))", "{{outcome}}"),
                ("sum(rate(pool_closed_total{$j}[$r]))", "closed"),
                ("sum(rate(pool_evicted_total{$j}[$r]))", "did not pass their test"),
            ]),
            panel("Connections to servers", "short", &[
                ("sum by (server) (postgres_connections{$j})", "{{server}}, open"),
                ("sum by (server) (postgres_connections_used{$j})", "{{server}}, in use"),
            ]),
            panel("Wait for a server", "short", &[("sum by (server) (postgres_waiting{$j})", "{{server}}")]),
            panel("Servers", "short", &[
                ("sum by (server) (postgres_away{$j})", "{{server}} is away for instances"),
                ("sum by (server) (postgres_primary{$j})", "{{server}} takes writes of instances"),
            ]),
            panel("Behind the primary", "s", &[("max by (server) (postgres_lag_seconds{$j})", "{{server}}")]),
            panel("Queries", "ops", &[("sum by (label) (rate(postgres_queries_total{$j}[$r]))", "{{label}}")]),
            panel("Queries, p95", "s", &[("histogram_quantile(0.95, sum by (label, le) (rate(postgres_query_execute_seconds_bucket{$j}[$r])))", "{{label}}")]),
            panel("Slow queries", "ops", &[("sum by (label) (rate(postgres_slow_queries_total{$j}[$r]))", "{{label}}")]),
            panel("Waited for room, p95", "s", &[("histogram_quantile(0.95, sum by (label, le) (rate(postgres_query_wait_seconds_bucket{$j}[$r])))", "{{label}}")]),
            panel("Waited for a new connection, p95", "s", &[("histogram_quantile(0.95, sum by (label, le) (rate(postgres_query_connect_seconds_bucket{$j}[$r])))", "{{label}}")]),
            panel("Had a connection, p95", "s", &[("histogram_quantile(0.95, sum by (label, le) (rate(postgres_query_hold_seconds_bucket{$j}[$r])))", "{{label}}")]),
            panel("Queries that did not succeed", "ops", &[
                ("sum(rate(postgres_query_errors_total{$j}[$r]))", "failed"),
                ("sum(rate(postgres_query_cancellations_total{$j}[$r]))", "cancelled"),
                ("sum(rate(postgres_query_refusals_total{$j}[$r]))", "got no connection"),
            ]),
            panel("Rows", "rowsps", &[("sum by (label) (rate(postgres_rows_total{$j}[$r]))", "{{label}}")]),
            panel("Tokens not heeded", "ops", &[
                ("sum by (reason) (rate(postgres_tokens_refused_total{$j}[$r]))", "{{reason}}"),
                ("sum(rate(postgres_foreign_tokens_total{$j}[$r]))", "of another cluster"),
            ]),
        ],
    }
}

#[rustfmt::skip]
fn cache() -> Board {
    Board {
        uid: "cache",
        title: "cache and Redis",
        about: "What is answered from memory, from Redis and by a load; and how the connections to Redis are.",
        panels: vec![
            panel("Hit ratio", "percentunit", &[(
                "sum(rate(cache_hits_total{$j}[$r])) / (sum(rate(cache_hits_total{$j}[$r])) + sum(rate(cache_misses_total{$j}[$r])))", "hits",
            )]),
            panel("Answers by source", "ops", &[
                ("sum by (source) (rate(cache_hits_total{$j}[$r]))", "{{source}}"),
                ("sum(rate(cache_misses_total{$j}[$r]))", "had to wait for a load"),
                ("sum(rate(cache_stale_served_total{$j}[$r]))", "of them stale"),
            ]),
            panel("Loads", "ops", &[
                ("sum(rate(cache_loads_total{$j}[$r]))", "begun"),
                ("sum by (kind) (rate(cache_load_errors_total{$j}[$r]))", "failed: {{kind}}"),
                ("sum by (load) (rate(cache_shed_total{$j}[$r]))", "no slot: {{load}}"),
            ]),
            panel("Memory", "bytes", &[("sum by (instance) (cache_bytes{$j})", "{{instance}}")]),
            panel("Entries and tenants", "short", &[
                ("sum by (instance) (cache_entries{$j})", "entries of {{instance}}"),
                ("sum by (instance) (cache_tenants{$j})", "tenants of {{instance}}"),
            ]),
            panel("Not kept", "ops", &[
                ("sum by (reason) (rate(cache_not_stored_total{$j}[$r]))", "{{reason}}"),
                ("sum(rate(cache_evicted_for_share_total{$j}[$r]))", "given up for the tenant's own"),
            ]),
            panel("Invalidations", "ops", &[("sum by (of) (rate(cache_invalidations_total{$j}[$r]))", "of a {{of}}")]),
            panel("Beyond memory", "ops", &[("sum by (what) (rate(cache_remote_total{$j}[$r]))", "{{what}}")]),
            panel("Calls of Redis", "ops", &[
                ("sum by (redis) (rate(redis_calls_total{$j}[$r]))", "{{redis}}, sent"),
                ("sum by (redis) (rate(redis_refused_total{$j}[$r]))", "{{redis}}, not sent"),
            ]),
            panel("Calls of Redis that failed", "ops", &[
                ("sum by (redis) (rate(redis_timeouts_total{$j}[$r]))", "{{redis}}, no answer in time"),
                ("sum by (redis) (rate(redis_lost_total{$j}[$r]))", "{{redis}}, connection ended"),
                ("sum by (redis) (rate(redis_replied_errors_total{$j}[$r]))", "{{redis}}, refused by the server"),
            ]),
            panel("Connections to Redis", "short", &[
                ("sum by (redis) (redis_connections{$j})", "{{redis}}"),
                ("sum by (redis) (redis_in_flight{$j})", "{{redis}}, calls in flight"),
                ("sum by (redis) (redis_subscribed{$j})", "{{redis}}, subscribed"),
            ]),
            panel("Changes of connections", "ops", &[
                ("sum by (redis) (rate(redis_connects_total{$j}[$r]))", "{{redis}}, made"),
                ("sum by (redis) (rate(redis_disconnects_total{$j}[$r]))", "{{redis}}, ended"),
                ("sum by (redis) (rate(redis_epochs_total{$j}[$r]))", "{{redis}}, other data"),
            ]),
            panel("Messages", "ops", &[
                ("sum by (redis) (rate(redis_messages_total{$j}[$r]))", "{{redis}}"),
                ("sum by (redis) (rate(redis_gaps_total{$j}[$r]))", "{{redis}}, maybe missed some"),
            ]),
        ],
    }
}

fn circuits() -> Board {
    Board {
        uid: "circuits",
        title: "circuits and shedding",
        about: "Dependencies that are left alone, and work that there is no room for.",
        panels: breakers().into_iter().chain(shedding()).collect(),
    }
}

#[rustfmt::skip]
fn breakers() -> Vec<Panel> {
    vec![
        panel("State: 0 closed, 1 half-open, 2 open, 3 forced open, 4 forced closed", "short", &[("max by (circuit) (breaker_state{$j})", "{{circuit}}")]),
        panel("Opened", "short", &[("sum by (circuit) (increase(breaker_opened_total{$j}[$r]))", "{{circuit}}")]),
        panel("Refused by a circuit", "ops", &[("sum by (circuit) (rate(breaker_refused_total{$j}[$r]))", "{{circuit}}")]),
        panel("Failed", "ops", &[
            ("sum by (circuit) (rate(breaker_failed_total{$j}[$r]))", "{{circuit}}, failed"),
            ("sum by (circuit) (rate(breaker_abandoned_total{$j}[$r]))", "{{circuit}}, given up"),
            ("sum by (circuit) (rate(breaker_stale_total{$j}[$r]))", "{{circuit}}, too late to count"),
        ]),
        panel("Answered by a fallback", "ops", &[("sum by (circuit) (rate(breaker_degraded_total{$j}[$r]))", "{{circuit}}")]),
        panel("Circuits of keys", "short", &[
            ("sum by (circuit) (breaker_keys{$j})", "{{circuit}}, remembered"),
            ("sum by (circuit) (breaker_keys_open{$j})", "{{circuit}}, open or half-open"),
        ]),
        panel("Refused by the circuit of a key", "ops", &[
            ("sum by (circuit) (rate(breaker_keys_refused_total{$j}[$r]))", "{{circuit}}"),
            ("sum by (circuit) (rate(breaker_keys_overflown_total{$j}[$r]))", "{{circuit}}, no room for the key"),
        ]),
        panel("Retries", "ops", &[("sum by (outcome) (rate(retry_budget_retries_total{$j}[$r]))", "{{outcome}}")]),
        panel("Tokens for retries", "short", &[("sum by (source) (retry_budget_tokens{$j})", "{{source}}")]),
    ]
}

#[rustfmt::skip]
fn shedding() -> Vec<Panel> {
    vec![
        panel("Shed: in flight and limit", "short", &[
            ("sum by (instance) (shed_in_flight{$j})", "{{instance}}"),
            ("sum by (instance) (shed_limit{$j})", "limit of {{instance}}"),
        ]),
        panel("Shed: refused", "reqps", &[("sum by (reason) (rate(shed_refused_total{$j}[$r]))", "{{reason}}")]),
        panel("Shed: by class", "reqps", &[
            ("sum by (class) (rate(shed_admitted_total{$j}[$r]))", "{{class}}, admitted"),
            ("sum by (class) (rate(shed_refused_of_class_total{$j}[$r]))", "{{class}}, refused"),
            ("sum(rate(shed_dropped_total{$j}[$r]))", "given up"),
        ]),
        panel("Bulkheads: in flight and limit", "short", &[
            ("sum by (source) (bulkhead_in_flight{$j})", "{{source}}"),
            ("sum by (source) (bulkhead_limit{$j})", "limit {{source}}"),
        ]),
        panel("Bulkheads: refused", "reqps", &[("sum by (source, reason) (rate(bulkhead_refused_total{$j}[$r]))", "{{source}} {{reason}}")]),
        panel("Bulkheads: by class", "reqps", &[
            ("sum by (class) (rate(bulkhead_admitted_total{$j}[$r]))", "{{class}}, admitted"),
            ("sum by (class) (rate(bulkhead_refused_of_class_total{$j}[$r]))", "{{class}}, refused"),
            ("sum(rate(bulkhead_dropped_total{$j}[$r]))", "given up"),
        ]),
        panel("Fair slots", "short", &[
            ("sum by (source) (fair_slots{$j})", "{{source}} there are"),
            ("sum by (source) (fair_slots_in_use{$j})", "{{source}} in use"),
            ("sum by (source) (fair_limit{$j})", "{{source}} limit"),
            ("sum by (source) (fair_limit_in_use{$j})", "{{source}} below the limit"),
        ]),
        panel("Wait for a fair slot", "short", &[
            ("sum by (source) (fair_waiting{$j})", "{{source}} waiters"),
            ("sum by (source) (fair_waiting_tenants{$j})", "{{source}} tenants that wait"),
            ("sum by (source) (fair_limit_tenants{$j})", "{{source}} tenants that hold one"),
        ]),
        panel("Got no fair slot", "ops", &[
            ("sum by (source, reason) (rate(fair_refused_total{$j}[$r]))", "{{source}} {{reason}}"),
            ("sum by (source, reason) (rate(fair_limit_refused_total{$j}[$r]))", "{{source}} {{reason}}"),
        ]),
    ]
}

#[rustfmt::skip]
fn quotas() -> Board {
    Board {
        uid: "quotas",
        title: "quotas",
        about: "Who was over a limit, and what decided so.",
        panels: vec![
            panel("Admitted", "reqps", &[("sum by (kind) (rate(quota_admitted_total{$j}[$r]))", "{{kind}}")]),
            panel("Refused", "reqps", &[("sum by (reason) (rate(quota_refused_total{$j}[$r]))", "{{reason}}")]),
            panel("Would be refused by a policy in shadow", "reqps", &[("sum(rate(quota_shadow_refused_total{$j}[$r]))", "requests")]),
            panel("Decided by", "reqps", &[("sum by (source) (rate(quota_fleet_decided_total{$j}[$r]))", "{{source}}")]),
            panel("Calls of Redis", "ops", &[
                ("sum(rate(quota_fleet_calls_total{$j}[$r]))", "calls"),
                ("sum(rate(quota_fleet_errors_total{$j}[$r]))", "not answered"),
            ]),
            panel("Instances, as far as is known", "short", &[("quota_fleet_instances{$j}", "to {{instance}}")]),
            panel("Use to be charged", "short", &[("sum(quota_fleet_owed{$j})", "keys")]),
            panel("Use charged late, or never", "ops", &[
                ("sum(rate(quota_fleet_settled_total{$j}[$r]))", "keys charged late"),
                ("sum(rate(quota_fleet_forgotten_total{$j}[$r]))", "requests forgotten"),
            ]),
            panel("Memory", "bytes", &[("sum by (instance) (quota_table_bytes{$j})", "{{instance}}")]),
            panel("No place of their own", "reqps", &[("sum(rate(quota_crowded_total{$j}[$r]))", "requests")]),
        ],
    }
}

#[rustfmt::skip]
fn outbox() -> Board {
    Board {
        uid: "outbox",
        title: "outbox",
        about: "Invalidations that were written with the data, and how soon they are found.",
        panels: vec![
            panel("Since the last round", "s", &[("max by (instance) (cache_outbox_silent_seconds{$j})", "{{instance}}")]),
            panel("Notes", "ops", &[
                ("sum(rate(cache_outbox_seen_total{$j}[$r]))", "found"),
                ("sum(rate(cache_outbox_told_total{$j}[$r]))", "told to Redis"),
            ]),
            panel("Rounds that failed", "ops", &[("sum by (instance) (rate(cache_outbox_errors_total{$j}[$r]))", "{{instance}}")]),
        ],
    }
}
