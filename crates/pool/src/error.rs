use std::fmt;

use tokio::time::Instant;
use towerblock_core::{Reason, Rejected};

use crate::Held;
use crate::growth::Growth;

/// Somebody got no connection.
///
/// Its text says why, for the log: what the pool was doing, who held its connections, and
/// why the last attempt to open one failed. Its source is the [`Rejected`] that the caller
/// is answered with.
#[derive(Debug, thiserror::Error)]
#[error("no connection: {}, {what}", rejected.reason())]
pub struct PoolError {
    #[source]
    rejected: Rejected,
    what: Box<Scene>,
}

/// What the pool was doing. A flood of refusals does not wait for its words.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) at: Instant,
    pub(crate) growth: Growth,
    pub(crate) waiting: usize,
    pub(crate) held: Vec<Held>,
    pub(crate) last_error: Option<String>,
}

impl PoolError {
    pub(crate) fn new(rejected: Rejected, what: Scene) -> Self {
        Self {
            rejected,
            what: Box::new(what),
        }
    }

    /// What the caller is answered with.
    #[must_use]
    pub const fn rejected(&self) -> &Rejected {
        &self.rejected
    }

    /// Whether the tenant asked for more than its share.
    #[must_use]
    pub fn is_over_share(&self) -> bool {
        self.rejected.reason() == Reason::OverShare
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Growth {
            size,
            open,
            connecting,
            ..
        } = self.growth;
        let (used, waiting) = (self.held.len(), self.waiting);
        write!(
            f,
            "{used} used and {open} open of {size}, {connecting} being opened, {waiting} waiting"
        )?;
        for (tenant, count, longest) in by_tenant(&self.held).into_iter().take(3) {
            let held = self.at.saturating_duration_since(longest.since);
            let at = longest.at;
            write!(f, "; {tenant} holds {count}, one for {held:.1?} since {at}")?;
        }
        match &self.last_error {
            Some(error) => write!(f, "; the last attempt to connect failed: {error}"),
            None => Ok(()),
        }
    }
}

/// Tenants by how many connections they hold, the most first, with the one held longest.
fn by_tenant(held: &[Held]) -> Vec<(&str, usize, &Held)> {
    let mut tenants: Vec<(&str, usize, &Held)> = Vec::new();
    for held in held {
        let name = held.tenant.as_str();
        match tenants.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, count, longest)) => {
                *count += 1;
                if held.since < longest.since {
                    *longest = held;
                }
            }
            None => tenants.push((name, 1, held)),
        }
    }
    tenants.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    tenants
}
