//! The rules once more, with lists that are searched and sums that are added up each time.

use towerblock_core::Reason;

use crate::Share;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Idle,
    Owed,
    Ring,
    Capped,
}

#[derive(Debug)]
struct Tenant {
    share: Share,
    wanted: usize,
    reserve: usize,
    held: usize,
    /// The numbers of its waiters, the first first.
    waiters: Vec<usize>,
    place: Place,
    had_this_turn: u32,
}

#[derive(Debug)]
pub(super) struct Model {
    slots: usize,
    per_tenant: usize,
    in_all: usize,
    closed: bool,
    tenants: Vec<Tenant>,
    reserving: Vec<usize>,
    owed: Vec<usize>,
    ring: Vec<usize>,
}

impl Model {
    pub(super) fn new(tenants: usize, slots: usize, per_tenant: usize, in_all: usize) -> Self {
        let tenant = || Tenant {
            share: Share::default(),
            wanted: 0,
            reserve: 0,
            held: 0,
            waiters: Vec::new(),
            place: Place::Idle,
            had_this_turn: 0,
        };
        Self {
            slots,
            per_tenant,
            in_all,
            closed: false,
            tenants: (0..tenants).map(|_| tenant()).collect(),
            reserving: Vec::new(),
            owed: Vec::new(),
            ring: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, tenant: usize, share: Share) -> bool {
        let may = !self.closed
            && self.tenants[tenant].waiters.is_empty()
            && self.tenants[tenant].held < share.cap()
            && self.is_free_for(tenant);
        if may {
            self.set_share(tenant, share);
            self.tenants[tenant].held += 1;
        }
        may
    }

    /// `pushed_out` is who was refused instead, if anybody was: any of those with most may be.
    pub(super) fn wait(
        &mut self,
        tenant: usize,
        share: Share,
        waiter: usize,
        pushed_out: Option<usize>,
    ) -> Result<(), Reason> {
        self.set_share(tenant, share);
        if self.closed {
            return Err(Reason::Draining);
        }
        let waiting = self.tenants[tenant].waiters.len();
        if share.cap() == 0 || waiting >= self.per_tenant {
            return Err(Reason::OverShare);
        }
        let queued = self.waiting().len();
        let backlog = |waiting: usize, share: Share| waiting as f64 / f64::from(share.size());
        let of = |tenant: &Tenant| backlog(tenant.waiters.len(), tenant.share);
        let most = self.tenants.iter().map(of).fold(0.0, f64::max);
        let makes_room = backlog(waiting + 1, share) < most - 1e-4;
        if queued < self.in_all {
            assert_eq!(pushed_out, None);
        } else if !makes_room {
            return Err(Reason::Overloaded);
        } else {
            let pushed_out = pushed_out.expect("somebody makes room");
            let newest_of = |tenant: &&mut Tenant| tenant.waiters.last() == Some(&pushed_out);
            let loser = self.tenants.iter_mut().find(newest_of).expect("the newest");
            assert!(of(loser) > most - 1e-4);
            loser.waiters.pop();
        }
        self.tenants[tenant].waiters.push(waiter);
        self.place_all();
        Ok(())
    }

    pub(super) fn give_back(&mut self, tenant: usize) {
        self.tenants[tenant].held -= 1;
        self.place_all();
    }

    /// Whether it waits for another.
    pub(super) fn exchange(&mut self, tenant: usize, share: Share, waiter: usize) -> bool {
        if !self.closed {
            self.set_share(tenant, share);
            self.tenants[tenant].waiters.insert(0, waiter);
            self.place_all();
        }
        self.give_back(tenant);
        !self.closed
    }

    pub(super) fn leave(&mut self, waiter: usize) {
        for tenant in &mut self.tenants {
            tenant.waiters.retain(|other| *other != waiter);
        }
        self.place_all();
    }

    pub(super) fn resize(&mut self, slots: usize) {
        self.slots = slots;
        self.spread();
    }

    pub(super) fn reserve(&mut self, tenant: usize, share: Share, wanted: usize) {
        self.set_share(tenant, share);
        self.tenants[tenant].wanted = wanted;
        self.reserving.retain(|other| *other != tenant);
        self.reserving.push(tenant);
        self.spread();
    }

    pub(super) fn close(&mut self) -> Vec<usize> {
        self.closed = true;
        let tenants = self.tenants.iter_mut();
        let refused = tenants
            .flat_map(|tenant| tenant.waiters.drain(..))
            .collect();
        self.place_all();
        refused
    }

    /// Who is handed the next slot: the tenant and the waiter.
    pub(super) fn next(&mut self) -> Option<(usize, usize)> {
        let first = self.owed.iter().chain(&self.ring).copied();
        let tenant = first.into_iter().find(|tenant| self.is_free_for(*tenant))?;
        let waiter = self.tenants[tenant].waiters.remove(0);
        self.tenants[tenant].held += 1;
        let was_in_ring = self.tenants[tenant].place == Place::Ring;
        self.place_all();
        let had = &mut self.tenants[tenant];
        if was_in_ring && had.place == Place::Ring {
            had.had_this_turn += 1;
            if had.had_this_turn >= had.share.size() {
                had.had_this_turn = 0;
                self.ring.retain(|other| *other != tenant);
                self.ring.push(tenant);
            }
        }
        Some((tenant, waiter))
    }

    pub(super) fn waiting(&self) -> Vec<usize> {
        let tenants = self.tenants.iter();
        tenants.flat_map(|tenant| tenant.waiters.clone()).collect()
    }

    /// Whoever waits could not have a slot, and nobody has more than may be.
    pub(super) fn is_work_conserving(&self) {
        for (tenant, state) in self.tenants.iter().enumerate() {
            let stuck = state.waiters.is_empty()
                || state.held >= state.share.cap()
                || !self.is_free_for(tenant);
            assert!(stuck, "{tenant} could go on: {self:?}");
        }
    }

    /// Whether there is a slot that this tenant may have, but for its cap.
    fn is_free_for(&self, tenant: usize) -> bool {
        let in_use: usize = self.tenants.iter().map(|tenant| tenant.held).sum();
        let beyond = |tenant: &Tenant| tenant.held.saturating_sub(tenant.reserve);
        let shared_in_use: usize = self.tenants.iter().map(beyond).sum();
        let reserved: usize = self.tenants.iter().map(|tenant| tenant.reserve).sum();
        let its_own = self.tenants[tenant].held < self.tenants[tenant].reserve;
        in_use < self.slots && (its_own || shared_in_use + reserved < self.slots)
    }

    fn set_share(&mut self, tenant: usize, share: Share) {
        if self.tenants[tenant].share != share {
            self.tenants[tenant].share = share;
            self.spread();
        }
    }

    fn spread(&mut self) {
        let mut left = self.slots.saturating_sub(1);
        for &tenant in &self.reserving {
            let tenant = &mut self.tenants[tenant];
            tenant.reserve = tenant.wanted.min(left).min(tenant.share.cap());
            left -= tenant.reserve;
        }
        self.place_all();
    }

    /// Puts each tenant where it belongs, behind those that are there already.
    fn place_all(&mut self) {
        let others = (0..self.tenants.len()).filter(|tenant| !self.reserving.contains(tenant));
        let all: Vec<_> = self.reserving.iter().copied().chain(others).collect();
        for tenant in all {
            let state = &mut self.tenants[tenant];
            let due = match &*state {
                Tenant { waiters, .. } if waiters.is_empty() => Place::Idle,
                Tenant { held, share, .. } if *held >= share.cap() => Place::Capped,
                Tenant { held, reserve, .. } if *held < *reserve => Place::Owed,
                _ => Place::Ring,
            };
            if state.place == due {
                continue;
            }
            state.place = due;
            state.had_this_turn = 0;
            self.owed.retain(|other| *other != tenant);
            self.ring.retain(|other| *other != tenant);
            match due {
                Place::Owed => self.owed.push(tenant),
                Place::Ring => self.ring.push(tenant),
                Place::Idle | Place::Capped => {}
            }
        }
    }
}
