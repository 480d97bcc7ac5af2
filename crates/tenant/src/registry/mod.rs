//! The tenants there are, as far as somebody asked for them.

mod answer;
mod freshness;
mod health;
mod lookup;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod question;
mod slots;
mod store;

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use towerblock_core::{Metric, Rejected, Stats, TenantId, Value};

use self::freshness::Lifetimes;
use self::health::Health;
pub(crate) use self::health::METRICS;
use self::lookup::{Lookups, Room};
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
use self::slots::Slots;
use self::store::AnyStore;
pub use self::store::TenantStore;
use crate::Tenant;
use crate::resolvers::lower_case;

const LOOKUPS: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// The tenants there are: looked up in a [`TenantStore`], kept for a while, and served from
/// memory while the store is away.
///
/// A tenant that is asked for all the time is refreshed in the background and never waits.
/// What a store says counts for `ttl`; so long may a tenant go on that was suspended
/// elsewhere, unless somebody calls [`invalidate`](Self::invalidate). While the store fails
/// for a tenant, what it said last counts for `max_stale` more. A lookup takes
/// `lookup_timeout` at most, and a tenant named by a domain may take two; after a failure,
/// whoever has something to serve waits 100 ms at most.
///
/// Names that do not exist are remembered apart, so that a flood of them pushes out no
/// tenant. Only so many lookups are in flight, a quarter of them kept for tenants that are
/// known: beyond that a name that is not known is answered with 503, and one that is known is
/// served as it was. A name for which the store fails is asked for once a second.
///
/// Lookups run in tasks of their own, on the tokio runtime of whoever asks; a caller that
/// goes away leaves its lookup to the others. They end with the registry.
pub struct Registry {
    store: Arc<dyn AnyStore>,
    room: Room,
    lifetimes: Lifetimes,
    lookup_timeout: Duration,
    slots: Slots,
    health: Arc<Health>,
    tenants: Arc<Lookups<Tenant>>,
    domains: Arc<Lookups<TenantId>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Registry {
    /// Looks tenants up in `store`.
    #[must_use]
    pub fn new(store: impl TenantStore) -> Self {
        let room = Room {
            known: 50_000,
            unknown: 2_000,
        };
        let lifetimes = Lifetimes {
            ttl: Duration::from_secs(30),
            max_stale: Duration::from_secs(600),
            unknown: Duration::from_secs(5),
        };
        Self {
            store: Arc::new(store),
            room,
            lifetimes,
            lookup_timeout: Duration::from_secs(1),
            slots: Slots::new(LOOKUPS),
            health: Arc::default(),
            tenants: Arc::new(Lookups::new(room, lifetimes)),
            domains: Arc::new(Lookups::new(room, lifetimes)),
            tasks: Mutex::default(),
        }
    }

    /// Keeps so many tenants, and as many domains, in memory: those that are asked for most.
    /// Default: 50,000.
    #[must_use]
    pub fn capacity(mut self, tenants: NonZeroU64) -> Self {
        self.room.known = tenants.get();
        self.emptied()
    }

    /// Takes what the store said as true for so long, up to a year; with zero it is asked for
    /// each request. Default: 30 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.lifetimes.ttl = ttl;
        self.emptied()
    }

    /// Serves what is older for so long more while the store fails. Default: 10 min.
    #[must_use]
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.lifetimes.max_stale = max_stale;
        self.emptied()
    }

    /// Remembers so many names that do not exist, for so long: a new tenant may have to
    /// wait for it. Default: 2,000, for 5 s.
    #[must_use]
    pub fn unknown(mut self, names: NonZeroU64, ttl: Duration) -> Self {
        self.room.unknown = names.get();
        self.lifetimes.unknown = ttl;
        self.emptied()
    }

    /// Has so many lookups in flight at most. Default: 32.
    #[must_use]
    pub fn lookups(mut self, at_once: NonZeroUsize) -> Self {
        self.slots = Slots::new(at_once);
        self
    }

    /// Takes a lookup that lasts longer as failed. Default: 1 s.
    #[must_use]
    pub const fn lookup_timeout(mut self, lookup_timeout: Duration) -> Self {
        self.lookup_timeout = lookup_timeout;
        self
    }

    /// The tenant of this id, or `None` when there is none.
    ///
    /// Cancel safety: the lookup goes on without this caller.
    ///
    /// # Errors
    ///
    /// A refusal for [`Reason::Unavailable`](towerblock_core::Reason::Unavailable) when the tenant is not in memory and the store
    /// fails, and for [`Reason::Overloaded`](towerblock_core::Reason::Overloaded) when too many lookups are in flight.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn find(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, Rejected> {
        self.find_in(&self.tenants, id.as_str()).await
    }

    /// The id of the tenant whose domain this is, or `None`; otherwise as
    /// [`find`](Self::find).
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn find_domain(&self, domain: &str) -> Result<Option<Arc<TenantId>>, Rejected> {
        self.find_in(&self.domains, &lower_case(domain)).await
    }

    /// Forgets a tenant, so that the next to ask gets what the store says now. To be called
    /// once the change is visible in the store; a lookup that is in flight is not kept.
    pub fn invalidate(&self, id: &TenantId) {
        self.tenants.forget(id.as_str());
    }

    /// Forgets whose domain this is.
    pub fn invalidate_domain(&self, domain: &str) {
        self.domains.forget(&lower_case(domain));
    }

    /// With the present settings, and nothing in it.
    fn emptied(mut self) -> Self {
        self.tenants = Arc::new(Lookups::new(self.room, self.lifetimes));
        self.domains = Arc::new(Lookups::new(self.room, self.lifetimes));
        self
    }
}

impl Stats for Registry {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let (tenants, unknown) = self.tenants.counts();
        let (domains, unknown_domains) = self.domains.counts();
        let counts = [tenants, domains, unknown + unknown_domains];
        self.health.read(counts, sink);
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("room", &self.room)
            .field("lifetimes", &self.lifetimes)
            .field("lookup_timeout", &self.lookup_timeout)
            .finish_non_exhaustive()
    }
}
