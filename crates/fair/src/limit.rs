use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{OnceLock, PoisonError};

use towerblock_core::{Metric, Reason, Rejected, Stats, TenantId, Value};

use crate::list::{Linked, Links};
use crate::portions::{Portions, soft};
use crate::share::ShareOf;
use crate::sync::{Arc, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::tenants::{Known, Tenants, hash};
use crate::{Admission, Share};

/// So that two threads seldom meet, whichever tenants they serve.
const SHARDS: usize = 16;

/// Admits work up to a limit, without waiting, and shares what is scarce.
///
/// Below the soft limit everyone is admitted. Above it a tenant is admitted while it holds less
/// than its part of the limit: its weight, of the weights of all that hold something and of one
/// more, which may come. A tenant that holds nothing is refused only when the limit is reached.
///
/// Clones share the slots and the settings.
#[derive(Clone)]
pub struct FairLimit {
    shared: Arc<Shared>,
}

impl FairLimit {
    /// At most `limit` at once.
    #[must_use]
    pub fn new(limit: NonZeroUsize) -> Self {
        Self {
            shared: Arc::new(Shared::new(limit.get())),
        }
    }

    /// Admits everyone below so many percent of the limit; with 100, or more, up to the limit.
    /// Default: 80.
    #[must_use]
    pub fn soft_percent(self, percent: u8) -> Self {
        let percent = usize::from(percent.min(100));
        self.shared.percent.store(percent, Ordering::Relaxed);
        self.shared
            .set_limit(self.shared.limit.load(Ordering::Relaxed));
        self
    }

    /// Asks for the share of each tenant, at each call and outside any lock: keep it cheap. A
    /// changed weight counts once the tenant holds nothing. It can be set once; what a later
    /// call sets is ignored. Default: a weight of 1 for everyone, and no cap.
    #[must_use]
    pub fn share_of(self, share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static) -> Self {
        let _ = self.shared.share_of.set(ShareOf::new(share_of));
        self
    }

    /// Names what is shared, for [`Rejected::by`]. Default: `"fair"`.
    #[must_use]
    pub fn named(self, by: &'static str) -> Self {
        let _ = self.shared.by.set(by);
        self
    }

    /// A slot now, or a refusal.
    ///
    /// # Errors
    ///
    /// `Rejected` by [`Reason`]: `Overloaded` when the limit is reached, `OverShare` when the
    /// tenant has its part.
    pub fn admit(&self, tenant: &TenantId) -> Result<Admission, Rejected> {
        match self.shared.admit(tenant) {
            Ok((shard, holder)) => Ok(Admission::new(Arc::clone(&self.shared), shard, holder)),
            Err(reason) => Err(self.shared.refuse(reason)),
        }
    }

    /// From now on so many at once; nothing is taken away from anybody.
    pub fn resize(&self, limit: NonZeroUsize) {
        self.shared.set_limit(limit.get());
    }
}

impl fmt::Debug for FairLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.shared.limit.load(Ordering::Relaxed);
        let in_use = self.shared.total.load(Ordering::Relaxed);
        f.debug_struct("FairLimit")
            .field("limit", &limit)
            .field("in_use", &in_use)
            .finish_non_exhaustive()
    }
}

static LIMIT: Metric = Metric::gauge("fair_limit", "slots", "Slots there are");
static ADMITTED: Metric = Metric::gauge("fair_limit_in_use", "slots", "Slots that are taken");
static TENANTS: Metric = Metric::gauge("fair_limit_tenants", "tenants", "Tenants that hold a slot");
static REFUSED: Metric =
    Metric::counter("fair_limit_refused", "", "Refusals, by reason").labelled("reason");
static METRICS: &[Metric] = &[LIMIT, ADMITTED, TENANTS, REFUSED];

impl Stats for FairLimit {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let shared = &self.shared;
        let shards = shared.shards.iter();
        let tenants: usize = shards.map(|shard| locked(shard).active()).sum();
        for (metric, level) in [
            (&LIMIT, shared.limit.load(Ordering::Relaxed)),
            (&ADMITTED, shared.total.load(Ordering::Relaxed)),
            (&TENANTS, tenants),
        ] {
            sink(metric, "", Value::Level(level as f64));
        }
        for (reason, times) in [
            ("over_share", &shared.over_share),
            ("overloaded", &shared.overloaded),
        ] {
            sink(
                &REFUSED,
                reason,
                Value::Count(times.load(Ordering::Relaxed)),
            );
        }
    }
}

/// What clones of a limit and its slots share.
pub(crate) struct Shared {
    limit: AtomicUsize,
    soft: AtomicUsize,
    percent: AtomicUsize,
    total: AtomicUsize,
    /// The weights of the tenants that hold something.
    active: AtomicU64,
    shards: [Mutex<Tenants<Holder>>; SHARDS],
    share_of: OnceLock<ShareOf>,
    by: OnceLock<&'static str>,
    over_share: AtomicU64,
    overloaded: AtomicU64,
}

