use std::sync::{OnceLock, PoisonError};

use towerblock_core::{Reason, Rejected, TenantId};

use crate::Share;
use crate::list::{Linked, Links};
use crate::portions::{Portions, soft};
use crate::share::ShareOf;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::tenants::{Known, Tenants};

/// So that two threads seldom meet, whichever tenants they serve.
const SHARDS: usize = 16;

/// What clones of a limit and its slots share.
pub(crate) struct Holders {
    pub(crate) limit: AtomicUsize,
    soft: AtomicUsize,
    percent: AtomicUsize,
    pub(crate) total: AtomicUsize,
    /// The weights of the tenants that hold something.
    active: AtomicU64,
    shards: [Mutex<Tenants<Holder>>; SHARDS],
    pub(crate) share_of: OnceLock<ShareOf>,
    pub(crate) by: OnceLock<&'static str>,
    pub(crate) over_share: AtomicU64,
    pub(crate) overloaded: AtomicU64,
}

/// What a slot is in: no tenant's part, or that of the one by this shard and key.
pub(crate) type Part = Option<(usize, usize)>;

/// A tenant that holds something now.
#[derive(Debug)]
struct Holder {
    tenant: TenantId,
    weight: u32,
    held: usize,
    links: Links,
}

impl Holders {
    pub(crate) fn new(limit: usize) -> Self {
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

    pub(crate) fn set_percent(&self, percent: usize) {
        self.percent.store(percent, Ordering::Relaxed);
        self.set_limit(self.limit.load(Ordering::Relaxed));
    }

    pub(crate) fn set_limit(&self, limit: usize) {
        let percent = self.percent.load(Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        self.soft.store(soft(limit, percent), Ordering::Relaxed);
    }

    /// All there is, shared from the soft limit on.
    pub(crate) fn portions(&self) -> Portions {
        let limit = self.limit.load(Ordering::Relaxed);
        Portions::new(limit, self.soft.load(Ordering::Relaxed))
    }

    /// What is below the soft limit.
    pub(crate) fn below_soft(&self) -> Portions {
        let soft = self.soft.load(Ordering::Relaxed);
        Portions::new(soft, soft)
    }

    pub(crate) fn admit(&self, tenant: &TenantId, portions: Portions) -> Result<Part, Reason> {
        let share = self
            .share_of
            .get()
            .map_or_else(Share::default, |share_of| share_of.of(tenant));
        // A flood beyond the limit does not come as far as a lock.
        if portions.are_taken(self.total.load(Ordering::Relaxed)) {
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
        Ok(Some((index, key)))
    }

    pub(crate) fn admit_unshared(&self, beyond: usize) -> Result<Part, Reason> {
        let limit = self.limit.load(Ordering::Relaxed).saturating_add(beyond);
        let portions = Portions::new(limit, limit);
        self.count_in(|total| {
            if portions.are_taken(total) {
                Err(Reason::Overloaded)
            } else {
                Ok(())
            }
        })?;
        Ok(None)
    }

    pub(crate) fn give_back(&self, part: Part) {
        if let Some((shard, holder)) = part {
            self.leave(shard, holder);
        }
        // Release: see `count_in`.
        self.total.fetch_sub(1, Ordering::Release);
    }

    /// How many tenants hold something.
    pub(crate) fn tenants(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| locked(shard).active()).sum()
    }

    fn leave(&self, shard: usize, holder: usize) {
        let mut holders = self.shard(shard);
        holders.arena.at_mut(holder).held -= 1;
        if holders.arena.at(holder).held == 0 {
            let weight = u64::from(holders.arena.at(holder).weight);
            self.active.fetch_sub(weight, Ordering::Relaxed);
            holders.rest(holder);
        }
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

    pub(crate) fn refuse(&self, reason: Reason) -> Rejected {
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
    (tenant.hash_code() >> 32) as usize % SHARDS
}

#[cfg(test)]
impl Holders {
    /// How many tenants it knows, and what it has room for in a shard.
    pub(crate) fn memory(&self) -> (usize, usize) {
        let shards = self.shards.iter().map(locked);
        shards.fold((0, 0), |(known, room), shard| {
            (known + shard.active(), room.max(shard.room()))
        })
    }
}
