use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_redis::Redis;

use super::counters::Counters;
use super::debts::{Debts, Owed};
use super::script::Want;
use super::settings::Fleet;
use super::slots::{Need, Slots};
use crate::decision::Source;
use crate::level::Level;
use crate::{Ask, Decision, RateLimiter, RatePolicy};

/// What a limiter and its task have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) redis: Redis,
    namespace: String,
    /// The key of the instances that there are, and the name of this one.
    pub(crate) instances: String,
    pub(crate) own: String,
    /// In nanoseconds.
    pub(crate) lease: u64,
    pub(crate) slots: Slots,
    pub(crate) debts: Debts,
    pub(crate) counters: Counters,
    /// Limits shares, while Redis is away.
    here: RateLimiter,
    at_least: u64,
    counted: AtomicU64,
    counted_before: AtomicU64,
}

impl Shared {
    pub(crate) fn new(capacity: NonZeroUsize, fleet: Fleet) -> Self {
        // Each has keys of its own, drawn by the system.
        let [one, other] = [(); 2].map(|()| RandomState::new().hash_one(&fleet.namespace));
        let at_least = u64::from(fleet.at_least.get());
        Self {
            redis: fleet.redis.beside("quota"),
            instances: format!("{}:rate:instances", fleet.namespace),
            namespace: fleet.namespace,
            own: format!("{one:016x}{other:016x}"),
            lease: u64::try_from(fleet.lease.as_nanos()).unwrap_or(0),
            slots: Slots::new(capacity),
            debts: Debts::new(capacity.get()),
            counters: Counters::default(),
            here: RateLimiter::new(capacity),
            at_least,
            counted: AtomicU64::new(at_least),
            counted_before: AtomicU64::new(at_least),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.here.bytes() + self.slots.bytes()
    }

    pub(crate) fn now(&self) -> u64 {
        self.here.nanos(Instant::now())
    }

    /// After an outage the first to be back counts itself alone, so that one count is not
    /// believed.
    pub(crate) fn set_instances(&self, count: u64) {
        let before = self.counted_before.swap(count, Ordering::Relaxed);
        let known = count.max(before).max(self.at_least);
        self.counted.store(known, Ordering::Relaxed);
    }

    /// How many there are; at least one.
    pub(crate) fn parts(&self) -> u64 {
        self.counted.load(Ordering::Relaxed).max(1)
    }

    /// How much may be taken in advance: this instance's part of what a lease's time brings. Zero
    /// where that is not worth it, or where each request has to be seen.
    pub(crate) fn most(&self, policy: &RatePolicy) -> u64 {
        let lasts = Duration::from_nanos(self.lease);
        let most = policy.rate.brings(lasts) / self.parts();
        match policy.penalty {
            0 if most >= 2 => most,
            _ => 0,
        }
    }

    pub(crate) fn want(&self, ask: &Ask, policy: &RatePolicy, most: u64) -> Option<Want> {
        let name = ask.named.key(&self.namespace, policy)?;
        Some(Want::new(name, policy, ask.cost, most))
    }

    /// By this instance's part of the rates, from what Redis said last. Cost times instances
    /// is the same as the rate divided by them.
    pub(crate) fn share(&self, ask: &Ask) -> Decision {
        let parts = self.parts();
        let now = Instant::now();
        let nanos = self.here.nanos(now);
        let prepare = |level: &mut Level<'_>| {
            let limit = level.policy.rate.limit();
            if ask.cost <= limit {
                level.cost = ask.cost.saturating_mul(parts).min(limit);
            }
            let need = Need {
                key: level.key,
                rate: &level.policy.rate,
                cost: ask.cost,
                most: 0,
                now: nanos,
            };
            let left = self.slots.take_left(need);
            level.used = left.map_or(0, |left| limit.saturating_sub(left));
        };
        let mut decision = self.here.decide_with(ask.clone(), now, prepare);
        decision.outcome.remaining /= parts;
        decision.outcome.source = Source::Share;
        self.counters.count(&decision.outcome);
        decision
    }

    /// As [`share`](Self::share), and what it admits is charged in Redis later.
    pub(crate) fn share_and_owe(&self, ask: &Ask) -> Decision {
        let decision = self.share(ask);
        let Some(plan) = ask.plan.as_ref().filter(|_| decision.is_admitted()) else {
            return decision;
        };
        for policy in plan.rates.iter().filter(|_| ask.cost > 0) {
            if let Some(key) = ask.key(policy.scope, policy.salt) {
                let part = policy.rate.limit().div_ceil(self.parts());
                let owed = Owed {
                    units: ask.cost,
                    most: part.max(ask.cost),
                    rate: policy.rate,
                    parts: self.parts(),
                    now: self.now(),
                };
                if !self
                    .debts
                    .add(key, owed, || self.want(ask, policy, ask.cost))
                {
                    self.counters.forgotten();
                }
            }
        }
        decision
    }
}
