//! Who waits: how they come, what they are told, and how they leave.

use std::mem;

use tokio::time::Instant;
use towerblock_core::{Reason, Rejected, TenantId};

use crate::Share;
use crate::arena::Arena;
use crate::list::{Links, List};
use crate::turns::{State, Taken, Turn, Turns, Waiter};

impl<W: Default> Turns<W> {
    /// Waits in the queue, as whoever [`Self::poll`] and [`Self::leave`] are asked about.
    /// Where there is only room because another tenant has much more waiting, its newest
    /// waiter is refused, and called.
    pub(crate) fn wait(
        &mut self,
        tenant: &TenantId,
        share: Share,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<(usize, Option<W>), Rejected> {
        let seat = self.seats.enter(tenant, share);
        self.set_share(seat, share);
        let pushed_out = match self.room_for(seat, deadline, now) {
            Ok(pushed_out) => pushed_out,
            Err(reason) => {
                let retry_after = self.estimate(seat, now);
                self.seats.rest(seat);
                return Err(self.refuse(reason, retry_after));
            }
        };
        let key = self.line_up(seat, now, List::push_back);
        Ok((key, pushed_out))
    }

    /// Gives a slot back, and waits for another before those of the tenant who wait already.
    pub(crate) fn exchange(
        &mut self,
        taken: Option<Taken>,
        tenant: &TenantId,
        share: Share,
        now: Instant,
    ) -> Result<usize, Rejected> {
        let waits = if self.closed {
            Err(self.refuse(Reason::Draining, None))
        } else {
            let seat = self.seats.enter(tenant, share);
            self.set_share(seat, share);
            Ok(self.line_up(seat, now, List::push_front))
        };
        if let Some(taken) = taken {
            // Nobody was done with it, so it says nothing of how fast slots come back.
            self.give_back(taken, None);
        }
        waits
    }

    fn line_up(
        &mut self,
        seat: usize,
        now: Instant,
        push: impl FnOnce(&mut List, &mut Arena<Waiter<W>>, usize),
    ) -> usize {
        let key = self.waiters.insert(Waiter {
            seat,
            links: Links::default(),
            state: State::Waits(W::default()),
        });
        if self.queued == 0 {
            self.pace.begin(now);
        }
        self.change_queue(seat, |waiters, arena| push(waiters, arena, key));
        key
    }

    /// What became of a waiter; while it waits, it is to be called by `waker`. What is given
    /// out replaces it, for the caller to drop.
    pub(crate) fn poll(&mut self, key: usize, waker: W) -> (Turn, W) {
        if let State::Waits(old) = &mut self.waiters.at_mut(key).state {
            return (Turn::Waits, mem::replace(old, waker));
        }
        let turn = match self.remove(key) {
            State::Has(taken) => Turn::Has(taken),
            State::Refused(rejected) => Turn::Refused(rejected),
            State::Waits(_) => Turn::Waits,
        };
        (turn, waker)
    }

    /// A waiter does not want to wait any longer. If it has a slot already, that is for the
    /// caller to keep or to give back.
    pub(crate) fn leave(&mut self, key: usize) -> (Option<Taken>, W) {
        let seat = self.waiters.at(key).seat;
        if matches!(self.waiters.at(key).state, State::Waits(_)) {
            self.change_queue(seat, |waiters, arena| waiters.remove(arena, key));
            self.seats.rest(seat);
        }
        match self.remove(key) {
            State::Has(taken) => (Some(taken), W::default()),
            State::Refused(_) => (None, W::default()),
            State::Waits(waker) => (None, waker),
        }
    }

    fn remove(&mut self, key: usize) -> State<W> {
        let waiter = self.waiters.remove(key);
        waiter.state
    }
}
