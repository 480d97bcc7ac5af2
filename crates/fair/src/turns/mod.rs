//! The policy of the semaphore, without async: who gets which slot, who waits, who is refused.
//!
//! Between two calls no slot is free that somebody who waits may have, if the caller asks
//! [`Turns::next`] until it says `None` after each call that takes or gives something.

mod places;
mod queue;
mod refusals;

use std::collections::BTreeSet;
use std::mem;

use tokio::time::Instant;
use towerblock_core::{Rejected, TenantId};

use crate::Share;
use crate::arena::Arena;
use crate::list::{Linked, Links, List};
use crate::pace::Pace;
use crate::seats::{Place, Seat};
use crate::tenants::Tenants;

pub(crate) use self::refusals::Refused;

/// A slot that is out, and for whom it counts; `None` where nobody counts.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Taken(Option<usize>);

/// What became of a waiter.
#[derive(Debug)]
pub(crate) enum Turn {
    Waits,
    Has(Taken),
    Refused(Rejected),
}

/// `W` is how a waiter is called, such as a waker.
#[derive(Debug)]
pub(crate) struct Turns<W> {
    by: &'static str,
    slots: usize,
    in_use: usize,
    /// Slots kept for one tenant each, and how many of these are in use.
    reserved: usize,
    private: usize,
    /// Whether it is counted what each tenant holds.
    counts: bool,
    closed: bool,
    per_tenant: usize,
    in_all: usize,
    queued: usize,
    waiters: Arena<Waiter<W>>,
    seats: Tenants<Seat>,
    /// Those with something reserved, in the order given.
    with_reserve: Vec<usize>,
    owed: List,
    ring: List,
    /// The weights of those in the ring.
    ring_weight: u64,
    /// Who waits with how many, by weight.
    backlogs: BTreeSet<(u64, usize)>,
    pace: Pace,
    refused: Refused,
}

/// The state in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) slots: usize,
    pub(crate) in_use: usize,
    pub(crate) waiting: usize,
    pub(crate) waiting_tenants: usize,
    pub(crate) refused: Refused,
}

#[derive(Debug)]
struct Waiter<W> {
    seat: usize,
    links: Links,
    state: State<W>,
}

#[derive(Debug)]
enum State<W> {
    Waits(W),
    Has(Taken),
    Refused(Rejected),
}

