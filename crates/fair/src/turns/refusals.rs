//! Who may not even wait, and when to come back.

use std::mem;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Reason, Rejected, TenantId};

use crate::Share;
use crate::seats::{Place, backlog};
use crate::turns::{State, Turn, Turns};

/// How often somebody was refused.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refused {
    pub(crate) over_share: u64,
    pub(crate) overloaded: u64,
    pub(crate) draining: u64,
}

impl<W: Default> Turns<W> {
    /// Why there is no slot at once, for whoever does not want to wait.
    pub(crate) fn refuse_now(&mut self, tenant: &TenantId, share: Share, now: Instant) -> Rejected {
        let seat = self.seats.enter(tenant, share);
        let (reason, retry_after) = (self.reason(seat), self.estimate(seat, now));
        self.seats.rest(seat);
        self.refuse(reason, retry_after)
    }

    /// The deadline of a waiter is there. It may have been handed a slot in the meantime.
    pub(crate) fn expire(&mut self, key: usize, now: Instant) -> (Turn, W) {
        let waiter = self.waiters.at(key);
        let seat = waiter.seat;
        if !matches!(waiter.state, State::Waits(_)) {
            return self.poll(key, W::default());
        }
        let (reason, retry_after) = (self.reason(seat), self.estimate(seat, now));
        let (_, waker) = self.leave(key);
        (Turn::Refused(self.refuse(reason, retry_after)), waker)
    }

    /// Refuses all who wait and all who come.
    pub(crate) fn close(&mut self) -> Vec<W> {
        self.closed = true;
        let mut called = Vec::with_capacity(self.queued);
        while let Some(&(_, seat)) = self.backlogs.last() {
            called.extend(self.push_out(seat, Reason::Draining, None));
        }
        called
    }

    /// Whether one more may wait for this tenant. If that takes another's place, who loses it.
    pub(super) fn room_for(
        &mut self,
        seat: usize,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Option<W>, Reason> {
        let tenant = self.seats.arena.at(seat);
        let (waiting, share) = (tenant.waiters.len(), tenant.share);
        if self.closed {
            return Err(Reason::Draining);
        }
        if share.cap() == 0 || waiting >= self.per_tenant {
            return Err(Reason::OverShare);
        }
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(now);
            // The first to wait is never refused for what it was like once: it finds out what
            // it is like now.
            let is_first = self.queued == 0;
            let wait = self.estimate(seat, now).filter(|_| !is_first);
            let wait = wait.unwrap_or_default();
            if left.is_zero() || wait > left {
                return Err(self.reason(seat));
            }
        }
        if self.queued < self.in_all {
            return Ok(None);
        }
        match self.backlogs.last() {
            // Only whoever still has more waiting afterwards, or two would push each other out.
            Some(&(most, other)) if backlog(waiting + 1, share) < most => {
                let retry_after = self.estimate(other, now);
                Ok(self.push_out(other, Reason::OverShare, retry_after))
            }
            _ => Err(Reason::Overloaded),
        }
    }

    /// How long a slot may take for whoever comes now: the time between two slots given back,
    /// times those given out before. A mean, without the tenant's luck in the present turn.
    pub(super) fn estimate(&self, seat: usize, now: Instant) -> Option<Duration> {
        let tenant = self.seats.arena.at(seat);
        let (waiting, share) = (tenant.waiters.len() as u64, tenant.share);
        if self.closed || share.cap() == 0 {
            return None;
        }
        let interval = self.pace.interval(self.in_use, now)?;
        if tenant.held >= share.cap() {
            // Only what it gives back itself is for it.
            let part = self.in_use as f64 / tenant.held as f64;
            return times(interval, (waiting + 1) as f64 * part);
        }
        let size = u64::from(share.size());
        let weight = match tenant.place {
            Place::Ring => self.ring_weight - size,
            Place::Idle | Place::Owed | Place::Capped => self.ring_weight,
        };
        let turns = (waiting + 1).div_ceil(size);
        let others = (self.queued as u64 - waiting).min(turns.saturating_mul(weight));
        times(interval, (waiting + others + 1) as f64)
    }

    /// Counts the refusal.
    pub(super) fn refuse(&mut self, reason: Reason, retry_after: Option<Duration>) -> Rejected {
        match reason {
            Reason::OverShare => self.refused.over_share += 1,
            Reason::Draining => self.refused.draining += 1,
            _ => self.refused.overloaded += 1,
        }
        let rejected = Rejected::new(self.by, reason);
        match retry_after {
            Some(wait) => rejected.with_retry_after(wait),
            None => rejected,
        }
    }

    fn reason(&self, seat: usize) -> Reason {
        let tenant = self.seats.arena.at(seat);
        if self.closed {
            Reason::Draining
        } else if tenant.held >= tenant.share.cap() {
            Reason::OverShare
        } else {
            Reason::Overloaded
        }
    }

    /// Refuses the newest waiter of a tenant.
    fn push_out(
        &mut self,
        seat: usize,
        reason: Reason,
        retry_after: Option<Duration>,
    ) -> Option<W> {
        let key = self.seats.arena.at(seat).waiters.back()?;
        let rejected = self.refuse(reason, retry_after);
        let waiter = mem::replace(
            &mut self.waiters.at_mut(key).state,
            State::Refused(rejected),
        );
        self.change_queue(seat, |waiters, arena| waiters.remove(arena, key));
        self.seats.rest(seat);
        match waiter {
            State::Waits(waker) => Some(waker),
            State::Has(_) | State::Refused(_) => None,
        }
    }
}

/// At most a day: what overflows, and what is of no use to whoever hears it.
fn times(interval: Duration, count: f64) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let wait = Duration::try_from_secs_f64(interval.as_secs_f64() * count);
    Some(wait.unwrap_or(DAY).min(DAY))
}
