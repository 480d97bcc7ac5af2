use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::binding::Mode;
use crate::node::Node;
use crate::probe;
use crate::server::Role;
use crate::{Binding, Read, Servers, Settings, Write};

/// One primary, its standbys, and the connections to all of them.
///
/// Clones share the connections.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) nodes: Arc<Nodes>,
    /// They ask the servers how they are, and end with the last clone.
    _watches: Arc<JoinSet<()>>,
}

#[derive(Debug)]
pub(crate) struct Nodes {
    first: Node,
    others: Vec<Node>,
    pub(crate) settings: Settings,
    turn: AtomicUsize,
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
        let replicas = servers.replicas.into_iter().enumerate();
        let replicas = replicas.map(|(n, target)| {
            let name = format!("replica-{n}").into();
            Node::start(name, target, settings.replica_connections, &settings)
        });
        let primary = Node::start(
            "primary".into(),
            servers.primary,
            settings.connections,
            &settings,
        );
        let nodes = Nodes {
            first: primary,
            others: replicas.collect(),
            settings,
            turn: AtomicUsize::new(0),
        };
        let nodes = Arc::new(nodes);
        let mut watches = JoinSet::new();
        for (n, node) in nodes.iter().enumerate() {
            let told = Arc::clone(&nodes);
            let told = move |sighting| {
                told.iter()
                    .nth(n)
                    .into_iter()
                    .for_each(|node| node.saw(sighting))
            };
            watches.spawn(probe::watch(Arc::clone(&node.server), told));
        }
        Self {
            nodes,
            _watches: Arc::new(watches),
        }
    }

    /// Reads in this name, from a replica where one will do.
    #[must_use]
    pub fn read<'c>(&'c self, binding: &'c Binding) -> Read<'c> {
        Read::new(&self.nodes, binding)
    }

    /// Writes, and reads, in this name, on the primary.
    #[must_use]
    pub fn write<'c>(&'c self, binding: &'c Binding) -> Write<'c> {
        Write::new(&self.nodes, binding)
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

    /// Where writes go: of servers that take them for themselves, the one on the newest
    /// timeline, for the others were left behind.
    pub(crate) fn primary(&self) -> &Node {
        let primaries = self
            .iter()
            .filter(|node| node.server.role.get() == Role::Primary);
        let newest =
            primaries.max_by_key(|node| node.sighting().map(|sighting| sighting.position.timeline));
        newest.unwrap_or(&self.first)
    }

    pub(crate) fn for_mode(&self, mode: Mode) -> &Node {
        if mode == Mode::Write {
            return self.primary();
        }
        let is_fit = |node: &&Node| node.server.role.get() == Role::Standby && !node.is_away();
        let standbys: Vec<&Node> = self.iter().filter(is_fit).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let next = turn
            .checked_rem(standbys.len())
            .and_then(|next| standbys.get(next));
        next.copied().unwrap_or_else(|| self.primary())
    }
}
