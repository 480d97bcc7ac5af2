//! How tenants fare.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::HeaderName;
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use towerblock_metrics::{By, TenantReport};
use towerblock_respond::Refused;

use crate::caller::Admin;
use crate::reply::invalid;
use crate::state::Shared;

const MOST: usize = 100;

#[derive(Deserialize)]
pub(crate) struct Ranking {
    #[serde(default)]
    by: Measure,
    #[serde(default = "ten")]
    n: usize,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Measure {
    #[default]
    Errors,
    Time,
    Requests,
}

const fn ten() -> usize {
    10
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Worst {
    active_tenants: usize,
    tenants: Vec<Fares>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fares {
    tenant: String,
    requests: u64,
    errors: u64,
    refused: u64,
    dropped: u64,
    busy_ms: f64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    idle_s: Option<u64>,
    refusals: BTreeMap<String, u64>,
}

/// Those with most errors, most time, or most requests of late.
pub(crate) async fn worst(
    _: Admin,
    State(state): State<Shared>,
    ranking: Result<Query<Ranking>, QueryRejection>,
) -> Result<([(HeaderName, &'static str); 1], Json<Worst>), Refused> {
    let ranking = ranking.map(|Query(ranking)| ranking).ok();
    let ranking = ranking.filter(|ranking| (1..=MOST).contains(&ranking.n));
    let expected = "by: expected errors, time or requests; n: expected 1 to 100";
    let Ranking { by, n } = ranking.ok_or_else(|| invalid(expected))?;
    let by = match by {
        Measure::Errors => By::Errors,
        Measure::Time => By::BusyTime,
        Measure::Requests => By::Requests,
    };
    let worst = state.board.worst(by, n);
    let worst = Worst {
        active_tenants: state.board.active(),
        tenants: worst.into_iter().map(Fares::from).collect(),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(worst)))
}

impl From<TenantReport> for Fares {
    fn from(of: TenantReport) -> Self {
        let [p50, p95, p99] = match of.percentiles {
            Some(times) => times.map(|time| Some(time.as_secs_f64() * 1_000.0)),
            None => [None; 3],
        };
        let refusals = of.refusals.iter();
        Self {
            tenant: of.tenant.as_str().to_owned(),
            requests: of.requests,
            errors: of.errors,
            refused: of.refused,
            dropped: of.dropped,
            busy_ms: of.busy.as_secs_f64() * 1_000.0,
            p50_ms: p50,
            p95_ms: p95,
            p99_ms: p99,
            idle_s: of.idle.map(|idle| idle.as_secs()),
            refusals: refusals
                .map(|(reason, count)| (reason.to_string(), *count))
                .collect(),
        }
    }
}
