//! Where tenants stand: in the ring, before it, or nowhere.

use std::mem;

use crate::Share;
use crate::arena::Arena;
use crate::list::List;
use crate::seats::Place;
use crate::turns::{Turns, Waiter};

impl<W: Default> Turns<W> {
    /// A tenant that had its slots of this turn goes behind all others.
    pub(super) fn count_in_turn(&mut self, seat: usize) {
        let tenant = self.seats.arena.at_mut(seat);
        if tenant.place != Place::Ring {
            return;
        }
        tenant.had += 1;
        if tenant.had >= tenant.share.size() {
            tenant.had = 0;
            self.ring.remove(&mut self.seats.arena, seat);
            self.ring.push_back(&mut self.seats.arena, seat);
        }
    }

    pub(super) fn change_queue(
        &mut self,
        seat: usize,
        change: impl FnOnce(&mut List, &mut Arena<Waiter<W>>),
    ) {
        let tenant = self.seats.arena.at_mut(seat);
        if tenant.waiters.len() > 0 {
            self.backlogs.remove(&(tenant.backlog(), seat));
        }
        self.queued -= tenant.waiters.len();
        change(&mut tenant.waiters, &mut self.waiters);
        self.queued += tenant.waiters.len();
        if tenant.waiters.len() > 0 {
            self.backlogs.insert((tenant.backlog(), seat));
        }
        if self.queued == 0 {
            self.pace.end();
        }
        self.put_in_place(seat);
    }

    /// To be called whenever something changed that [`Seat::due`](crate::seats::Seat::due)
    /// looks at.
    pub(super) fn put_in_place(&mut self, seat: usize) {
        let tenant = self.seats.arena.at_mut(seat);
        let (due, size) = (tenant.due(), tenant.share.size());
        let place = mem::replace(&mut tenant.place, due);
        if place == due {
            return;
        }
        match place {
            Place::Owed => self.owed.remove(&mut self.seats.arena, seat),
            Place::Ring => {
                self.ring.remove(&mut self.seats.arena, seat);
                self.ring_weight -= u64::from(size);
            }
            Place::Idle | Place::Capped => {}
        }
        match due {
            Place::Owed => self.owed.push_back(&mut self.seats.arena, seat),
            Place::Ring => {
                self.ring.push_back(&mut self.seats.arena, seat);
                self.ring_weight += u64::from(size);
                self.seats.arena.at_mut(seat).had = 0;
            }
            Place::Idle | Place::Capped => {}
        }
    }

    pub(super) fn set_share(&mut self, seat: usize, share: Share) {
        let tenant = self.seats.arena.at_mut(seat);
        let old = tenant.share;
        if old == share {
            return;
        }
        if tenant.waiters.len() > 0 {
            self.backlogs.remove(&(tenant.backlog(), seat));
        }
        tenant.share = share;
        if tenant.waiters.len() > 0 {
            self.backlogs.insert((tenant.backlog(), seat));
        }
        if tenant.place == Place::Ring {
            self.ring_weight += u64::from(share.size());
            self.ring_weight -= u64::from(old.size());
        }
        if tenant.wanted > 0 {
            self.spread_reserves();
        }
        self.put_in_place(seat);
    }

    /// Keeps for each tenant what it wants, in the order asked for, and one slot for all.
    pub(super) fn spread_reserves(&mut self) {
        let mut left = self.slots.saturating_sub(1);
        (self.reserved, self.private) = (0, 0);
        let with_reserve = mem::take(&mut self.with_reserve);
        for &seat in &with_reserve {
            let tenant = self.seats.arena.at_mut(seat);
            tenant.reserve = tenant.wanted.min(left).min(tenant.share.cap());
            left -= tenant.reserve;
            self.reserved += tenant.reserve;
            self.private += tenant.reserve.min(tenant.held);
            self.put_in_place(seat);
        }
        self.with_reserve = with_reserve;
    }
}
