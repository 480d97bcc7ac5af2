/// How much a plan allows of something that is counted.
///
/// ```
/// use towerblock_quota::Quota;
///
/// let calls = Quota::monthly(10_000).overage(500);
/// assert_eq!((calls.limit(), calls.most()), (10_000, 10_500));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    limit: u64,
    overage: u64,
    monthly: bool,
}

impl Quota {
    /// So many at a time: users, bytes, records. What is deleted comes back.
    #[must_use]
    pub const fn stock(limit: u64) -> Self {
        Self {
            limit,
            overage: 0,
            monthly: false,
        }
    }

    /// So many in a month of the tenant's: calls, messages.
    #[must_use]
    pub const fn monthly(limit: u64) -> Self {
        Self {
            monthly: true,
            ..Self::stock(limit)
        }
    }

    /// Goes on beyond the limit by so many units, which are counted as [`over`](crate::Usage::over). Default: 0.
    #[must_use]
    pub const fn overage(mut self, units: u64) -> Self {
        self.overage = units;
        self
    }

    /// Refuses nothing: the limit is something to tell of.
    #[must_use]
    pub const fn soft(self) -> Self {
        self.overage(u64::MAX)
    }

    /// How much is included.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// How much is admitted: the limit and the overage, and at most 2⁶³ − 1.
    #[must_use]
    pub const fn most(&self) -> u64 {
        let most = self.limit.saturating_add(self.overage);
        if most > LARGEST { LARGEST } else { most }
    }

    /// Whether it is counted by months.
    #[must_use]
    pub const fn is_monthly(&self) -> bool {
        self.monthly
    }

    /// From how much on which of the [`PERCENT`] is told.
    pub(crate) fn thresholds(&self) -> [u64; 4] {
        PERCENT.map(|percent| {
            let units = (u128::from(self.limit) * u128::from(percent)).div_ceil(100);
            u64::try_from(units).map_or(LARGEST, |units| units.min(LARGEST))
        })
    }
}

/// What a `bigint` holds.
pub(crate) const LARGEST: u64 = i64::MAX as u64;

/// The parts of a limit that are told of.
pub(crate) const PERCENT: [u16; 4] = [50, 80, 100, 200];
