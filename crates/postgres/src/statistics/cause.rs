use crate::statistics::tally::Tally;
use crate::statistics::window::float;

/// What a tenant does otherwise than the rest, so that it holds connections longer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// Its queries execute longer.
    Slow,
    /// It has more queries.
    Many,
    /// Its queries execute longer, and return more rows by as much.
    BigRows,
    /// It holds connections on which nothing executes, inside transactions.
    IdleInTransaction,
}

impl Cause {
    /// The word for it, as in `"idle in transaction"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Many => "many",
            Self::BigRows => "big rows",
            Self::IdleInTransaction => "idle in transaction",
        }
    }

    /// The share of a tenant is how many times as often as the rest it asks, times how many
    /// times as long it holds a connection each time: the greater factor is the cause.
    pub(crate) fn of(tenant: Tally, rest: Tally, others: f64) -> Self {
        let often = float(tenant.queries) / (float(rest.queries) / others.max(1.0)).max(1.0);
        let (one, other) = (Each::of(tenant), Each::of(rest));
        let longer = one.hold / other.hold.max(1.0);
        if often >= longer {
            return Self::Many;
        }
        if one.idle() - other.idle() > one.execute - other.execute {
            return Self::IdleInTransaction;
        }
        let bigger = one.rows / other.rows.max(1.0);
        if bigger >= one.execute / other.execute.max(1.0) {
            return Self::BigRows;
        }
        Self::Slow
    }
}

/// Means of one query, in µs.
struct Each {
    rows: f64,
    execute: f64,
    hold: f64,
}

impl Each {
    fn of(tally: Tally) -> Self {
        let queries = float(tally.queries.max(1));
        Self {
            rows: float(tally.rows) / queries,
            execute: float(tally.execute) / queries,
            hold: float(tally.hold) / queries,
        }
    }

    fn idle(&self) -> f64 {
        (self.hold - self.execute).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Tally};

    /// So many queries, each of so many rows that took so long and held so long, in µs.
    fn each(queries: u64, rows: u64, execute: u64, hold: u64) -> Tally {
        Tally {
            queries,
            rows: queries * rows,
            execute: queries * execute,
            hold: queries * hold,
        }
    }

    #[test]
    fn the_greatest_difference_from_the_rest_is_the_cause() {
        // Nine others, 100 queries each.
        let rest = each(900, 10, 1_000, 1_400);
        for (tenant, cause) in [
            (each(5_000, 10, 1_000, 1_400), Cause::Many),
            (each(100, 10, 50_000, 50_400), Cause::Slow),
            (each(100, 900, 50_000, 50_400), Cause::BigRows),
            (each(100, 10, 1_000, 50_000), Cause::IdleInTransaction),
            (each(500, 10, 3_000, 3_400), Cause::Many),
            (each(200, 10, 20_000, 21_000), Cause::Slow),
            (each(100, 20, 40_000, 41_000), Cause::Slow),
            (each(100, 9_000, 2_000, 90_000), Cause::IdleInTransaction),
        ] {
            assert_eq!(Cause::of(tenant, rest, 9.0), cause, "{tenant:?}");
        }
    }

    #[test]
    fn without_a_rest_it_is_one_or_the_other() {
        let nobody = Tally::default();
        assert_eq!(Cause::of(each(9, 1, 1, 2), nobody, 0.0), Cause::Many);
        assert_eq!(Cause::of(each(1, 1, 900, 950), nobody, 0.0), Cause::Slow);
        assert_eq!(
            Cause::of(each(1, 1, 10, 900), nobody, 0.0),
            Cause::IdleInTransaction
        );
    }
}
