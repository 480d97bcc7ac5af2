use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ask::Ask;
use crate::binding::Mode;
use crate::fallback::Fallback;
use crate::lag::History;
use crate::node::Node;
use crate::probe::{self, Sighting};
use crate::server::Role;
use crate::standing::Seen;
use crate::{Binding, Dedicated, Error, Read, Servers, Settings, Statistics, Write};

/// One primary, its standbys, and the connections to all of them.
///
/// Clones share the connections.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) nodes: Arc<Nodes>,
    /// They ask the servers how they are, and end with the last clone.
    _watches: Arc<JoinSet<()>>,
}

/// What clones of a cluster share.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) first: Node,
    pub(crate) others: Vec<Node>,
    pub(crate) settings: Settings,
    pub(crate) fallback: Fallback,
    pub(crate) statistics: Statistics,
    /// The system identifier; 0 until a server has told it.
    pub(crate) cluster: AtomicU64,
    /// Tokens that no write of this cluster left.
    pub(crate) foreign_tokens: AtomicU64,
    history: Mutex<History>,
}

impl Cluster {
    /// Begins to look after the servers. It connects when somebody asks, so it starts while
    /// they are away.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(servers: Servers, settings: Settings) -> Self {
        let replicas = (1..).zip(servers.replicas);
        let replicas = replicas.map(|(number, target)| {
            Node::start(number, target, settings.replica_connections, &settings)
        });
        let primary = Node::start(0, servers.primary, settings.connections, &settings);
        let nodes = Nodes {
            first: primary,
            others: replicas.collect(),
            fallback: Fallback::new(settings.replicas.fallback_percent),
            settings,
            statistics: Statistics::new(Instant::now()),
            cluster: AtomicU64::new(0),
            foreign_tokens: AtomicU64::new(0),
            history: Mutex::default(),
        };
        let nodes = Arc::new(nodes);
        let mut watches = JoinSet::new();
        for (n, node) in nodes.iter().enumerate() {
            let told = Arc::clone(&nodes);
            let told = move |sighting| told.saw(n, sighting);
            watches.spawn(probe::watch(Arc::clone(&node.server), told));
        }
        Self {
            nodes,
            _watches: Arc::new(watches),
        }
    }

    /// Reads in this name, from a replica where one will do.
    pub fn read<'c>(&'c self, binding: &'c Binding) -> Read<'c> {
        Read::new(&self.nodes, binding)
    }

    /// Writes, and reads, in this name, on the primary.
    pub fn write<'c>(&'c self, binding: &'c Binding) -> Write<'c> {
        Write::new(&self.nodes, binding)
    }

    /// A connection to the primary for as long as it is wanted, in this name: with its search
    /// path, role and settings, which last as long as the connection.
    ///
    /// Cancel safety: dropped, it leaves nothing behind.
    ///
    /// # Errors
    ///
    /// As [`Write::query`].
    pub async fn dedicated(
        &self,
        label: &'static str,
        binding: &Binding,
    ) -> Result<Dedicated, Error> {
        Ask::new(&self.nodes, binding, Mode::Write)
            .dedicated(label)
            .await
    }

    /// What is known of the queries.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.nodes.statistics
    }

    /// Hands out no connection any more, and waits for those in use to come back, but no
    /// longer than `patience`. Returns how many are still in use.
    pub async fn drain(&self, patience: Duration) -> usize {
        let nodes = self.nodes.iter();
        let left = join_all(nodes.map(|node| node.drain(patience))).await;
        left.into_iter().sum()
    }
}

impl Nodes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        [&self.first].into_iter().chain(&self.others)
    }

    /// The cluster is that of the first server; until that is known, of whichever came first.
    fn is_ours(&self, n: usize, cluster: u64) -> bool {
        let known = self.cluster.load(Ordering::Relaxed);
        if n == 0 || known == 0 {
            self.cluster.store(cluster, Ordering::Relaxed);
            return true;
        }
        known == cluster
    }

    fn saw(&self, n: usize, sighting: Option<Sighting>) {
        let (Some(node), now) = (self.iter().nth(n), Instant::now()) else {
            return;
        };
        let Some(sighting) = sighting else {
            node.died(now);
            return;
        };
        if !self.is_ours(n, sighting.cluster) {
            let name = &*node.server.name;
            tracing::error!(name, "a server belongs to another cluster, and is not used");
            node.server.role.set(Role::Unknown);
            node.died(now);
            return;
        }
        let position = sighting.position;
        let in_recovery = sighting.role == Role::Standby;
        let primary = self.primary();
        // While the primary is away, no replica falls further behind, also one that lacks what
        // was lost with it.
        let until = primary.last_seen(now).filter(|_| primary.is_away(now));
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let lag = history.lag(position, until.unwrap_or(now));
        let lag = lag.filter(|_| in_recovery);
        if std::ptr::eq(node, primary) && !in_recovery {
            history.saw(position, now);
        }
        drop(history);
        node.standing.saw(Seen {
            at: now,
            in_recovery,
            position,
            lag,
        });
    }
}
