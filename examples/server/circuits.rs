//! When the database is left alone. One circuit for reads and one for writes: while the primary
//! is away, reads go on. Beside each stands one for every tenant, so that whoever has queries
//! that never end, or a broken schema, shuts out nobody else.

use std::sync::Arc;
use std::time::Duration;

use towerblock_breaker::{
    self as breaker, Backoff, Circuit, Fault as _, Policy, Probes, Registry, Verdict, Window,
};
use towerblock_core::{Metric, Reason, Rejected, Stats, TenantId, Value};
use towerblock_postgres::Error;

use crate::store::{StoreError, of_driver};

/// As long as ten requests should take, and several times what one waits for a connection while
/// as many are in flight as may be.
const SLOW: Duration = Duration::from_millis(500);

/// Of the database, for reads and for writes.
fn of_all() -> Policy {
    // A database that slows down shows in the share of slow calls; half of them failing shows
    // one that is flaky.
    let window = Window::calls(50).at_least(20);
    from_here(Policy::rate(window.failure_percent(50).slow_percent(80)))
}

/// Of each tenant. Without a window no share of slow calls opens it: those of one who floods wait
/// in our own queue. The database hears of them once, as it does of failures.
fn of_one() -> Policy {
    from_here(Policy::in_a_row(5))
}

fn from_here(policy: Policy) -> Policy {
    policy
        // What is gone fails every call, whatever there was before.
        .or_in_a_row(5)
        .slow_over(SLOW)
        // As long as all queries of a request may take.
        .probes(Probes::calls(3).lease(Duration::from_secs(2)))
        // The cluster itself asks nobody who is known to be away, so a probe costs little, and
        // what comes back is used again within a second.
        .backoff(Backoff::from(Duration::from_millis(250)).at_most(Duration::from_millis(500)))
}

/// The circuits of this server. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Circuits {
    reads: breaker::Circuits<TenantId>,
    writes: breaker::Circuits<TenantId>,
    registry: Registry,
}

impl Circuits {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let around = |name| {
            let shared = Circuit::new(name, of_all());
            registry.add(&shared);
            breaker::Circuits::new(shared, of_one())
        };
        Self {
            reads: around("database.read"),
            writes: around("database.write"),
            registry: registry.clone(),
        }
    }

    /// Reads in this tenant's name, unless that is known to be in vain.
    pub(crate) async fn read<T>(
        &self,
        tenant: &TenantId,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        through(&self.reads, tenant, call, verdict).await
    }

    /// Writes in this tenant's name, unless that is known to be in vain.
    pub(crate) async fn write<T>(
        &self,
        tenant: &TenantId,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        through(&self.writes, tenant, call, of_write).await
    }

    /// Reads in nobody's name, such as who a tenant is.
    pub(crate) async fn look_up<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        // Cancel safety: dropped, the permit says that the call was given up.
        let permit = self.reads.shared().try_acquire()?;
        let result = call.await;
        permit.finish(verdict(&result));
        Ok(result?)
    }

    /// The one that all reads pass.
    pub(crate) fn of_reads(&self) -> &Circuit {
        self.reads.shared()
    }

    /// What an admin lists and forces.
    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Of each circuit, and of those that tenants have beside it.
    pub(crate) fn stats(&self) -> [Arc<dyn Stats>; 2] {
        let of_tenants = OfTenants([self.reads.clone(), self.writes.clone()]);
        [Arc::new(self.registry.clone()), Arc::new(of_tenants)]
    }
}

/// Told apart by the circuit that they stand beside.
struct OfTenants([breaker::Circuits<TenantId>; 2]);

impl Stats for OfTenants {
    fn describe(&self) -> &'static [Metric] {
        let [reads, _] = &self.0;
        reads.describe()
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        self.0.iter().for_each(|circuits| circuits.read(sink));
    }
}

async fn through<T, E: Into<StoreError>>(
    circuits: &breaker::Circuits<TenantId>,
    tenant: &TenantId,
    call: impl Future<Output = Result<T, E>>,
    verdict: impl FnOnce(&Result<T, E>) -> Verdict,
) -> Result<T, StoreError> {
    // Cancel safety: dropped, the permit says that the call was given up.
    let permit = circuits.try_acquire(tenant)?;
    let result = call.await;
    permit.finish(verdict(&result));
    result.map_err(Into::into)
}

/// What that of a transaction does.
fn of_write<T>(result: &Result<T, StoreError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(StoreError::Database(error)) => judge(error),
        // That others were in the way is no fault of the database.
        Err(StoreError::Undone { error, .. }) => {
            of_driver(&**error).map_or(Verdict::Failure, breaker::Fault::verdict)
        }
        Err(_) => Verdict::Ignore,
    }
}

/// What an outcome tells of the database.
fn verdict<T>(result: &Result<T, Error>) -> Verdict {
    result.as_ref().err().map_or(Verdict::Success, judge)
}

fn judge(error: &Error) -> Verdict {
    match error.rejected().map(Rejected::reason) {
        // Away, too late, or without room for another connection.
        Some(Reason::Unavailable) => Verdict::Failure,
        // Our own pool had no room for it, or other writes were in its way.
        Some(_) => Verdict::Ignore,
        None if error.is_commit_unknown() => Verdict::Failure,
        None => said(error),
    }
}

/// The server has answered: a statement that was wrong is none of its faults, a full disk is.
fn said(error: &Error) -> Verdict {
    of_driver(error).map_or(Verdict::Ignore, |error| {
        error.code().map_or(Verdict::Ignore, |_| error.verdict())
    })
}
