use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::CACHE_CONTROL;
use jiff::Timestamp;
use serde::Serialize;
use towerblock_quota::{Decision, Quota, RatePolicy, Usage};
use towerblock_respond::Refused;
use towerblock_tenant::CurrentTenant;

use crate::caches::PRIVATE;
use crate::limits::{API_CALLS, PLUGINS, quota_of_calls};
use crate::state::Shared;

/// What a tenant has used of what its plan allows.
#[derive(Serialize)]
struct Shown<'p> {
    plan: &'p str,
    rates: Vec<Rate<'p>>,
    plugins: Amount,
    api_calls: Month,
}

#[derive(Serialize)]
struct Rate<'p> {
    name: &'p str,
    limit: u64,
    window_seconds: f64,
    /// Of the one of which least is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
}

/// Without a limit there is none, and nothing that remains of it.
#[derive(Serialize)]
struct Amount {
    used: u64,
    limit: Option<u64>,
    remaining: Option<u64>,
}

#[derive(Serialize)]
struct Month {
    #[serde(flatten)]
    amount: Amount,
    resets_at: Option<Timestamp>,
}

/// By the primary: it is not shown while that is away. Of calls, what this instance has not told
/// yet is added, and what others have not is missing, for a second.
pub(crate) async fn show(
    State(state): State<Shared>,
    tenant: CurrentTenant,
    decision: Option<Extension<Decision>>,
) -> Result<Response, Refused> {
    let plan = state.limits.plan(&tenant)?;
    let plugin = state.limits.plugin(&tenant)?;
    let (call, untold, until) = state.limits.calls.claim(&tenant.id, quota_of_calls(&plan));
    let usages = state.store.usage(&tenant, &[plugin, call]).await?;
    let used = |place| usages.get(place).map_or(0, |usage: &Usage| usage.used);
    let tightest = decision.as_ref().map(|Extension(decision)| decision);
    let shown = Shown {
        plan: plan.name(),
        rates: plan
            .policies()
            .iter()
            .map(|policy| Rate::of(policy, tightest))
            .collect(),
        plugins: Amount::of(used(0), plan.quota_of(PLUGINS)),
        api_calls: Month {
            amount: Amount::of(used(1) + untold, plan.quota_of(API_CALLS)),
            resets_at: Timestamp::from_second(until).ok(),
        },
    };
    Ok(([(CACHE_CONTROL, PRIVATE)], Json(shown)).into_response())
}

impl<'p> Rate<'p> {
    fn of(policy: &'p RatePolicy, tightest: Option<&Decision>) -> Self {
        let name = policy.name().as_str();
        let is_it = |decision: &&Decision| {
            let tightest = decision.policy();
            tightest.is_some_and(|tightest| tightest.name().as_str() == name)
        };
        Self {
            name,
            limit: policy.rate().limit(),
            window_seconds: policy.rate().window().as_secs_f64(),
            remaining: tightest.filter(is_it).map(Decision::remaining),
        }
    }
}

impl Amount {
    fn of(used: u64, quota: Option<Quota>) -> Self {
        let limit = quota.map(|quota| quota.limit());
        Self {
            used,
            limit,
            remaining: limit.map(|limit| limit.saturating_sub(used)),
        }
    }
}
