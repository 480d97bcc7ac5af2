//! From a name to its tenant: what is served at once, what is asked for, and who waits.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use towerblock_core::{Reason, Rejected};

use super::freshness::Patience;
use super::lookup::{Flown, Full, Look, Lookups, Outcome};
use super::question::{self, Kept, outcome};
use crate::resolve::{Identity, unknown};
use crate::{Registry, Tenant};

/// Who has something to serve waits this long for something newer, after the store failed.
const PATIENCE: Duration = Duration::from_millis(100);

impl Registry {
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

    pub(super) async fn find_in<V: Kept>(
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
