use std::time::Duration;

use towerblock_core::TenantId;

use crate::statistics::cause::Cause;
use crate::statistics::labels::Label;

/// What is known of the queries at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How long queries have been counted.
    pub age: Duration,
    /// A query that executes at least so long is slow.
    pub slow_after: Duration,
    /// All labels together.
    pub total: Total,
    /// Each label, the one that executed longest in total first.
    pub labels: Vec<LabelReport>,
    /// Slow queries in the last minute.
    pub slow_per_minute: f64,
    /// The last slow queries, at most 100, the last first.
    pub slow: Vec<SlowQuery>,
    /// Who takes more than a fair share, over the last 1, 5 and 15 minutes.
    pub windows: Vec<Window>,
}

impl Report {
    /// Without the labels of which no query was slow.
    #[must_use]
    pub fn slow_only(mut self) -> Self {
        self.labels.retain(|label| label.slow > 0);
        self
    }
}

/// Sums over all labels since the counting began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Total {
    /// Queries, however they ended.
    pub queries: u64,
    /// Of these, how many failed on the server or on the way.
    pub errors: u64,
    /// Of these, how many nobody waited for any longer.
    pub cancelled: u64,
    /// Of these, how many got no connection.
    pub refused: u64,
    /// Of these, how many were slow.
    pub slow: u64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Time spent executing.
    pub execute: Duration,
    /// Time that connections were held.
    pub hold: Duration,
}

impl Total {
    pub(crate) fn of(labels: &[LabelReport]) -> Self {
        let mut total = Self::default();
        for label in labels {
            total.queries += label.queries;
            total.errors += label.errors;
            total.cancelled += label.cancelled;
            total.refused += label.refused;
            total.slow += label.slow;
            total.rows = total.rows.saturating_add(label.rows);
            total.execute = total.execute.saturating_add(label.total);
            total.hold = total.hold.saturating_add(label.held);
        }
        total
    }
}

/// What is known of the queries under one label.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LabelReport {
    /// The label; `"other"` for all beyond the 512th.
    pub label: &'static str,
    /// Queries, however they ended.
    pub queries: u64,
    /// Of these, how many failed on the server or on the way.
    pub errors: u64,
    /// Of these, how many nobody waited for any longer.
    pub cancelled: u64,
    /// Of these, how many got no connection.
    pub refused: u64,
    /// Of these, how many were slow.
    pub slow: u64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Time spent executing, in total.
    pub total: Duration,
    /// Time that connections were held, in total.
    pub held: Duration,
    /// Until there was room.
    pub wait: Spread,
    /// To open a connection, by those queries that had to.
    pub connect: Spread,
    /// From sending the query until its last row.
    pub execute: Spread,
    /// How long it had a connection to itself.
    pub hold: Spread,
}

impl LabelReport {
    pub(crate) fn of(label: &Label) -> Self {
        let numbers = label.numbers();
        Self {
            label: label.name(),
            queries: numbers.queries,
            errors: numbers.errors,
            cancelled: numbers.cancelled,
            refused: numbers.refused,
            slow: numbers.slow,
            rows: numbers.rows,
            total: numbers.execute.sum(),
            held: numbers.hold.sum(),
            wait: numbers.wait.spread(),
            connect: numbers.connect.spread(),
            execute: numbers.execute.spread(),
            hold: numbers.hold.spread(),
        }
    }
}

/// How durations are spread, to two digits, from 1 µs to 60 s.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// Half are no longer than this.
    pub p50: Duration,
    /// 95 in a hundred are no longer than this.
    pub p95: Duration,
    /// 99 in a hundred are no longer than this.
    pub p99: Duration,
    /// None is longer than this.
    pub max: Duration,
}

/// One query that was slow.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SlowQuery {
    /// Its label.
    pub label: &'static str,
    /// Whose it was.
    pub tenant: Option<TenantId>,
    /// How long it executed.
    pub took: Duration,
    /// How long ago it ended.
    pub ago: Duration,
}

/// What tenants took over the last minutes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Window {
    /// How many minutes; less while queries have not been counted that long.
    pub over: Duration,
    /// Tenants that had queries, about.
    pub active: u64,
    /// Connections that they held on average, together.
    pub connections: f64,
    /// At most 20 that took at least twice their fair share, and held at least a tenth of a
    /// connection on average; the one that held most first.
    pub tenants: Vec<TenantLoad>,
}

/// What one tenant took. Beside more than 1,024 tenants these are lower bounds, which fall
/// short by 1 ÷ 1,024 of what all took at most.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantLoad {
    /// Who.
    pub tenant: TenantId,
    /// Its part of all connection-seconds, from 0 to 1.
    pub share: f64,
    /// What each had if all active tenants took the same.
    pub fair_share: f64,
    /// Connections that it held on average.
    pub connections: f64,
    /// Its queries.
    pub queries: u64,
    /// Their rows.
    pub rows: u64,
    /// Time that they executed.
    pub execute: Duration,
    /// Time that they held connections.
    pub hold: Duration,
    /// Why it took so much.
    pub cause: Cause,
}
