use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::binding::Mode;
use crate::node::Node;
use crate::server::Role;
use crate::{Binding, Read, Servers, Settings, Write};

/// One primary, its standbys, and the connections to all of them.
///
/// Clones share the connections.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) nodes: Arc<Nodes>,
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
        Self {
            nodes: Arc::new(nodes),
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

    pub(crate) fn for_mode(&self, mode: Mode) -> &Node {
        let is = |role| move |node: &&Node| node.server.role.get() == role;
        let primary = self.iter().find(is(Role::Primary)).unwrap_or(&self.first);
        if mode == Mode::Write {
            return primary;
        }
        let standbys: Vec<&Node> = self.iter().filter(is(Role::Standby)).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let next = turn
            .checked_rem(standbys.len())
            .and_then(|next| standbys.get(next));
        next.copied().unwrap_or(primary)
    }
}
