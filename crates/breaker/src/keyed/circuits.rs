use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::Rejected;

use super::shard::Child;
use super::suspects::Suspects;
use crate::circuit::Ticket;
use crate::mark::{Admitted, Mark};
use crate::outcome::Outcome;
use crate::{Circuit, KeyedPermit, Policy, State, Verdict};

/// A circuit for each key, such as a tenant, beside one for the dependency that they share.
///
/// ```
/// use towerblock_breaker::{Circuit, Circuits, Policy};
/// use towerblock_core::{Rejected, TenantId};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (acme, globex) = (TenantId::new("acme")?, TenantId::new("globex")?);
/// let billing = Circuit::new("billing", Policy::default());
/// let of_tenants = Circuits::new(billing, Policy::in_a_row(3));
///
/// for _ in 0..3 {
///     of_tenants.try_acquire(&acme)?.failure();
/// }
/// assert!(of_tenants.try_acquire(&acme).is_err());
/// of_tenants.try_acquire(&globex)?.success();
/// // Of the two, one is remembered.
/// assert_eq!(of_tenants.len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// A key that nothing has failed for is not stored, and what is stored is bounded. An entry is
/// given up when it is as good as new, or when nobody asked for it for long and it is not open:
/// a flood of other keys never sets a failing one free. Where there is no room, the shared
/// circuit judges alone.
///
/// **The shared circuit** is asked first, and while it is open no key is charged. It hears of
/// each outcome, but of failures in succession of one key only once: one key that fails, however
/// often, does not open it.
///
/// Take keys from what was authenticated. Clones share the circuits.
pub struct Circuits<K> {
    shared: Arc<Shared<K>>,
}

pub(crate) struct Shared<K> {
    parent: Circuit,
    policy: Policy,
    /// Whether each call is, by one policy or the other.
    timed: bool,
    pub(crate) suspects: Suspects<K>,
    /// The hash of the key that failed last.
    failed_last: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) overflown: AtomicU64,
}

impl<K> Circuits<K> {
    /// A circuit by that policy for each key, beside this one for what they share.
    #[must_use]
    pub fn new(shared: Circuit, policy: Policy) -> Self {
        Self::with(shared, policy, 65_536, 300_000)
    }

    /// Remembers at most so many keys, at least 16, at some 250 bytes and the key each. Nothing
    /// is taken along from before. Default: 65,536.
    #[must_use]
    pub fn capacity(self, keys: usize) -> Self {
        let Shared {
            parent,
            policy,
            suspects,
            ..
        } = &*self.shared;
        Self::with(parent.clone(), *policy, keys, suspects.forget)
    }

    /// Forgets a key that nobody asked for in so long, unless it is open. Nothing is taken along
    /// from before. Default: 5 minutes.
    #[must_use]
    pub fn forget_after(self, quiet: Duration) -> Self {
        let Shared {
            parent,
            policy,
            suspects,
            ..
        } = &*self.shared;
        let quiet = u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX);
        Self::with(parent.clone(), *policy, suspects.capacity, quiet)
    }

    fn with(parent: Circuit, policy: Policy, capacity: usize, forget: u64) -> Self {
        let shared = Shared {
            timed: policy.times_abandoned() || policy.times_all() || parent.times_abandoned(),
            parent,
            policy,
            suspects: Suspects::new(policy, capacity, forget),
            failed_last: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            overflown: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The circuit of what the keys share.
    #[must_use]
    pub fn shared(&self) -> &Circuit {
        &self.shared.parent
    }

    /// Keys that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.suspects.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn inner(&self) -> &Shared<K> {
        &self.shared
    }
}

impl<K: Clone + Eq + Hash> Circuits<K> {
    /// Leave to make one call for that key.
    ///
    /// # Errors
    ///
    /// As [`Circuit::try_acquire`], of the shared circuit or of the key's.
    pub fn try_acquire<'a>(&'a self, key: &'a K) -> Result<KeyedPermit<'a, K>, Rejected> {
        let shared = &*self.shared;
        let ticket = shared.parent.admit(shared.timed)?;
        // While nothing fails, this is all.
        if shared.suspects.len() == 0 {
            return Ok(KeyedPermit::new(self, key, ticket, None));
        }
        let now = shared.parent.millis();
        let Some(child) = shared.suspects.find(key, now) else {
            return Ok(KeyedPermit::new(self, key, ticket, None));
        };
        let generation = match child.switch.admit(&shared.policy, now) {
            Admitted::Passes(generation) => generation,
            Admitted::Begins(change) => change.generation,
            Admitted::Not(left) => {
                // It may have been one of the few that decide.
                shared.parent.finish(ticket, Outcome::Told(Verdict::Ignore));
                shared.refused.fetch_add(1, Ordering::Relaxed);
                return Err(shared.parent.rejected(left));
            }
        };
        Ok(KeyedPermit::new(
            self,
            key,
            ticket,
            Some((child, generation)),
        ))
    }

    /// What the circuit of that key does; closed, where it is not remembered.
    #[must_use]
    pub fn state(&self, key: &K) -> State {
        let found = self.shared.suspects.find(key, self.shared.parent.millis());
        found.map_or(State::Closed, |child| child.switch.word().state())
    }

    pub(super) fn finish(
        &self,
        key: &K,
        ticket: Ticket,
        child: Option<(Arc<Child>, u32)>,
        outcome: Outcome,
    ) {
        let shared = &*self.shared;
        let well = matches!(outcome, Outcome::Told(Verdict::Success));
        if well && child.is_none() && !shared.policy.times_all() {
            return shared.parent.finish(ticket, outcome);
        }
        let mark = outcome.mark(&shared.policy, ticket.since, Instant::now());
        let good = matches!(
            mark,
            Mark::Nothing
                | Mark::Done {
                    failed: false,
                    slow: false
                }
        );
        if good {
            // Nothing to remember, and perhaps something to forget.
            if let Some((child, generation)) = child {
                let now = shared.parent.millis();
                child.switch.finish(&shared.policy, generation, now, mark);
                let as_new = child.switch.is_as_new(&shared.policy, now);
                drop(child);
                if as_new {
                    shared.suspects.forget(key, now);
                }
            }
            return shared.parent.finish(ticket, outcome);
        }
        let now = shared.parent.millis();
        let hash = shared.suspects.hash(key);
        match child.or_else(|| shared.suspects.remember(key, hash, now)) {
            Some((child, generation)) => {
                if let Some(wait) = outcome.asks_for() {
                    child.switch.ask(now + wait);
                }
                child.seen.store(now, Ordering::Relaxed);
                child.switch.finish(&shared.policy, generation, now, mark);
            }
            None => {
                shared.overflown.fetch_add(1, Ordering::Relaxed);
            }
        }
        let again = shared.failed_last.swap(hash, Ordering::Relaxed) == hash;
        if again && shared.parent.is_no_probe(ticket) {
            shared.parent.finish(ticket, Outcome::Told(Verdict::Ignore));
        } else {
            shared.parent.finish(ticket, outcome);
        }
    }
}

impl<K> Clone for Circuits<K> {
    fn clone(&self) -> Self {
        let shared = Arc::clone(&self.shared);
        Self { shared }
    }
}

impl<K> fmt::Debug for Circuits<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits")
            .field("shared", self.shared())
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}
