use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Metric, Stats, Value};

use crate::Cluster;
use crate::node::Node;
use crate::server::Role;

/// One server of a cluster, as it is now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Its number in the order of the URLs, the first of which is 0.
    pub number: usize,
    /// Whether it takes writes; `None` when it was never reached.
    pub is_primary: Option<bool>,
    /// Whether it did not answer when it was last asked.
    pub is_away: bool,
    /// Whether a pooler in between lends its connections by the transaction, or may: then what
    /// would leave something on one is refused.
    pub is_pooled: bool,
    /// How far it is behind the primary, where that is known.
    pub lag: Option<Duration>,
    /// Connections that are open.
    pub open: usize,
    /// Connections that are in use.
    pub used: usize,
    /// Connections that somebody left in the middle of something, and that are being cleaned.
    pub cleaning: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

impl Cluster {
    /// The servers as they are now.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerStatus> {
        let now = Instant::now();
        let nodes = self.nodes.iter().enumerate();
        nodes.map(|(n, node)| status(n, node, now)).collect()
    }
}

fn status(number: usize, node: &Node, now: Instant) -> ServerStatus {
    let pool = node.pool.status();
    let seen = node.standing.candidate(now).seen;
    ServerStatus {
        number,
        is_primary: match node.server.role.get() {
            Role::Unknown => None,
            Role::Primary => Some(true),
            Role::Standby => Some(false),
        },
        is_away: node.is_away(now),
        is_pooled: node.server.lending.is_by_transaction(),
        lag: seen.and_then(|seen| seen.lag),
        open: pool.open,
        used: pool.used,
        cleaning: node.cleaners.count(),
        waiting: pool.waiting,
    }
}

static CONNECTIONS: Metric = Metric::gauge(
    "postgres_connections",
    "connections",
    "Connections that are open",
)
.labelled("server");
static USED: Metric = Metric::gauge(
    "postgres_connections_used",
    "connections",
    "Connections that are in use, or being cleaned",
)
.labelled("server");
static WAITING: Metric = Metric::gauge(
    "postgres_waiting",
    "calls",
    "Calls that wait for a connection",
)
.labelled("server");
static AWAY: Metric = Metric::gauge(
    "postgres_away",
    "",
    "Whether the server did not answer when it was last asked: 1 or 0",
)
.labelled("server");
static PRIMARY: Metric = Metric::gauge(
    "postgres_primary",
    "",
    "Whether the server takes writes: 1 or 0",
)
.labelled("server");
static LAG: Metric = Metric::gauge(
    "postgres_lag",
    "seconds",
    "How far the server is behind the primary, where that is known",
)
.labelled("server");
static FOREIGN_TOKENS: Metric = Metric::counter(
    "postgres_foreign_tokens",
    "reads",
    "Reads with the token of a write that this cluster has not seen",
);
pub(crate) static METRICS: &[Metric] = &[
    CONNECTIONS,
    USED,
    WAITING,
    AWAY,
    PRIMARY,
    LAG,
    FOREIGN_TOKENS,
];

/// Its servers; the queries are counted by [`statistics`](Cluster::statistics).
impl Stats for Cluster {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        for (node, status) in self.nodes.iter().zip(self.servers()) {
            let name = &*node.server.name;
            let level = |is_so| f64::from(u8::from(is_so));
            for (metric, value) in [
                (&CONNECTIONS, status.open as f64),
                (&USED, status.used as f64),
                (&WAITING, status.waiting as f64),
                (&AWAY, level(status.is_away)),
                (&PRIMARY, level(status.is_primary == Some(true))),
            ] {
                sink(metric, name, Value::Level(value));
            }
            if let Some(lag) = status.lag {
                sink(&LAG, name, Value::Level(lag.as_secs_f64()));
            }
        }
        let foreign = &self.nodes.foreign_tokens;
        let foreign = foreign.load(std::sync::atomic::Ordering::Relaxed);
        sink(&FOREIGN_TOKENS, "", Value::Count(foreign));
    }
}
