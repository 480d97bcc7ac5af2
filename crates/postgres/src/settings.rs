use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use towerblock_core::TenantId;
use towerblock_fair::{FairSemaphore, Share};

use crate::Budget;

/// What a [`Cluster`](crate::Cluster) may use, and how long anything may take.
#[derive(Clone)]
pub struct Settings {
    pub(crate) connections: NonZeroUsize,
    pub(crate) replica_connections: NonZeroUsize,
    pub(crate) min_idle: usize,
    pub(crate) limits: Limits,
    pub(crate) keeps: Keeps,
    pub(crate) replicas: Replicas,
    share_of: Option<Arc<ShareOf>>,
}

struct ShareOf(Box<ShareFn>);

type ShareFn = dyn Fn(&TenantId) -> Share + Send + Sync;

/// How long things may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// To wait for a connection. Default: 1 s.
    pub acquire: Duration,
    /// To open a connection. Default: 2 s.
    pub connect: Duration,
    /// A call without a deadline of its own, all of it; its statement has four fifths of that.
    /// Default: 5 s.
    pub call: Duration,
    /// A transaction that does nothing. Default: 10 s.
    pub idle_in_transaction: Duration,
}

impl Limits {
    /// The server ends a statement before its caller gives it up: then its connection is clean.
    pub(crate) fn statement(&self) -> Duration {
        self.call.saturating_mul(4) / 5
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            acquire: Duration::from_secs(1),
            connect: Duration::from_secs(2),
            call: Duration::from_secs(5),
            idle_in_transaction: Duration::from_secs(10),
        }
    }
}

/// What a connection keeps in memory, here and at the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Keeps {
    /// Statements that it has prepared; that used longest ago makes room. Default: 512.
    pub statements: usize,
    /// Schemas whose tables it has used. The server keeps some 16 kB for each table until the
    /// connection is closed, which it is when it comes back with more. Default: 256.
    pub schemas: usize,
}

impl Default for Keeps {
    fn default() -> Self {
        Self {
            statements: 512,
            schemas: 256,
        }
    }
}

/// When replicas are read, and what happens when they are not fit to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Replicas {
    /// One that is further behind is not read. Default: 1 s.
    pub max_lag: Duration,
    /// A read that must see a write waits so long for a replica to have it, and then goes to
    /// the primary. Default: 30 ms.
    pub wait: Duration,
    /// So many percent of the reads may go to the primary because no replica will do; the
    /// others are refused, for a primary that takes them all takes no writes any more. Those
    /// that must see a write are counted, and never refused. Default: 20.
    pub fallback_percent: u8,
}

impl Default for Replicas {
    fn default() -> Self {
        Self {
            max_lag: Duration::from_secs(1),
            wait: Duration::from_millis(30),
            fallback_percent: 20,
        }
    }
}

impl Settings {
    /// So many connections to the primary at most, and to each replica; and one more to each
    /// server, to ask how it is.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let connections = budget.connections();
        Self {
            connections,
            replica_connections: connections,
            min_idle: 0,
            limits: Limits::default(),
            keeps: Keeps::default(),
            replicas: Replicas::default(),
            share_of: None,
        }
    }

    /// Connections to each replica at most. Default: as many as to the primary.
    #[must_use]
    pub const fn replica_budget(mut self, budget: Budget) -> Self {
        self.replica_connections = budget.connections();
        self
    }

    /// Connections to each server that are opened ahead, and kept. Default: none.
    #[must_use]
    pub const fn min_idle(mut self, connections: usize) -> Self {
        self.min_idle = connections;
        self
    }

    /// How long things may take.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What a connection keeps in memory.
    #[must_use]
    pub const fn keeps(mut self, keeps: Keeps) -> Self {
        self.keeps = keeps;
        self
    }

    /// When replicas are read.
    #[must_use]
    pub const fn replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = replicas;
        self
    }

    /// The share of each tenant in the connections. Default: a weight of 1 for everyone.
    #[must_use]
    pub fn share_of(
        mut self,
        share_of: impl Fn(&TenantId) -> Share + Send + Sync + 'static,
    ) -> Self {
        self.share_of = Some(Arc::new(ShareOf(Box::new(share_of))));
        self
    }

    pub(crate) fn slots(&self) -> FairSemaphore {
        let slots = FairSemaphore::new(NonZeroUsize::MIN).named("postgres");
        match self.share_of.clone() {
            Some(share_of) => slots.share_of(move |tenant| share_of.0(tenant)),
            None => slots,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("connections", &self.connections)
            .field("replica_connections", &self.replica_connections)
            .field("min_idle", &self.min_idle)
            .field("limits", &self.limits)
            .field("keeps", &self.keeps)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
