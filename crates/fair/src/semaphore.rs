use std::fmt;
use std::num::NonZeroUsize;
use std::task::Waker;

use tokio::time::Instant;
use towerblock_core::{Metric, Rejected, Stats, TenantId, Value};

use crate::share::ShareOf;
use crate::shared::{Shared, handed_out};
use crate::sync::{Arc, MutexGuard};
use crate::turns::Turns;
use crate::{Acquire, Share, Slot};

/// Lends slots to tenants, in turns.
///
/// - *Within a tenant* first come, first served. *Between tenants* each that waits gets as
///   many slots per turn as its [`Share`] has weight. A slot given back goes to whoever's turn
///   it is; somebody who comes at that moment cannot snatch it.
/// - *No slot stays free* while somebody waits who may have it, except those reserved for
///   another tenant.
/// - *The queue is bounded*, and one tenant cannot fill it: when it is full, the newest waiter of
///   the tenant with most waiting makes room.
///
/// Clones share the slots, the queue and the settings.
#[derive(Clone)]
pub struct FairSemaphore {
    shared: Arc<Shared>,
}

impl FairSemaphore {
    /// So many slots.
    #[must_use]
    pub fn new(slots: NonZeroUsize) -> Self {
        Self {
            shared: Arc::new(Shared::new(slots)),
        }
    }

    /// Lets at most so many wait for each tenant, and in all. Default: 1,000 and 10,000.
    #[must_use]
    pub fn queue(self, per_tenant: usize, in_all: usize) -> Self {
        self.shared.turns().queue(per_tenant, in_all);
        self
    }

    /// Asks for the share of each tenant, at each call and outside any lock: keep it cheap. A
    /// changed share counts from the tenant's next call on. It can be set once; what a later
    /// call sets is ignored. Default: a weight of 1 for everyone, and no cap.
    #[must_use]
    pub fn share_of(self, share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static) -> Self {
        self.shared.ask(ShareOf::new(share_of));
        self
    }

    /// Keeps `slots` for this tenant alone; beyond these it has its turns like others. One
    /// slot at least is not kept for anybody: where more is asked for than there is, who was
    /// named first has more. Default: nothing is kept.
    #[must_use]
    pub fn reserve(self, tenant: &TenantId, slots: usize) -> Self {
        let share = self.shared.share_of(tenant);
        let wakes = self
            .shared
            .settle(|turns| turns.reserve(tenant, share, slots));
        wakes.wake();
        self
    }

    /// Names what is shared, for [`Rejected::by`]. Default: `"fair"`.
    #[must_use]
    pub fn named(self, by: &'static str) -> Self {
        self.shared.turns().named(by);
        self
    }

    /// Waits for a slot.
    ///
    /// The place in the queue is taken by this call, not by the first poll, and given up by
    /// dropping the future.
    ///
    /// # Errors
    ///
    /// `Rejected` by [`Reason`](towerblock_core::Reason): `OverShare` when the tenant has as
    /// many waiting as it may, or had most when the queue was full; `Overloaded` when the
    /// queue is full of others; `Draining` after [`close`](Self::close). With the time after
    /// which a slot may be free, once that is known.
    #[inline]
    pub fn acquire(&self, tenant: &TenantId) -> Acquire {
        self.enter(tenant, None)
    }

    /// Waits for a slot until `deadline`. When others wait already and the wait would be
    /// longer, by the mean of late, this is refused at once.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and when the deadline is too near, or there:
    /// `Overloaded`, or `OverShare` for a tenant that has all that its share allows.
    ///
    /// # Panics
    ///
    /// If it has to wait, polling it outside a tokio runtime with a timer.
    #[inline]
    pub fn acquire_before(&self, tenant: &TenantId, deadline: Instant) -> Acquire {
        self.enter(tenant, Some(deadline))
    }

