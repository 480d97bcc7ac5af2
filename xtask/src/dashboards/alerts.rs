/// What somebody has to hear of, and how it is tried.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    pub(crate) expr: &'static str,
    /// How long it has to be so.
    pub(crate) hold: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) summary: &'static str,
    /// When the tests look.
    pub(crate) at: &'static str,
    pub(crate) fires: &'static [Fires],
    /// Where it must not fire.
    pub(crate) rests: &'static [&'static Input],
}

/// Series, and their values a minute apart: `0+3x4` is 0 3 6 9 12.
pub(crate) type Input = [(&'static str, &'static str)];

/// A test in which it fires.
#[derive(Debug)]
pub(crate) struct Fires {
    pub(crate) of: &'static Input,
    /// Beside its severity.
    pub(crate) labels: &'static [(&'static str, &'static str)],
    pub(crate) summary: &'static str,
}

const PAGE: &str = "page";
const TICKET: &str = "ticket";

pub(crate) const fn all() -> &'static [Alert] {
    ALL
}

#[rustfmt::skip]
static ALL: &[Alert] = &[
    Alert {
        name: "InstanceDown",
        expr: "up == 0",
        hold: "1m",
        severity: PAGE,
        summary: "{{ $labels.instance }} of {{ $labels.job }} does not answer",
        at: "5m",
        fires: &[Fires {
            of: &[(r#"up{job="app",instance="a"}"#, "1 1 0x10"), (r#"up{job="app",instance="b"}"#, "1x10")],
            labels: &[("job", "app"), ("instance", "a")],
            summary: "a of app does not answer",
        }],
        rests: &[&[(r#"up{job="app",instance="a"}"#, "1 1 1 1 1 0")]],
    },
    Alert {
        name: "InstanceNotReady",
        expr: "lifecycle_phase != 1",
        hold: "5m",
        severity: TICKET,
        summary: "{{ $labels.instance }} has not been ready for 5 minutes",
        at: "8m",
        fires: &[Fires {
            of: &[(r#"lifecycle_phase{job="app",instance="a"}"#, "0x10")],
            labels: &[("job", "app"), ("instance", "a")],
            summary: "a has not been ready for 5 minutes",
        }],
        rests: &[
            &[(r#"lifecycle_phase{job="app",instance="a"}"#, "0 0 1x10")],
            &[(r#"lifecycle_phase{job="app",instance="a"}"#, "1 1 1 1 1 2 2 2 2")],
        ],
    },
    Alert {
        name: "SlowRequests",
        expr: "job:http_request_duration:p95_5m > 0.15 and on (job) job:http_requests:rate5m > 0.1",
        hold: "5m",
        severity: PAGE,
        summary: "5 of 100 requests of {{ $labels.job }} take more than {{ $value | humanizeDuration }}",
        at: "15m",
        fires: &[Fires {
            of: &[
                (r#"http_requests_total{job="app"}"#, "0+600x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.15"}"#, "0+540x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.25"}"#, "0+600x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="+Inf"}"#, "0+600x20"),
            ],
            labels: &[("job", "app")],
            summary: "5 of 100 requests of app take more than 200ms",
        }],
        rests: &[
            // 4 of 100 are slow.
            &[
                (r#"http_requests_total{job="app"}"#, "0+600x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.15"}"#, "0+576x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.25"}"#, "0+600x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="+Inf"}"#, "0+600x20"),
            ],
            // Half of them are, for 3 minutes.
            &[
                (r#"http_requests_total{job="app"}"#, "0+600x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.15"}"#, "0+600x11 6900+300x9"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.25"}"#, "0+600x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="+Inf"}"#, "0+600x20"),
            ],
            // Two requests a minute say little.
            &[
                (r#"http_requests_total{job="app"}"#, "0+2x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.15"}"#, "0x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="0.25"}"#, "0+2x20"),
                (r#"http_request_duration_seconds_bucket{job="app",le="+Inf"}"#, "0+2x20"),
            ],
        ],
    },
    Alert {
        name: "RequestsFail",
        expr: "job:http_errors:ratio5m > 0.01",
        hold: "2m",
        severity: PAGE,
        summary: "{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} fail",
        at: "10m",
        fires: &[Fires {
            of: &[
                (r#"http_requests_total{job="app",status="200"}"#, "0+980x20"),
                (r#"http_requests_total{job="app",status="503"}"#, "0+20x20"),
            ],
            labels: &[("job", "app")],
            summary: "2% of the requests of app fail",
        }],
        rests: &[
            &[
                (r#"http_requests_total{job="app",status="200"}"#, "0+995x20"),
                (r#"http_requests_total{job="app",status="500"}"#, "0+5x20"),
                (r#"http_requests_total{job="app",status="404"}"#, "0+100x20"),
            ],
            &[(r#"http_requests_total{job="app",status="200"}"#, "0+995x20")],
            &[
                (r#"http_requests_total{job="app",status="200"}"#, "0+995x20"),
                (r#"http_requests_total{job="app",status="500"}"#, "0x9 100+100x9"),
            ],
        ],
    },
    Alert {
        name: "TenantFails",
        expr: r#"sum by (job, tenant) (rate(tenant_errors_total{tenant!="__none__"}[5m])) / (job_tenant:tenant_requests:rate5m > 0.1) > 0.1"#,
        hold: "5m",
        severity: TICKET,
        summary: "{{ $value | humanizePercentage }} of the requests of tenant {{ $labels.tenant }} fail",
        at: "15m",
        fires: &[Fires {
            of: &[
                (r#"tenant_requests_total{job="app",tenant="acme"}"#, "0+100x20"),
                (r#"tenant_errors_total{job="app",tenant="acme"}"#, "0+50x20"),
                (r#"tenant_requests_total{job="app",tenant="__other__"}"#, "0+1000x20"),
                (r#"tenant_errors_total{job="app",tenant="__other__"}"#, "0+1x20"),
            ],
            labels: &[("job", "app"), ("tenant", "acme")],
            summary: "50% of the requests of tenant acme fail",
        }],
        rests: &[
            &[
                (r#"tenant_requests_total{job="app",tenant="acme"}"#, "0+100x20"),
                (r#"tenant_errors_total{job="app",tenant="acme"}"#, "0+9x20"),
            ],
            &[
                (r#"tenant_requests_total{job="app",tenant="acme"}"#, "0+100x20"),
                (r#"tenant_errors_total{job="app",tenant="acme"}"#, "0x11 50+50x9"),
            ],
        ],
    },
    Alert {
        name: "CircuitOpen",
        // Half-open meanwhile, for a probe, it is open as before.
        expr: "max by (job, instance, circuit) (max_over_time(breaker_state[1m])) >= 2 < 4",
        hold: "2m",
        severity: PAGE,
        summary: "{{ $labels.instance }} leaves {{ $labels.circuit }} alone",
        at: "9m",
        fires: &[
            Fires {
                of: &[
                    (r#"breaker_state{job="app",instance="a",circuit="database.read"}"#, "0 0 2 1 2 1 2 1 2 1 2"),
                    (r#"breaker_state{job="app",instance="a",circuit="database.write"}"#, "4x10"),
                ],
                labels: &[("job", "app"), ("instance", "a"), ("circuit", "database.read")],
                summary: "a leaves database.read alone",
            },
            Fires {
                of: &[(r#"breaker_state{job="app",instance="a",circuit="forced"}"#, "3x10")],
                labels: &[("job", "app"), ("instance", "a"), ("circuit", "forced")],
                summary: "a leaves forced alone",
            },
        ],
        rests: &[&[(r#"breaker_state{job="app",instance="a",circuit="database.read"}"#, "0 0 0 0 0 0 0 0 2 2 2")]],
    },
    Alert {
        name: "SlowQueries",
        expr: "job_label:postgres_queries_over_1s:increase10m > 5",
        hold: "1m",
        severity: TICKET,
        summary: "{{ $value | humanize }} queries {{ $labels.label }} took more than a second, in 10 minutes",
        at: "15m",
        fires: &[Fires {
            of: &[
                (r#"postgres_query_execute_seconds_count{job="app",label="list"}"#, "0+10x20"),
                (r#"postgres_query_execute_seconds_bucket{job="app",label="list",le="1"}"#, "0+9x20"),
            ],
            labels: &[("job", "app"), ("label", "list")],
            summary: "10 queries list took more than a second, in 10 minutes",
        }],
        rests: &[
            &[
                (r#"postgres_query_execute_seconds_count{job="app",label="list"}"#, "0+10x20"),
                (r#"postgres_query_execute_seconds_bucket{job="app",label="list",le="1"}"#, "0+10x20"),
            ],
            &[
                (r#"postgres_query_execute_seconds_count{job="app",label="list"}"#, "0+10x20"),
                (r#"postgres_query_execute_seconds_bucket{job="app",label="list",le="1"}"#, "0+10x14 140 150"),
            ],
        ],
    },
    Alert {
        name: "PoolExhausted",
        expr: "min_over_time(pool_waiting[2m]) > 0 or min_over_time(postgres_waiting[2m]) > 0",
        hold: "2m",
        severity: PAGE,
        summary: "{{ $value }} calls of {{ $labels.instance }} wait for a connection all the time",
        at: "9m",
        fires: &[
            Fires {
                of: &[(r#"postgres_waiting{job="app",instance="a",server="one"}"#, "0 0 3x10")],
                labels: &[("job", "app"), ("instance", "a"), ("server", "one")],
                summary: "3 calls of a wait for a connection all the time",
            },
            Fires {
                of: &[(r#"pool_waiting{job="app",instance="a",source="orders"}"#, "2x10")],
                labels: &[("job", "app"), ("instance", "a"), ("source", "orders")],
                summary: "2 calls of a wait for a connection all the time",
            },
        ],
        rests: &[
            &[(r#"postgres_waiting{job="app",instance="a",server="one"}"#, "5 5 5 5 5 5 5 0 5 5")],
            &[(r#"postgres_waiting{job="app",instance="a",server="one"}"#, "0 0 0 0 0 0 5 5 5 5")],
        ],
    },
    Alert {
        name: "ServerAway",
        expr: "postgres_away == 1",
        hold: "1m",
        severity: PAGE,
        summary: "PostgreSQL {{ $labels.server }} does not answer {{ $labels.instance }}",
        at: "5m",
        fires: &[Fires {
            of: &[(r#"postgres_away{job="app",instance="a",server="one"}"#, "0 0 1x10")],
            labels: &[("job", "app"), ("instance", "a"), ("server", "one")],
            summary: "PostgreSQL one does not answer a",
        }],
        rests: &[&[(r#"postgres_away{job="app",instance="a",server="one"}"#, "0 0 0 1 0 1")]],
    },
    Alert {
        name: "RedisAway",
        expr: "redis_connections == 0",
        hold: "1m",
        severity: TICKET,
        summary: "{{ $labels.instance }} has no connection to Redis {{ $labels.redis }}",
        at: "5m",
        fires: &[Fires {
            of: &[(r#"redis_connections{job="app",instance="a",redis="main"}"#, "2 2 0x10")],
            labels: &[("job", "app"), ("instance", "a"), ("redis", "main")],
            summary: "a has no connection to Redis main",
        }],
        rests: &[&[(r#"redis_connections{job="app",instance="a",redis="main"}"#, "2 2 2 0 1 0")]],
    },
    Alert {
        name: "CacheMisses",
        expr: "job:cache_hits:ratio5m < 0.6 and on (job) job:cache_lookups:rate5m > 1",
        hold: "15m",
        severity: TICKET,
        summary: "only {{ $value | humanizePercentage }} of what {{ $labels.job }} looks up is in its cache",
        at: "25m",
        fires: &[Fires {
            of: &[
                (r#"cache_hits_total{job="app",source="memory"}"#, "0+400x30"),
                (r#"cache_hits_total{job="app",source="remote"}"#, "0+100x30"),
                (r#"cache_misses_total{job="app"}"#, "0+500x30"),
            ],
            labels: &[("job", "app")],
            summary: "only 50% of what app looks up is in its cache",
        }],
        rests: &[
            &[
                (r#"cache_hits_total{job="app",source="memory"}"#, "0+400x30"),
                (r#"cache_hits_total{job="app",source="remote"}"#, "0+300x30"),
                (r#"cache_misses_total{job="app"}"#, "0+300x30"),
            ],
            // For 10 minutes, as after a start.
            &[
                (r#"cache_hits_total{job="app",source="memory"}"#, "0+700x14 9800x12"),
                (r#"cache_misses_total{job="app"}"#, "0x14 700+700x12"),
            ],
            // One lookup in two minutes.
            &[
                (r#"cache_hits_total{job="app",source="memory"}"#, "0x30"),
                (r#"cache_misses_total{job="app"}"#, "0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10 10 11 11 12 12 13"),
            ],
        ],
    },
    Alert {
        name: "Shedding",
        expr: "sum by (job, instance) (rate(shed_refused_total[5m])) > 0.1",
        hold: "5m",
        severity: TICKET,
        summary: "{{ $labels.instance }} has refused {{ $value | humanize }} requests a second, for want of room, for 5 minutes",
        at: "15m",
        fires: &[Fires {
            of: &[(r#"shed_refused_total{job="app",instance="a",reason="overloaded"}"#, "0+120x20")],
            labels: &[("job", "app"), ("instance", "a")],
            summary: "a has refused 2 requests a second, for want of room, for 5 minutes",
        }],
        rests: &[
            &[(r#"shed_refused_total{job="app",instance="a",reason="overloaded"}"#, "0+120x3 360x20")],
            &[(r#"shed_refused_total{job="app",instance="a",reason="overloaded"}"#, "0x11 120+120x9")],
        ],
    },
    Alert {
        name: "QuotaFallback",
        expr: r#"sum by (job, instance) (increase(quota_fleet_decided_total{source="share"}[5m])) > 0"#,
        hold: "5m",
        severity: TICKET,
        summary: "{{ $labels.instance }} decides by its share of limits, without Redis",
        at: "15m",
        fires: &[Fires {
            of: &[
                (r#"quota_fleet_decided_total{job="app",instance="a",source="share"}"#, "0+10x20"),
                (r#"quota_fleet_decided_total{job="app",instance="b",source="lease"}"#, "0+10x20"),
            ],
            labels: &[("job", "app"), ("instance", "a")],
            summary: "a decides by its share of limits, without Redis",
        }],
        rests: &[
            &[(r#"quota_fleet_decided_total{job="app",instance="a",source="share"}"#, "0 10 20 20x20")],
            &[(r#"quota_fleet_decided_total{job="app",instance="a",source="share"}"#, "0x11 10+10x9")],
        ],
    },
    Alert {
        name: "OutboxSilent",
        expr: "cache_outbox_silent_seconds > 30",
        hold: "1m",
        severity: TICKET,
        summary: "{{ $labels.instance }} has not read what others wrote for {{ $value | humanizeDuration }}: its cache may be stale",
        at: "4m",
        fires: &[Fires {
            of: &[(r#"cache_outbox_silent_seconds{job="app",instance="a"}"#, "1 1 60 120 180")],
            labels: &[("job", "app"), ("instance", "a")],
            summary: "a has not read what others wrote for 3m 0s: its cache may be stale",
        }],
        rests: &[
            &[(r#"cache_outbox_silent_seconds{job="app",instance="a"}"#, "1 1 29 29 29")],
            &[(r#"cache_outbox_silent_seconds{job="app",instance="a"}"#, "1 1 1 1 60")],
        ],
    },
    Alert {
        name: "FilesRunOut",
        expr: "process_open_fds > 0.8 * process_max_fds",
        hold: "5m",
        severity: PAGE,
        summary: "{{ $labels.instance }} has {{ $value }} files and sockets open, near to its limit",
        at: "8m",
        fires: &[Fires {
            of: &[
                (r#"process_open_fds{job="app",instance="a"}"#, "900x10"),
                (r#"process_max_fds{job="app",instance="a"}"#, "1024x10"),
            ],
            labels: &[("job", "app"), ("instance", "a")],
            summary: "a has 900 files and sockets open, near to its limit",
        }],
        rests: &[
            &[
                (r#"process_open_fds{job="app",instance="a"}"#, "700x10"),
                (r#"process_max_fds{job="app",instance="a"}"#, "1024x10"),
            ],
            &[
                (r#"process_open_fds{job="app",instance="a"}"#, "100x4 900x10"),
                (r#"process_max_fds{job="app",instance="a"}"#, "1024x20"),
            ],
        ],
    },
];
