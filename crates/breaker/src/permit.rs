use std::borrow::Borrow;

use tokio::time::Instant;

use crate::circuit::Ticket;
use crate::outcome::Outcome;
use crate::{Circuit, Verdict};

/// Leave to make one call. It reports once: what it was told, or, dropped untold, that the call
/// was given up, or has panicked.
///
/// Given up early, a call tells nothing; after
/// [`Policy::abandoned_after`](crate::Policy::abandoned_after) it has failed. A panic is a failure.
#[derive(Debug)]
#[must_use = "dropping it says that the call was given up"]
pub struct Permit<'a>(Pass<&'a Circuit>);

impl<'a> Permit<'a> {
    #[inline]
    pub(crate) const fn new(circuit: &'a Circuit, ticket: Ticket) -> Self {
        Self(Pass::new(circuit, ticket))
    }

    /// The dependency did its job; too late, where the policy knows slow calls.
    #[inline]
    pub fn success(self) {
        self.finish(Verdict::Success);
    }

    /// The dependency failed.
    pub fn failure(self) {
        self.finish(Verdict::Failure);
    }

    /// Nothing was learned.
    pub fn ignore(self) {
        self.finish(Verdict::Ignore);
    }

    /// Tells what became of the call.
    #[inline]
    pub fn finish(self, verdict: Verdict) {
        self.0.finish(verdict);
    }
}

/// A ticket that reports, to a circuit that is lent to it or shared with it.
#[derive(Debug)]
pub(crate) struct Pass<C: Borrow<Circuit>> {
    circuit: C,
    ticket: Option<Ticket>,
}

impl<C: Borrow<Circuit>> Pass<C> {
    #[inline]
    pub(crate) const fn new(circuit: C, ticket: Ticket) -> Self {
        let ticket = Some(ticket);
        Self { circuit, ticket }
    }

    #[inline]
    pub(crate) fn finish(mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.borrow().finish(ticket, Outcome::Told(verdict));
        }
    }

    /// From now on it takes time.
    pub(crate) fn waits(&mut self) {
        let Some(ticket) = &mut self.ticket else {
            return;
        };
        if ticket.since.is_none() && self.circuit.borrow().times_abandoned() {
            ticket.since = Some(Instant::now());
        }
    }
}

impl<C: Borrow<Circuit>> Drop for Pass<C> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.borrow().finish(ticket, Outcome::dropped());
        }
    }
}