impl<W> Linked for Waiter<W> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<W: Default> Turns<W> {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            by: "fair",
            slots,
            in_use: 0,
            reserved: 0,
            private: 0,
            counts: false,
            closed: false,
            per_tenant: 1_000,
            in_all: 10_000,
            queued: 0,
            waiters: Arena::default(),
            seats: Tenants::default(),
            with_reserve: Vec::new(),
            owed: List::default(),
            ring: List::default(),
            ring_weight: 0,
            backlogs: BTreeSet::new(),
            pace: Pace::default(),
            refused: Refused::default(),
        }
    }

    pub(crate) fn named(&mut self, by: &'static str) {
        self.by = by;
    }

    pub(crate) fn queue(&mut self, per_tenant: usize, in_all: usize) {
        (self.per_tenant, self.in_all) = (per_tenant, in_all);
    }

    /// From now on it is counted what each tenant holds.
    pub(crate) fn count_tenants(&mut self) {
        self.counts = true;
    }

    pub(crate) fn reserve(&mut self, tenant: &TenantId, share: Share, wanted: usize) {
        self.counts = true;
        let seat = self.seats.enter(tenant, share);
        self.set_share(seat, share);
        let tenant = self.seats.arena.at_mut(seat);
        (tenant.wanted, tenant.reserve) = (wanted, 0);
        self.with_reserve.retain(|other| *other != seat);
        if wanted > 0 {
            self.with_reserve.push(seat);
        }
        self.spread_reserves();
        self.put_in_place(seat);
        self.seats.rest(seat);
    }

    pub(crate) fn resize(&mut self, slots: usize) {
        self.slots = slots;
        self.spread_reserves();
    }

    /// A slot at once, if one is free and nobody who waits may have it.
    pub(crate) fn take(&mut self, tenant: &TenantId, share: Share) -> Option<Taken> {
        if self.in_use >= self.slots || self.closed {
            return None;
        }
        // Whoever waits here could not have it: else it would not be free.
        if !self.counts {
            self.in_use += 1;
            return Some(Taken(None));
        }
        let found = self.seats.find(tenant);
        let (held, reserve, waiting) = found.map_or((0, 0, 0), |seat| {
            let seat = self.seats.arena.at(seat);
            (seat.held, seat.reserve, seat.waiters.len())
        });
        let for_it = held < reserve || self.has_shared();
        if waiting > 0 || held >= share.cap() || !for_it {
            return None;
        }
        let seat = match found {
            Some(seat) => {
                self.seats.rouse(seat);
                seat
            }
            None => self.seats.add(Seat::new(tenant.clone(), share)),
        };
        self.set_share(seat, share);
        Some(self.give(seat))
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.queued > 0
    }

    /// `now` is needed only while somebody waits.
    pub(crate) fn give_back(&mut self, Taken(seat): Taken, now: Option<Instant>) {
        self.in_use -= 1;
        if let (Some(now), true) = (now, self.queued > 0) {
            self.pace.gave_back(self.slots, now);
        }
        let Some(seat) = seat else { return };
        let holder = self.seats.arena.at_mut(seat);
        if holder.held <= holder.reserve {
            self.private -= 1;
        }
        holder.held -= 1;
        self.put_in_place(seat);
        self.seats.rest(seat);
    }

    /// Hands a free slot to whoever's turn it is, and says how to call them.
    pub(crate) fn next(&mut self) -> Option<W> {
        if self.in_use >= self.slots {
            return None;
        }
        let seat = match self.owed.front() {
            Some(seat) => seat,
            None if self.has_shared() => self.ring.front()?,
            None => return None,
        };
        let key = self.seats.arena.at(seat).waiters.front()?;
        let taken = if self.counts {
            self.give(seat)
        } else {
            self.in_use += 1;
            Taken(None)
        };
        let waiter = mem::replace(&mut self.waiters.at_mut(key).state, State::Has(taken));
        let was_in_ring = self.seats.arena.at(seat).place == Place::Ring;
        self.change_queue(seat, |waiters, arena| waiters.remove(arena, key));
        if was_in_ring {
            self.count_in_turn(seat);
        }
        self.seats.rest(seat);
        match waiter {
            State::Waits(waker) => Some(waker),
            State::Has(_) | State::Refused(_) => None,
        }
    }

    pub(crate) fn count(&self) -> Count {
        Count {
            slots: self.slots,
            in_use: self.in_use,
            waiting: self.queued,
            waiting_tenants: self.backlogs.len(),
            refused: self.refused,
        }
    }

    /// Whether anybody waits who might have one more slot, if there were one.
    pub(crate) fn is_short(&self) -> bool {
        self.ring.len() + self.owed.len() > 0
    }

    /// Whether a slot is free that is kept for nobody.
    fn has_shared(&self) -> bool {
        self.in_use - self.private < self.slots.saturating_sub(self.reserved)
    }

    /// Counts a slot for a tenant, of its own first.
    fn give(&mut self, seat: usize) -> Taken {
        self.in_use += 1;
        let holder = self.seats.arena.at_mut(seat);
        if holder.held < holder.reserve {
            self.private += 1;
        }
        holder.held += 1;
        Taken(Some(seat))
    }
}

#[cfg(test)]
impl<W: Default> Turns<W> {
    pub(crate) fn knows_no_idle_tenant(&self) -> bool {
        self.seats.active() == self.with_reserve.len()
    }

    /// Whether it is as if nobody had ever come.
    pub(crate) fn is_blank(&self) -> bool {
        let room = self.seats.room().max(self.waiters.room());
        let known = self.seats.active() + self.waiters.len() + self.backlogs.len();
        let counted = self.in_use + self.reserved + self.private + self.queued;
        let listed = self.owed.len() + self.ring.len() + self.ring_weight as usize;
        known + counted + listed == 0 && room <= 2_048
    }
}
