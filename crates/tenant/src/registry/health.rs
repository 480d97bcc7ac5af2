//! How the store does, and the numbers of a registry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use towerblock_core::{BoxError, Metric, Value};

#[derive(Debug, Default)]
pub(super) struct Health {
    /// What the last lookup told: for whoever watches, it decides nothing.
    failing: AtomicBool,
    found: AtomicU64,
    unknown: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    stale: AtomicU64,
}

// Counters and a hint: none of them orders anything else.
impl Health {
    /// A lookup ended, with an error or without.
    fn ended(&self, counter: &AtomicU64, error: Option<&str>) {
        counter.fetch_add(1, Ordering::Relaxed);
        let was_failing = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_failing => {
                tracing::warn!(error, "a tenant cannot be looked up");
            }
            None if was_failing => tracing::info!("tenants can be looked up again"),
            _ => {}
        }
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn served_stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    /// With how many tenants, domains, and names that do not exist are kept.
    pub(super) fn read(
        &self,
        [tenants, domains, unknown]: [u64; 3],
        sink: &mut dyn FnMut(&'static Metric, &str, Value),
    ) {
        for (kept, count) in [
            ("tenants", tenants),
            ("domains", domains),
            ("unknown", unknown),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "nobody keeps 2^53 names")]
            sink(&KEPT, kept, Value::Level(count as f64));
        }
        for (outcome, counter) in [
            ("found", &self.found),
            ("unknown", &self.unknown),
            ("failed", &self.failed),
            ("refused", &self.refused),
        ] {
            sink(
                &LOOKUPS,
                outcome,
                Value::Count(counter.load(Ordering::Relaxed)),
            );
        }
        let stale = self.stale.load(Ordering::Relaxed);
        sink(&STALE, "", Value::Count(stale));
        let failing = self.failing.load(Ordering::Relaxed);
        let failing = f64::from(u8::from(failing));
        sink(&FAILING, "", Value::Level(failing));
    }
}

/// The duty to report how one lookup ended; dropped without an answer, it has failed.
#[derive(Debug)]
pub(super) struct Report {
    health: Arc<Health>,
    is_answered: bool,
}

impl Report {
    pub(super) const fn new(health: Arc<Health>) -> Self {
        let is_answered = false;
        Self {
            health,
            is_answered,
        }
    }

    pub(super) fn answered<T>(&mut self, answer: &Result<Option<T>, BoxError>) {
        let Self { health, .. } = &self;
        match answer {
            Ok(Some(_)) => health.ended(&health.found, None),
            Ok(None) => health.ended(&health.unknown, None),
            Err(error) => health.ended(&health.failed, Some(&error.to_string())),
        }
        self.is_answered = true;
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_answered {
            let health = &self.health;
            health.ended(&health.failed, Some("the store panicked, or was stopped"));
        }
    }
}

static KEPT: Metric = Metric::gauge(
    "tenant_registry_kept",
    "names",
    "Names that the registry keeps in memory",
)
.labelled("of");
static LOOKUPS: Metric = Metric::counter(
    "tenant_registry_lookups",
    "lookups",
    "Lookups in the store of tenants by how they ended; refused when too many were in flight",
)
.labelled("outcome");
static STALE: Metric = Metric::counter(
    "tenant_registry_stale",
    "",
    "Requests served with what is older than the ttl, because the store fails",
);
static FAILING: Metric = Metric::gauge(
    "tenant_registry_failing",
    "",
    "Whether the last lookup in the store failed: 1 or 0",
);
pub(crate) static METRICS: &[Metric] = &[KEPT, LOOKUPS, STALE, FAILING];
