use std::cmp::Reverse;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::Rejected;

use crate::ReadToken;
use crate::binding::Mode;
use crate::choice::{Choice, Demand, choose};
use crate::cluster::Nodes;
use crate::lsn::{Lsn, Position};
use crate::node::Node;
use crate::standing::{Candidate, Health};

/// Where one attempt goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'c> {
    pub(crate) node: &'c Node,
    /// It may not have this yet, and is not to be read before it has.
    pub(crate) must_have: Option<Position>,
}

impl Nodes {
    /// Where writes go: of servers that take them for themselves, the one on the newest
    /// timeline, for the others were left behind.
    pub(crate) fn primary(&self) -> &Node {
        let now = Instant::now();
        // Who answers before it has answered may be one of another cluster, or left behind.
        if self.first.position(now).is_none() && !self.first.is_away(now) {
            return &self.first;
        }
        let newest = self
            .iter()
            .filter(|node| node.takes_writes())
            .max_by_key(|node| {
                let timeline = node.position(now).map(|position| position.timeline);
                (timeline, !node.is_away(now), Reverse(node.number))
            });
        newest.unwrap_or(&self.first)
    }

    /// `token` is what the reader wrote; `left_out` are servers that were tried in vain.
    pub(crate) fn route(
        &self,
        mode: Mode,
        token: Option<ReadToken>,
        left_out: &[usize],
    ) -> Result<Route<'_>, Rejected> {
        let (primary, now) = (self.primary(), Instant::now());
        let to_primary = Route {
            node: primary,
            must_have: None,
        };
        if mode == Mode::Write || self.others.is_empty() {
            return Ok(to_primary);
        }
        self.fallback.read(now);
        let others = self.iter().filter(|node| !std::ptr::eq(*node, primary));
        let (others, mut candidates): (Vec<&Node>, Vec<Candidate>) = others
            .map(|node| (node, node.standing.candidate(now)))
            .unzip();
        // Where no replica is left, the primary serves alone.
        let has_replicas = candidates
            .iter()
            .any(|candidate| candidate.seen.is_none_or(|seen| seen.in_recovery));
        // This very call may have found it gone, before the monitor has.
        let is_alone = primary.is_away(now) || left_out.contains(&primary.number);
        for (node, candidate) in others.iter().zip(&mut candidates) {
            if left_out.contains(&node.number) {
                candidate.health = Health::Dead;
            }
            // Nobody knows how late one is without the primary, and there is nothing newer.
            if let (true, Some(seen)) = (is_alone, &mut candidate.seen) {
                (seen.lag, seen.at) = (Some(Duration::ZERO), now);
            }
        }
        let at = primary.position(now);
        let demand = self.demand(token, at);
        let random = RandomState::new().hash_one(());
        let choice = choose(&candidates, at, &demand, random, now);
        let chosen = match choice {
            Choice::Replica(index) => others.get(index).map(|node| (*node, None)),
            Choice::WaitFor(index) => others.get(index).map(|node| (*node, demand.token)),
            Choice::Primary => None,
        };
        if let Some((node, must_have)) = chosen {
            return Ok(Route { node, must_have });
        }
        if has_replicas {
            match demand.token {
                // Whoever reads what it wrote is not many: no more than write.
                Some(_) => self.fallback.took(now),
                None => self.fallback.admit(now)?,
            }
        }
        Ok(to_primary)
    }

    /// How far a write went on this server.
    pub(crate) fn token(&self, node: &Node, lsn: Lsn) -> ReadToken {
        let position = node.position(Instant::now());
        ReadToken {
            // A timeline that is not known is no replica's.
            position: Position::new(position.map_or(0, |position| position.timeline), lsn),
            cluster: self.cluster.load(Ordering::Relaxed),
            // As late as whoever seals it allows.
            expires: u64::MAX,
        }
    }

    /// What is asked of a replica. A token that cannot be of a write of ours is counted, and
    /// ignored: who has one may wait for nothing.
    fn demand(&self, token: Option<ReadToken>, primary: Option<Position>) -> Demand {
        let cluster = self.cluster.load(Ordering::Relaxed);
        let is_ours = |token: &ReadToken| [0, cluster].contains(&token.cluster);
        let ours = token.filter(is_ours);
        let demand = Demand {
            max_lag: self.settings.replicas.max_lag,
            token: ours.map(|token| token.position),
        };
        let (demand, is_ahead) = demand.plausible(primary);
        if is_ahead || ours.is_none() != token.is_none() {
            self.foreign_tokens.fetch_add(1, Ordering::Relaxed);
        }
        demand
    }
}
