//! The tenants there are, as far as somebody asked for them.

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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use towerblock_core::{Metric, Reason, Rejected, Stats, TenantId, Value};

use self::freshness::{Lifetimes, Patience};
use self::health::Health;
use self::lookup::{Flown, Full, Look, Lookups, Outcome, Room};
pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
use self::question::{Kept, outcome};
use self::slots::Slots;
use self::store::AnyStore;
pub use self::store::TenantStore;
use crate::Tenant;
use crate::resolve::{Identity, unknown};
use crate::resolvers::lower_case;

/// Who has something to serve waits this long for something newer, after the store failed.
const PATIENCE: Duration = Duration::from_millis(100);
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
    /// A refusal for [`Reason::Unavailable`] when the tenant is not in memory and the store
    /// fails, and for [`Reason::Overloaded`] when too many lookups are in flight.
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

    /// The tenant of a request, if nobody has to wait for it.
    pub(crate) fn at_hand(&self, identity: &Identity<'_>) -> Option<Result<Arc<Tenant>, Rejected>> {
        let owner = match &identity.domain {
            Some(domain) => Some(self.look(&self.domains, domain).ok()?),
            None => None,
        };
        match identity.id(owner.as_ref().map(Option::as_deref)) {
            Ok(id) => {
                let tenant = self.look(&self.tenants, id).ok()?;
                Some(tenant.ok_or(unknown()))
            }
            Err(rejected) => Some(Err(rejected)),
        }
    }

    /// The tenant of a request.
    pub(crate) async fn resolve(&self, identity: &Identity<'_>) -> Result<Arc<Tenant>, Rejected> {
        let owner = match &identity.domain {
            Some(domain) => Some(self.find_domain(domain).await?),
            None => None,
        };
        let id = identity.id(owner.as_ref().map(Option::as_deref))?;
        let tenant = self.find_in(&self.tenants, id).await?;
        tenant.ok_or(unknown())
    }

    /// What can be served at once, or what is to be waited for.
    fn look<V: Kept>(
        &self,
        lookups: &Arc<Lookups<V>>,
        name: &str,
    ) -> Result<Option<Arc<V>>, Wait<V>> {
        match lookups.look(name, Instant::now()) {
            Look::Fresh(value) => Ok(Some(value)),
            Look::Aging(value) => {
                // With no slot free, the next to come will ask.
                let _ = self.ask(lookups, name);
                Ok(Some(value))
            }
            Look::Stale(value, ask) => {
                let _ = ask.then(|| self.ask(lookups, name));
                self.health.served_stale();
                Ok(Some(value))
            }
            Look::Unknown => Ok(None),
            Look::Expired(stale, patience) => Err(Wait::Newer(stale, patience)),
            Look::Failed => Err(Wait::Never),
            Look::Absent => Err(Wait::Any),
        }
    }

    async fn find_in<V: Kept>(
        &self,
        lookups: &Arc<Lookups<V>>,
        name: &str,
    ) -> Result<Option<Arc<V>>, Rejected> {
        const UNAVAILABLE: Rejected = Rejected::new("tenant", Reason::Unavailable);
        // The task has a limit of its own; only if its runtime stalled is this one reached.
        let whole = self.lookup_timeout.saturating_add(PATIENCE);
        let (stale, patience) = match self.look(lookups, name) {
            Ok(known) => return Ok(known),
            Err(Wait::Never) => return Err(UNAVAILABLE),
            Err(Wait::Any) => (None, whole),
            Err(Wait::Newer(stale, Patience::Whole)) => (Some(stale), whole),
            Err(Wait::Newer(stale, Patience::Short)) => (Some(stale), PATIENCE),
        };
        let ended = match self.ask(lookups, name) {
            Ok(flown) => timeout(patience, outcome(flown)).await,
            Err(Full) if stale.is_some() => Ok(Outcome::Failed),
            Err(Full) => {
                self.health.refused();
                return Err(Rejected::new("tenant", Reason::Overloaded));
            }
        };
        match ended {
            Ok(Outcome::Found(value)) => Ok(Some(value)),
            Ok(Outcome::Unknown) => Ok(None),
            Ok(Outcome::Failed) | Err(_) => {
                let stale = stale.ok_or(UNAVAILABLE)?;
                self.health.served_stale();
                Ok(Some(stale))
            }
        }
    }

    /// Asks the store in a task, unless somebody did already.
    fn ask<V: Kept>(&self, lookups: &Arc<Lookups<V>>, name: &str) -> Result<Flown<V>, Full> {
        let asked = lookups.join_or_open(name, &self.slots)?;
        if let Some(duty) = asked.duty {
            let store = Arc::clone(&self.store);
            let health = Arc::clone(&self.health);
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(question::ask(duty, store, health, self.lookup_timeout));
        }
        Ok(asked.landed)
    }

    /// With the present settings, and nothing in it.
    fn emptied(mut self) -> Self {
        self.tenants = Arc::new(Lookups::new(self.room, self.lifetimes));
        self.domains = Arc::new(Lookups::new(self.room, self.lifetimes));
        self
    }
}

/// What somebody has to wait for.
enum Wait<V> {
    /// Something newer than this.
    Newer(Arc<V>, Patience),
    /// Anything at all.
    Any,
    /// Nothing: the store failed just now.
    Never,
}

impl Stats for Registry {
    fn describe(&self) -> &'static [Metric] {
        health::METRICS
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
