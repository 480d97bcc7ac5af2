use std::fmt::Write as _;

use towerblock_core::{Reason, Rejected};

use crate::Held;
use crate::growth::Growth;

/// Somebody got no connection.
///
/// Its text says why, for the log: what the pool was doing, who held its connections, and
/// why the last attempt to open one failed. Its source is the [`Rejected`] that the caller
/// is answered with.
#[derive(Debug, thiserror::Error)]
#[error("no connection: {why}")]
pub struct PoolError {
    why: String,
    #[source]
    rejected: Rejected,
}

impl PoolError {
    pub(crate) fn new(
        rejected: Rejected,
        growth: Growth,
        waiting: usize,
        held: &[Held],
        last_error: Option<&str>,
    ) -> Self {
        let Growth {
            size,
            open,
            connecting,
            ..
        } = growth;
        let used = held.len();
        let mut why = format!(
            "{}, {used} used and {open} open of {size}, {connecting} being opened, {waiting} waiting",
            rejected.reason(),
        );
        for (tenant, count, longest) in by_tenant(held).into_iter().take(3) {
            let held = longest.since.elapsed();
            // Writing into a `String` cannot fail.
            let _ = write!(
                why,
                "; {tenant} holds {count}, one for {held:.1?} since {}",
                longest.at
            );
        }
        if let Some(error) = last_error {
            let _ = write!(why, "; the last attempt to connect failed: {error}");
        }
        Self { why, rejected }
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
