//! What is known of the queries, as JSON: times in milliseconds, the rest as it is counted.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use towerblock_postgres as postgres;
use towerblock_respond::Refused;

use crate::caller::Admin;
use crate::reply::{invalid, missing};
use crate::state::Shared;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    /// Only labels under which a query was slow.
    #[serde(default)]
    slow_only: bool,
}

/// The report of the cluster's statistics.
pub(crate) async fn report(
    _: Admin,
    State(state): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(filter) = filter.map_err(|_| invalid("slowOnly: expected true or false"))?;
    let queries = state.store.queries();
    let queries = queries.ok_or_else(|| missing("there is no database, and so no query"))?;
    let mut report = queries.report(Instant::now());
    if filter.slow_only {
        report = report.slow_only();
    }
    let json = Json(Report::from(report));
    Ok(([(CACHE_CONTROL, "no-store")], json).into_response())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    age_ms: f64,
    slow_after_ms: f64,
    total: Total,
    queries: Vec<Label>,
    slow_per_minute: f64,
    slow: Vec<Slow>,
    problematic_tenants: Vec<Window>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    count: u64,
    errors: u64,
    cancelled: u64,
    refused: u64,
    slow: u64,
    rows: u64,
    execute_ms: f64,
    hold_ms: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    label: &'static str,
    #[serde(flatten)]
    total: Total,
    wait: Spread,
    connect: Spread,
    execute: Spread,
    hold: Spread,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spread {
    count: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Slow {
    label: &'static str,
    tenant: Option<String>,
    took_ms: f64,
    ago_ms: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    over_ms: f64,
    active_tenants: u64,
    connections: f64,
    tenants: Vec<Load>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Load {
    tenant: String,
    reason: &'static str,
    share: f64,
    fair_share: f64,
    connections: f64,
    queries: u64,
    rows: u64,
    execute_ms: f64,
    hold_ms: f64,
}

impl From<postgres::Report> for Report {
    fn from(of: postgres::Report) -> Self {
        Self {
            age_ms: ms(of.age),
            slow_after_ms: ms(of.slow_after),
            total: of.total.into(),
            queries: of.labels.into_iter().map(Label::from).collect(),
            slow_per_minute: of.slow_per_minute,
            slow: of.slow.into_iter().map(Slow::from).collect(),
            problematic_tenants: of.windows.into_iter().map(Window::from).collect(),
        }
    }
}

impl From<postgres::Total> for Total {
    fn from(of: postgres::Total) -> Self {
        Self {
            count: of.queries,
            errors: of.errors,
            cancelled: of.cancelled,
            refused: of.refused,
            slow: of.slow,
            rows: of.rows,
            execute_ms: ms(of.execute),
            hold_ms: ms(of.hold),
        }
    }
}

impl From<postgres::LabelReport> for Label {
    fn from(of: postgres::LabelReport) -> Self {
        Self {
            label: of.label,
            total: Total {
                count: of.queries,
                errors: of.errors,
                cancelled: of.cancelled,
                refused: of.refused,
                slow: of.slow,
                rows: of.rows,
                execute_ms: ms(of.total),
                hold_ms: ms(of.held),
            },
            wait: of.wait.into(),
            connect: of.connect.into(),
            execute: of.execute.into(),
            hold: of.hold.into(),
        }
    }
}

impl From<postgres::Spread> for Spread {
    fn from(of: postgres::Spread) -> Self {
        Self {
            count: of.count,
            p50_ms: ms(of.p50),
            p95_ms: ms(of.p95),
            p99_ms: ms(of.p99),
            max_ms: ms(of.max),
        }
    }
}

impl From<postgres::SlowQuery> for Slow {
    fn from(of: postgres::SlowQuery) -> Self {
        Self {
            label: of.label,
            tenant: of.tenant.map(|tenant| tenant.as_str().to_owned()),
            took_ms: ms(of.took),
            ago_ms: ms(of.ago),
        }
    }
}

impl From<postgres::Window> for Window {
    fn from(of: postgres::Window) -> Self {
        Self {
            over_ms: ms(of.over),
            active_tenants: of.active,
            connections: of.connections,
            tenants: of.tenants.into_iter().map(Load::from).collect(),
        }
    }
}

impl From<postgres::TenantLoad> for Load {
    fn from(of: postgres::TenantLoad) -> Self {
        Self {
            tenant: of.tenant.as_str().to_owned(),
            reason: of.cause.as_str(),
            share: of.share,
            fair_share: of.fair_share,
            connections: of.connections,
            queries: of.queries,
            rows: of.rows,
            execute_ms: ms(of.execute),
            hold_ms: ms(of.hold),
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
