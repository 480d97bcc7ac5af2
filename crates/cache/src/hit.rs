use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use towerblock_core::Degraded;

use crate::entry::Entry;

/// A value, where it comes from, and how old it is. Cheap to clone; it keeps the value alive,
/// and in memory, for as long as it is kept.
#[derive(Debug)]
pub struct Hit<V> {
    entry: Arc<Entry<V>>,
    age: u64,
    source: Source,
    freshness: Freshness,
}

impl<V> Hit<V> {
    pub(crate) fn new(
        entry: Arc<Entry<V>>,
        source: Source,
        freshness: Freshness,
        now: u64,
    ) -> Self {
        let age = now.saturating_sub(entry.meta.born());
        Self {
            entry,
            age,
            source,
            freshness,
        }
    }

    #[cfg(feature = "http")]
    pub(crate) const fn entry(&self) -> &Arc<Entry<V>> {
        &self.entry
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Whether it is as new as the policy wants it.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// How long ago it was loaded, to some 10 ms.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.age)
    }

    /// The mark for the extensions of a response, if the value is stale.
    #[must_use]
    pub fn degraded(&self) -> Option<Degraded> {
        (self.freshness == Freshness::Stale).then_some(Degraded::new("stale"))
    }
}

// Not derived, which would ask the same of `V`.
impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        Self {
            entry: Arc::clone(&self.entry),
            ..*self
        }
    }
}

impl<V> Deref for Hit<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.entry.value
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// It was in memory.
    Memory,
    /// It was loaded for this caller.
    Load,
    /// It was loaded for another caller, whose load this one joined.
    Coalesced,
    /// It was stored by this or another instance.
    Remote,
}

/// Whether a value is as new as its policy wants it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Freshness {
    /// It is.
    Fresh,
    /// It is older, and is served because a new one is on its way or could not be had.
    Stale,
}