    /// Takes a slot that is free now, and does not wait.
    ///
    /// # Errors
    ///
    /// `Rejected` when there is none that nobody waits for: `OverShare` for a tenant that has
    /// all that its share allows, `Draining` after [`close`](Self::close), else `Overloaded`.
    pub fn try_acquire(&self, tenant: &TenantId) -> Result<Slot, Rejected> {
        let share = self.shared.share_of(tenant);
        let mut turns = self.shared.turns();
        match turns.take(tenant, share) {
            Some(taken) => {
                drop(turns);
                Ok(Slot::new(Arc::clone(&self.shared), taken))
            }
            None => Err(turns.refuse_now(tenant, share, Instant::now())),
        }
    }

    /// From now on so many slots. When there are fewer, free ones go first, and then each that
    /// is given back until the rest fits; nothing is taken away from anybody. With 0, everyone
    /// waits until there are more.
    pub fn resize(&self, slots: usize) {
        self.shared.settle(|turns| turns.resize(slots)).wake();
    }

    /// Refuses all who wait, and all who come, with `Draining`. Slots that are out stay so.
    pub fn close(&self) {
        let called = self.shared.turns().close();
        called.into_iter().flatten().for_each(Waker::wake);
    }

    /// How many wait for a slot now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.turns().count().waiting
    }

    /// How many wait whom more slots might serve: all of them, or nobody, when each has what
    /// its share allows.
    #[must_use]
    pub fn short_of(&self) -> usize {
        let turns = self.shared.turns();
        if turns.is_short() {
            turns.count().waiting
        } else {
            0
        }
    }

    #[inline]
    fn enter(&self, tenant: &TenantId, deadline: Option<Instant>) -> Acquire {
        let share = self.shared.share_of(tenant);
        let mut turns = self.shared.turns();
        match turns.take(tenant, share) {
            Some(taken) => {
                drop(turns);
                Acquire::decided(Ok(Slot::new(Arc::clone(&self.shared), taken)))
            }
            None => self.line_up(turns, tenant, share, deadline),
        }
    }

    #[cold]
    fn line_up(
        &self,
        mut turns: MutexGuard<'_, Turns<Option<Waker>>>,
        tenant: &TenantId,
        share: Share,
        deadline: Option<Instant>,
    ) -> Acquire {
        let entered = turns.wait(tenant, share, deadline, Instant::now());
        let mut wakes = handed_out(&mut turns);
        drop(turns);
        let acquire = match entered {
            Ok((key, pushed_out)) => {
                if let Some(Some(waker)) = pushed_out {
                    wakes.push(waker);
                }
                Acquire::waits(Arc::clone(&self.shared), key, deadline)
            }
            Err(rejected) => Acquire::decided(Err(rejected)),
        };
        wakes.wake();
        acquire
    }
}

impl fmt::Debug for FairSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.shared.turns().count();
        f.debug_struct("FairSemaphore")
            .field("slots", &count.slots)
            .field("in_use", &count.in_use)
            .field("waiting", &count.waiting)
            .finish_non_exhaustive()
    }
}

static SLOTS: Metric = Metric::gauge("fair_slots", "slots", "Slots there are");
static IN_USE: Metric = Metric::gauge("fair_slots_in_use", "slots", "Slots that are taken");
static WAITING: Metric = Metric::gauge("fair_waiting", "", "Waiters for a slot");
static WAITING_TENANTS: Metric =
    Metric::gauge("fair_waiting_tenants", "tenants", "Tenants with a waiter");
static REFUSED: Metric =
    Metric::counter("fair_refused", "", "Refusals, by reason").labelled("reason");
pub(crate) static METRICS: &[Metric] = &[SLOTS, IN_USE, WAITING, WAITING_TENANTS, REFUSED];

impl Stats for FairSemaphore {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let count = self.shared.turns().count();
        for (metric, level) in [
            (&SLOTS, count.slots),
            (&IN_USE, count.in_use),
            (&WAITING, count.waiting),
            (&WAITING_TENANTS, count.waiting_tenants),
        ] {
            sink(metric, "", Value::Level(level as f64));
        }
        for (reason, times) in [
            ("over_share", count.refused.over_share),
            ("overloaded", count.refused.overloaded),
            ("draining", count.refused.draining),
        ] {
            sink(&REFUSED, reason, Value::Count(times));
        }
    }
}
