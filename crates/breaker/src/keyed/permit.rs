use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::shard::Child;
use crate::circuit::Ticket;
use crate::outcome::Outcome;
use crate::{Circuits, Verdict};

/// Leave to make one call for a key. As a [`Permit`](crate::Permit), it reports once, also when
/// it is dropped.
// The bounds stand here, for `Drop` may not ask for more than its type does.
#[must_use = "dropping it says that the call was given up"]
pub struct KeyedPermit<'a, K: Clone + Eq + Hash> {
    circuits: &'a Circuits<K>,
    key: &'a K,
    ticket: Option<Ticket>,
    child: Option<(Arc<Child>, u32)>,
}

impl<'a, K: Clone + Eq + Hash> KeyedPermit<'a, K> {
    pub(super) const fn new(
        circuits: &'a Circuits<K>,
        key: &'a K,
        ticket: Ticket,
        child: Option<(Arc<Child>, u32)>,
    ) -> Self {
        Self {
            circuits,
            key,
            ticket: Some(ticket),
            child,
        }
    }

    /// The dependency did its job; too late, where the policy knows slow calls.
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
    pub fn finish(mut self, verdict: Verdict) {
        self.report(|| Outcome::Told(verdict));
    }

    fn report(&mut self, outcome: impl FnOnce() -> Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let child = self.child.take();
            self.circuits.finish(self.key, ticket, child, outcome());
        }
    }
}

impl<K: Clone + Eq + Hash> Drop for KeyedPermit<'_, K> {
    fn drop(&mut self) {
        self.report(Outcome::dropped);
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for KeyedPermit<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPermit").finish_non_exhaustive()
    }
}
