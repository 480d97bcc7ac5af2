//! What operators see of the server: its numbers, and how it is.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use towerblock_breaker as breaker;
use towerblock_core::{BoxError, Metric, Stats, Value};
use towerblock_lifecycle::{Check, Health, Lifecycle, Report};
use towerblock_metrics::{ExportError, Exporter, Exposition, Process};

use crate::caller::is_admin;
use crate::state::{Shared, State};

/// A look at what is known already costs nothing.
const EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Observed {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) health: Health,
    /// All numbers, for Prometheus.
    pub(crate) page: Exposition,
}

impl Observed {
    /// Looks after `state` from now on.
    pub(crate) fn new(lifecycle: Lifecycle, state: &State) -> Result<Self, ExportError> {
        let health = Health::start(&lifecycle, checks(state));
        let mut page = Exporter::new()
            .board(state.board.clone())
            .stats(lifecycle.clone())
            .stats(Process);
        for stats in state.stats() {
            page = page.stats(Told(stats));
        }
        // Too many for the report.
        if let Some(queries) = state.store.queries() {
            page = page.stats(queries.clone());
        }
        let page = page.start()?;
        Ok(Self {
            lifecycle,
            health,
            page,
        })
    }

    /// How the server is; the details are for admins.
    pub(crate) fn report(&self, state: &Shared) -> Report {
        let token = state.admin_token.clone();
        let report = self
            .health
            .report()
            .instance(&*state.instance)
            .version(env!("CARGO_PKG_VERSION"))
            .stats(Arc::new(Process))
            .details_for(move |parts| is_admin(parts, token.as_ref()));
        state.stats().into_iter().fold(report, Report::stats)
    }
}

/// What others have, too.
struct Told(Arc<dyn Stats>);

impl Stats for Told {
    fn describe(&self) -> &'static [Metric] {
        self.0.describe()
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        self.0.read(sink);
    }
}

/// No server is asked anything for these: whoever talks to it knows how it is, and a check
/// reads that. A question of its own would wait for the connections that requests use, and
/// take out an instance that is merely busy.
fn checks(state: &State) -> impl Iterator<Item = Check> {
    let store = Arc::clone(&state.store);
    let database = Check::critical("database", move || {
        let is_ready = store.is_ready();
        async move { require(is_ready, || "no server answers that is set up") }
    });
    // Without it each instance goes on alone.
    let redis = state.caches.redis.clone().map(|redis| {
        Check::degraded("redis", move || {
            let now = redis.watch().borrow().clone();
            let why = move || {
                now.why
                    .as_deref()
                    .unwrap_or("not all of it works")
                    .to_owned()
            };
            async move { require(now.writes && now.subscribed, why) }
        })
    });
    // One that is open is what keeps the others going.
    let circuits = state.circuits.registry().list().into_iter().map(|circuit| {
        let name = format!("circuit:{}", circuit.name());
        Check::degraded(name, move || {
            let now = circuit.state();
            async move { require(now == breaker::State::Closed, || now.to_string()) }
        })
    });
    let all = [database].into_iter().chain(redis).chain(circuits);
    all.map(|check| check.every(EVERY).rise_after(NonZeroU32::MIN))
}

fn require<T: Into<BoxError>>(is_so: bool, why: impl FnOnce() -> T) -> Result<(), BoxError> {
    if is_so { Ok(()) } else { Err(why().into()) }
}
