use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use towerblock_core::Stats;
use towerblock_respond::Refused;

use crate::caller::Admin;
use crate::reply::number;
use crate::state::Shared;

/// The process answers; nothing else is asked.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Whether this instance should get requests.
pub(crate) async fn ready(State(state): State<Shared>) -> Response {
    let no_store = [(CACHE_CONTROL, "no-store")];
    if state.is_ready() {
        return (no_store, "ready\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, no_store, "not ready\n").into_response()
}

/// health+json (draft-inadarei-api-health-check); the details are for admins.
pub(crate) async fn report(admin: Result<Admin, Refused>, State(state): State<Shared>) -> Response {
    let is_ready = state.is_ready();
    let mut report = json!({ "status": if is_ready { "pass" } else { "fail" } });
    if let (Ok(Admin), Some(details)) = (admin, report.as_object_mut()) {
        details.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        details.insert("serviceId".into(), state.instance.as_str().into());
        details.insert("checks".into(), checks(&state));
    }
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let headers = [
        (CONTENT_TYPE, "application/health+json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Json(report).into_response().into_body()).into_response()
}

fn checks(state: &Shared) -> Value {
    let mut checks = Map::new();
    let mut check = |name: String, value: Value, unit: &str| {
        checks.insert(
            name,
            json!([{ "observedValue": value, "observedUnit": unit }]),
        );
    };
    let uptime = state.started.elapsed().as_secs();
    check("uptime".to_owned(), uptime.into(), "s");
    let open = state.connections.load(Ordering::Relaxed);
    check("http:connections".to_owned(), open.into(), "connections");
    if let Some(bytes) = resident_bytes() {
        check("memory:resident".to_owned(), bytes.into(), "B");
    }
    if let Some(redis) = &state.caches.redis {
        let status = redis.watch().borrow().clone();
        let now = match (status.writes, status.reads, status.subscribed) {
            (true, _, true) => "up",
            (_, true, _) => "degraded",
            _ => "away",
        };
        check("redis:status".to_owned(), now.into(), "");
        if let Some(why) = status.why.as_deref() {
            check("redis:why".to_owned(), why.into(), "");
        }
    }
    for stats in state.stats() {
        stats.read(&mut |metric, label, value| {
            check(
                format!("{}:{label}", metric.name),
                number(&value),
                metric.unit,
            );
        });
    }
    checks.into()
}

pub(crate) async fn metrics(_: Admin, State(state): State<Shared>) -> Response {
    let queries = state.store.queries().map(|queries| queries as &dyn Stats);
    let all: Vec<_> = state.stats().chain(queries).collect();
    let text = state.metrics.render(&all);
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

/// Where the system tells it as Linux does.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}
