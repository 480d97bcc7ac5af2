//! What the plans allow: how fast tenants may ask, and how much they may have.

mod calls;
mod offer;
mod tally;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use tokio::time::MissedTickBehavior;
use towerblock_core::{BoxError, Reason, Rejected, Stats};
use towerblock_quota::{
    Ask, Claim, Decision, Fleet, FleetLimiter, Identify, Name, Plan, Plans, Quota, RateLimitLayer,
    RateLimiter, Usage,
};
use towerblock_redis::Redis;
use towerblock_tenant::Tenant;

pub(crate) use self::calls::Calls;
pub(crate) use self::offer::Offer;
use crate::caller::User;
use crate::state::Shared;

pub(crate) const PLUGINS: &str = "plugins";
pub(crate) const API_CALLS: &str = "api_calls";
/// Asking what is left is no call: whoever has none left may ask that.
pub(crate) const USAGE: &str = "/api/v1/usage";

/// Twice the tenants of the demo, each with some users: under 2 MB, and 10 MB with Redis.
const KEYS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();
/// So long after it was made a call may be unknown to other instances.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// The limits of this server, and the plans they follow.
pub(crate) struct Limits {
    plans: Plans,
    pub(crate) rates: RateLimitLayer<WhoAsks>,
    /// Through which instances share what was used; otherwise each limits for itself.
    pub(crate) fleet: Option<FleetLimiter>,
    pub(crate) calls: Arc<Calls>,
    plugins: Name,
}

/// By the plan in the tenant's record.
#[derive(Debug)]
pub(crate) struct WhoAsks(Plans);

impl Limits {
    /// With Redis, all of one namespace share them.
    pub(crate) fn new(offer: Offer, redis: Option<(&Redis, String)>) -> Result<Self, BoxError> {
        let plans = Plans::new(offer.0);
        let who = WhoAsks(plans.clone());
        let fleet = redis.map(|(redis, namespace)| {
            let fleet = Fleet::new(redis.clone(), namespace)?;
            Ok::<_, BoxError>(FleetLimiter::start(KEYS, fleet))
        });
        let fleet = fleet.transpose()?;
        Ok(Self {
            plans,
            rates: match &fleet {
                Some(fleet) => RateLimitLayer::fleet(fleet.clone(), who),
                None => RateLimitLayer::new(RateLimiter::new(KEYS), who),
            },
            fleet,
            calls: Arc::new(Calls::new(Name::new(API_CALLS)?)),
            plugins: Name::new(PLUGINS)?,
        })
    }

    pub(crate) fn plan(&self, tenant: &Tenant) -> Result<Arc<Plan>, Rejected> {
        let unknown = || Rejected::new("limits", Reason::UnknownTenant);
        plan_of(&self.plans, tenant).ok_or_else(unknown)
    }

    /// One plugin of this tenant.
    pub(crate) fn plugin(&self, tenant: &Tenant) -> Result<Claim, Rejected> {
        let quota = self.plan(tenant)?.quota_of(PLUGINS);
        let quota = quota.unwrap_or(Quota::stock(u64::MAX));
        Ok(Claim::new(&tenant.id, &self.plugins, quota))
    }

    /// Counts a call against the month of its tenant, unless that is used up.
    // A request is long to move.
    #[inline]
    pub(crate) fn count(&self, req: Request) -> Result<Request, Rejected> {
        let said = req.extensions();
        let (decision, tenant) = (said.get::<Decision>(), said.get::<Arc<Tenant>>());
        let plan = decision.and_then(Decision::plan);
        if let (Some(plan), Some(tenant)) = (plan, tenant)
            && req.uri().path() != USAGE
        {
            self.calls.count(&tenant.id, quota_of_calls(plan))?;
        }
        Ok(req)
    }

    pub(crate) fn stats(&self) -> Vec<Arc<dyn Stats>> {
        let mut all: Vec<Arc<dyn Stats>> =
            vec![Arc::new(self.rates.clone()), Arc::clone(&self.calls) as _];
        if let Some(fleet) = &self.fleet {
            all.push(Arc::new(fleet.clone()));
        }
        all
    }
}

impl<B> Identify<http::Request<B>> for WhoAsks {
    fn identify(&self, req: &http::Request<B>) -> Option<Ask> {
        let tenant = req.extensions().get::<Arc<Tenant>>()?;
        let ask = Ask::new(plan_of(&self.0, tenant)?, &tenant.id);
        Some(match req.extensions().get() {
            Some(User(user)) => ask.user(user),
            None => ask,
        })
    }
}

/// Has the store count what was called, again and again.
pub(crate) async fn settle(state: Shared) {
    let mut tick = tokio::time::interval(SETTLE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        state.limits.calls.settle(&*state.store).await;
    }
}

/// Tells of a quota that is half used, nearly or all.
pub(crate) fn tell(usage: &Usage) {
    if let Some(crossed) = &usage.crossed {
        let (tenant, resource) = (crossed.tenant.as_str(), crossed.resource.as_str());
        let (percent, used) = (crossed.percent, crossed.used);
        tracing::info!(tenant, resource, percent, used, "a quota is used so far");
    }
}

fn plan_of(plans: &Plans, tenant: &Tenant) -> Option<Arc<Plan>> {
    plans.get(&tenant.plan).or_else(|| plans.get(offer::LEAST))
}

pub(crate) fn quota_of_calls(plan: &Plan) -> Quota {
    plan.quota_of(API_CALLS).unwrap_or(Quota::monthly(u64::MAX))
}