/// A tenant that holds something now.
#[derive(Debug)]
struct Holder {
    tenant: TenantId,
    weight: u32,
    held: usize,
    links: Links,
}

impl Shared {
    fn new(limit: usize) -> Self {
        Self {
            limit: AtomicUsize::new(limit),
            soft: AtomicUsize::new(soft(limit, 80)),
            percent: AtomicUsize::new(80),
            total: AtomicUsize::new(0),
            active: AtomicU64::new(0),
            shards: std::array::from_fn(|_| Mutex::default()),
            share_of: OnceLock::new(),
            by: OnceLock::new(),
            over_share: AtomicU64::new(0),
            overloaded: AtomicU64::new(0),
        }
    }

    fn set_limit(&self, limit: usize) {
        let percent = self.percent.load(Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        self.soft.store(soft(limit, percent), Ordering::Relaxed);
    }

    fn admit(&self, tenant: &TenantId) -> Result<(usize, usize), Reason> {
        let share = self
            .share_of
            .get()
            .map_or_else(Share::default, |share_of| share_of.of(tenant));
        let limit = self.limit.load(Ordering::Relaxed);
        let portions = Portions::new(limit, self.soft.load(Ordering::Relaxed));
        // A flood beyond the limit does not come as far as a lock.
        if self.total.load(Ordering::Relaxed) >= limit {
            return Err(Reason::Overloaded);
        }
        let index = shard_of(tenant);
        let mut holders = self.shard(index);
        let found = holders.find(tenant);
        let held = found.map_or(0, |holder| holders.arena.at(holder).held);
        let joins = if held == 0 {
            u64::from(share.size())
        } else {
            0
        };
        let active = self.active.load(Ordering::Relaxed) + joins;
        self.count_in(|total| portions.allow(total, held, share, active))?;
        let key = match found {
            Some(key) => {
                holders.rouse(key);
                key
            }
            None => holders.add(Holder::new(tenant.clone())),
        };
        let holder = holders.arena.at_mut(key);
        holder.held += 1;
        if held == 0 {
            holder.weight = share.size();
            self.active.fetch_add(joins, Ordering::Relaxed);
        }
        Ok((index, key))
    }

    pub(crate) fn give_back(&self, shard: usize, holder: usize) {
        let mut holders = self.shard(shard);
        holders.arena.at_mut(holder).held -= 1;
        if holders.arena.at(holder).held == 0 {
            let weight = u64::from(holders.arena.at(holder).weight);
            self.active.fetch_sub(weight, Ordering::Relaxed);
            holders.rest(holder);
        }
        drop(holders);
        // Release: see `count_in`.
        self.total.fetch_sub(1, Ordering::Release);
    }

    /// Counts one more, if that is allowed in the very moment when it is counted.
    fn count_in(&self, allow: impl Fn(usize) -> Result<(), Reason>) -> Result<(), Reason> {
        let mut total = self.total.load(Ordering::Relaxed);
        loop {
            allow(total)?;
            let more = total + 1;
            // Acquire: what was done with a slot before it was given back has happened.
            let counted =
                self.total
                    .compare_exchange_weak(total, more, Ordering::Acquire, Ordering::Relaxed);
            match counted {
                Ok(_) => return Ok(()),
                Err(now) => total = now,
            }
        }
    }

    #[expect(clippy::indexing_slicing, reason = "`shard_of` stays below the length")]
    fn shard(&self, index: usize) -> MutexGuard<'_, Tenants<Holder>> {
        locked(&self.shards[index])
    }

    fn refuse(&self, reason: Reason) -> Rejected {
        let counter = match reason {
            Reason::OverShare => &self.over_share,
            _ => &self.overloaded,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Rejected::new(self.by.get().copied().unwrap_or("fair"), reason)
    }
}

impl Holder {
    fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            weight: 0,
            held: 0,
            links: Links::default(),
        }
    }
}

impl Known for Holder {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn is_idle(&self) -> bool {
        self.held == 0
    }
}

impl Linked for Holder {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

fn locked(shard: &Mutex<Tenants<Holder>>) -> MutexGuard<'_, Tenants<Holder>> {
    // No user code runs under this lock, so what a panic left is still whole.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shard_of(tenant: &TenantId) -> usize {
    // Not the bits by which the table in the shard tells tenants apart.
    (hash(tenant) >> 32) as usize % SHARDS
}

#[cfg(test)]
impl FairLimit {
    /// How many tenants it knows, and what it has room for in a shard.
    pub(crate) fn memory(&self) -> (usize, usize) {
        let shards = self.shared.shards.iter().map(locked);
        shards.fold((0, 0), |(known, room), shard| {
            (known + shard.active(), room.max(shard.room()))
        })
    }
}
