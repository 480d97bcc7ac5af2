use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::plan::MOST;
use crate::{InvalidName, Name, Plan, Quota, Rate, RatePolicy, Scope};

/// Plans from a text in TOML: a table for each, all fields but those shown first are optional.
///
/// ```
/// use towerblock_quota::{Plans, plans_from_toml};
///
/// let plans = plans_from_toml(r#"
///     [free]
///     rates = [{ name = "requests", limit = 100, seconds = 60, strict = true, blocked_seconds = 60 }]
///     quotas = { plugins = { stock = 100 }, api_calls = { monthly = 10_000 } }
///
///     [pro]
///     weight = 4
///     rates = [
///         { name = "requests", limit = 1_000, seconds = 60, burst = 200 },
///         { name = "per-user", limit = 10, scope = "user", shadow = true },
///     ]
/// "#)?;
/// assert_eq!(Plans::new(plans).get("free").map(|plan| plan.policies().len()), Some(1));
/// # Ok::<_, towerblock_quota::InvalidPlans>(())
/// ```
///
/// `seconds` is 1 unless given; `scope` is `tenant`, `user` or `route`.
///
/// # Errors
///
/// [`InvalidPlans`], which says where and what.
pub fn plans_from_toml(text: &str) -> Result<Vec<Plan>, InvalidPlans> {
    let written: BTreeMap<String, PlanRow> = read(text)?;
    let plans = written.into_iter().map(|(name, row)| {
        let plan = row.plan(&name);
        plan.map_err(|cause| InvalidPlans(Cause::In(name, Box::new(cause))))
    });
    plans.collect()
}

/// The plan of this name, from what stands in its table.
#[cfg(feature = "postgres")]
pub(crate) fn plan_from_toml(name: &str, terms: &str) -> Result<Plan, InvalidPlans> {
    let plan = read(terms).and_then(|row: PlanRow| row.plan(name));
    plan.map_err(|cause| InvalidPlans(Cause::In(name.to_owned(), Box::new(cause))))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Cause> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        // On one line, which its own text is not.
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        Cause::Text { line, message }
    })
}

/// The text is no list of plans.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidPlans(#[from] Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("line {line}: {message}")]
    Text { line: usize, message: String },
    #[error("plan {0}: {1}")]
    In(String, Box<Self>),
    #[error("{0:?}: {1}")]
    Name(String, InvalidName),
    #[error("rate {0:?} is strict: its limit is at most 65535, and it has no burst")]
    Strict(String),
    #[error("quota {0:?} is either a stock or monthly")]
    Quota(String),
    #[error("it has more than {MOST} rates")]
    Many,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanRow {
    weight: Option<NonZeroU16>,
    #[serde(default)]
    rates: Vec<RateRow>,
    #[serde(default)]
    quotas: BTreeMap<String, QuotaRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateRow {
    name: String,
    limit: NonZeroU64,
    #[serde(default = "one")]
    seconds: NonZeroU64,
    burst: Option<NonZeroU64>,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    scope: ScopeRow,
    #[serde(default)]
    blocked_seconds: u64,
    #[serde(default)]
    shadow: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScopeRow {
    #[default]
    Tenant,
    User,
    Route,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaRow {
    stock: Option<u64>,
    monthly: Option<u64>,
    #[serde(default)]
    overage: u64,
    #[serde(default)]
    soft: bool,
}

impl QuotaRow {
    fn quota(&self) -> Option<Quota> {
        let quota = match (self.stock, self.monthly) {
            (Some(limit), None) => Quota::stock(limit),
            (None, Some(limit)) => Quota::monthly(limit),
            _ => return None,
        };
        Some(if self.soft {
            quota.soft()
        } else {
            quota.overage(self.overage)
        })
    }
}

const fn one() -> NonZeroU64 {
    NonZeroU64::MIN
}

impl PlanRow {
    fn plan(self, name: &str) -> Result<Plan, Cause> {
        if self.rates.len() > MOST {
            return Err(Cause::Many);
        }
        let rates: Result<_, _> = self.rates.into_iter().map(RateRow::policy).collect();
        let mut plan = Plan::new(name).with_rates(rates?);
        if let Some(weight) = self.weight {
            plan = plan.weight(weight);
        }
        for (name, row) in self.quotas {
            let quota = row.quota().ok_or_else(|| Cause::Quota(name.clone()))?;
            plan = plan.quota(named(&name)?, quota);
        }
        Ok(plan)
    }
}

impl RateRow {
    fn policy(self) -> Result<RatePolicy, Cause> {
        let per = Duration::from_secs(self.seconds.get());
        let rate = match (self.strict, NonZeroU16::try_from(self.limit), self.burst) {
            (false, _, None) => Rate::new(self.limit, per),
            (false, _, Some(burst)) => Rate::new(self.limit, per).burst(burst),
            (true, Ok(limit), None) => Rate::strict(limit, per),
            (true, ..) => return Err(Cause::Strict(self.name)),
        };
        let scope = match self.scope {
            ScopeRow::Tenant => Scope::Tenant,
            ScopeRow::User => Scope::User,
            ScopeRow::Route => Scope::Route,
        };
        let policy = RatePolicy::new(named(&self.name)?, rate)
            .per(scope)
            .penalty(Duration::from_secs(self.blocked_seconds));
        Ok(if self.shadow { policy.shadow() } else { policy })
    }
}

fn named(name: &str) -> Result<Name, Cause> {
    Name::new(name).map_err(|error| Cause::Name(name.to_owned(), error))
}
