//! Which server a read goes to.

use std::time::Duration;

use tokio::time::Instant;

use crate::lsn::Position;
use crate::standing::{Candidate, Health};

/// The monitor asks more often than this; what it has not told for longer counts as lag.
const SILENCE: Duration = Duration::from_secs(1);

/// How far ahead of what we know of the primary a token may be, in bytes: the primary writes on
/// between two looks at it, but not so much.
const SLACK: u64 = 1 << 30;

/// What a read asks of a replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) max_lag: Duration,
    /// What the reader wrote.
    pub(crate) token: Option<Position>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    /// This candidate and no other: it is the one that was found to have what the token says.
    Replica(usize),
    /// None has what the token says; this one will be the first to have it.
    WaitFor(usize),
    Primary,
}

impl Demand {
    /// Without a token that no write of this primary can have left: it comes from a copy of the
    /// cluster, or of the time before it was restored. To be counted when it is taken away.
    pub(crate) fn plausible(self, primary: Option<Position>) -> (Self, bool) {
        let is_ahead = self.token.zip(primary).is_some_and(|(token, primary)| {
            token.timeline == primary.timeline && token.lsn.0.saturating_sub(primary.lsn.0) > SLACK
        });
        let token = self.token.filter(|_| !is_ahead);
        (Self { token, ..self }, is_ahead)
    }
}

/// Chooses among `candidates`, which are all servers but the one that is known as the primary;
/// `primary` is how far that one is, when it is known. `random` is told, for each call anew.
///
/// Of two eligible ones, taken at random, the one that is likely to answer first. Where none
/// is eligible, the caller asks [`Fallback`](crate::fallback::Fallback) before it uses the
/// primary.
pub(crate) fn choose(
    candidates: &[Candidate],
    primary: Option<Position>,
    demand: &Demand,
    random: u64,
    now: Instant,
) -> Choice {
    let Demand { max_lag, token } = *demand;
    // A promotion lies between, ours or one that we do not know of yet: no replica can tell
    // whether it has the write.
    if token
        .zip(primary)
        .is_some_and(|(token, primary)| token.timeline != primary.timeline)
    {
        return Choice::Primary;
    }
    let rivals = Rivals::of(candidates);
    let fresh = || rivals.usable(max_lag, now);
    let with_token = || fresh().filter(|rival| token.is_none_or(|token| rival.at.has(token)));
    if let Some(rival) = better_of_two(with_token, random) {
        return Choice::Replica(rival.index);
    }
    let same_timeline =
        fresh().filter(|rival| token.is_some_and(|t| t.timeline == rival.at.timeline));
    let nearest = same_timeline.max_by(|a, b| {
        let by_cost = || b.cost.total_cmp(&a.cost);
        a.at.cmp(&b.at).then_with(by_cost)
    });
    nearest.map_or(Choice::Primary, |rival| Choice::WaitFor(rival.index))
}

/// A replica that may be used.
#[derive(Clone, Copy)]
struct Rival {
    index: usize,
    at: Position,
    /// How long the next call is likely to take there, by its weight.
    cost: f64,
}

/// The replicas, and how many of those that their callers' failures ejected are used all the
/// same: when more than half are out, it is more likely the callers' fault, or a load that
/// the other half would not bear.
struct Rivals<'a> {
    candidates: &'a [Candidate],
    pardons: usize,
}

impl<'a> Rivals<'a> {
    fn of(candidates: &'a [Candidate]) -> Self {
        let (mut replicas, mut dead, mut ejected) = (0_usize, 0_usize, 0_usize);
        for candidate in candidates.iter().filter(|candidate| is_replica(candidate)) {
            replicas += 1;
            match candidate.health {
                Health::Fit { .. } => {}
                Health::Ejected { .. } => ejected += 1,
                Health::Dead => dead += 1,
            }
        }
        let may_be_out = (replicas / 2).saturating_sub(dead);
        let pardons = ejected.saturating_sub(may_be_out);
        Self {
            candidates,
            pardons,
        }
    }

    /// Those that are fit, or pardoned, and not more than `max_lag` behind.
    fn usable(&self, max_lag: Duration, now: Instant) -> impl Iterator<Item = Rival> {
        let candidates = self.candidates.iter().enumerate();
        candidates.filter_map(move |(index, candidate)| {
            let seen = candidate.seen.filter(|seen| seen.in_recovery)?;
            let weight = match candidate.health {
                Health::Fit { weight } => weight,
                Health::Ejected { until } if self.is_pardoned(index, until) => Health::PARDONED,
                Health::Ejected { .. } | Health::Dead => return None,
            };
            let silence = now.saturating_duration_since(seen.at);
            let lag = seen.lag?.saturating_add(silence.saturating_sub(SILENCE));
            let calls = (candidate.in_flight as f64) + 1.0;
            (lag <= max_lag).then(|| Rival {
                index,
                at: seen.position,
                cost: candidate.latency.as_secs_f64() * calls / weight,
            })
        })
    }

    /// Those are that would be back first.
    fn is_pardoned(&self, index: usize, until: Instant) -> bool {
        let others = self.candidates.iter().enumerate();
        let before = others.filter(|(other, candidate)| match candidate.health {
            Health::Ejected { until: its } => {
                is_replica(candidate) && (its, *other) < (until, index)
            }
            Health::Fit { .. } | Health::Dead => false,
        });
        before.count() < self.pardons
    }
}

/// One that was never reached counts as what it is configured to be.
fn is_replica(candidate: &Candidate) -> bool {
    candidate.seen.is_none_or(|seen| seen.in_recovery)
}

/// Goes through `rivals` twice rather than collect them: they are few, and most reads come here.
fn better_of_two<I: Iterator<Item = Rival>>(rivals: impl Fn() -> I, random: u64) -> Option<Rival> {
    let count = rivals().count();
    let (high, low) = ((random >> 32) as usize, (random & 0xFFFF_FFFF) as usize);
    let first = high.checked_rem(count)?;
    let one = rivals().nth(first)?;
    let Some(second) = low.checked_rem(count - 1) else {
        return Some(one);
    };
    // Any but the first.
    let second = second + usize::from(second >= first);
    let other = rivals().nth(second)?;
    Some(if other.cost < one.cost { other } else { one })
}

#[cfg(test)]
mod tests;
