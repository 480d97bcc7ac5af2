use std::num::NonZeroUsize;
use std::sync::{OnceLock, PoisonError};
use std::task::Waker;

use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::share::ShareOf;
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::turns::{Taken, Turn, Turns};
use crate::wakes::Wakes;
use crate::{Acquire, Share};

/// What clones of a semaphore, its slots and its waiters share.
pub(crate) struct Shared {
    turns: Mutex<Turns<Option<Waker>>>,
    share_of: OnceLock<ShareOf>,
}

impl Shared {
    pub(crate) fn new(slots: NonZeroUsize) -> Self {
        Self {
            turns: Mutex::new(Turns::new(slots.get())),
            share_of: OnceLock::new(),
        }
    }

    /// Asks for shares from now on, if nobody is asked yet.
    pub(crate) fn ask(&self, share_of: ShareOf) {
        if self.share_of.set(share_of).is_ok() {
            self.turns().count_tenants();
        }
    }

    #[inline]
    pub(crate) fn give_back(&self, taken: Taken) {
        self.settle(|turns| {
            let now = turns.is_waited_for().then(Instant::now);
            turns.give_back(taken, now);
        })
        .wake();
    }

    pub(crate) fn poll(&self, key: usize, waker: &Waker) -> Turn {
        // Cloned before and dropped after the lock: wakers are an executor's code, and the last
        // one of a task may drop that task, with the slots it has.
        let waker = Some(waker.clone());
        let (turn, _unused) = self.turns().poll(key, waker);
        turn
    }

    pub(crate) fn expire(&self, key: usize) -> Turn {
        let now = Instant::now();
        let (turn, _unused) = self.turns().expire(key, now);
        turn
    }

    pub(crate) fn exchange(this: &Arc<Self>, taken: Option<Taken>, tenant: &TenantId) -> Acquire {
        let share = this.share_of(tenant);
        let mut turns = this.turns();
        let waits = turns.exchange(taken, tenant, share, Instant::now());
        let wakes = handed_out(&mut turns);
        drop(turns);
        wakes.wake();
        match waits {
            Ok(key) => Acquire::waits(Arc::clone(this), key, None),
            Err(rejected) => Acquire::decided(Err(rejected)),
        }
    }

    /// Cancel safety: a slot that was handed to whoever leaves goes to the next.
    pub(crate) fn leave(&self, key: usize) {
        let (taken, _unused) = self.turns().leave(key);
        if let Some(taken) = taken {
            self.give_back(taken);
        }
    }

    #[inline]
    pub(crate) fn share_of(&self, tenant: &TenantId) -> Share {
        self.share_of
            .get()
            .map_or_else(Share::default, |share_of| share_of.of(tenant))
    }

    /// Changes something, and hands out what is free then.
    #[inline]
    pub(crate) fn settle(&self, change: impl FnOnce(&mut Turns<Option<Waker>>)) -> Wakes {
        let mut turns = self.turns();
        change(&mut turns);
        handed_out(&mut turns)
    }

    #[inline]
    pub(crate) fn turns(&self) -> MutexGuard<'_, Turns<Option<Waker>>> {
        // No user code runs under this lock, so what a panic left is still whole.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[inline]
pub(crate) fn handed_out(turns: &mut Turns<Option<Waker>>) -> Wakes {
    let mut wakes = Wakes::default();
    while let Some(called) = turns.next() {
        // Without a waker it was not polled yet, and will see its slot when it is.
        if let Some(waker) = called {
            wakes.push(waker);
        }
    }
    wakes
}
