use crate::state::Judged;
use crate::table::Table;
use crate::{Ask, RatePolicy};

/// One policy of a plan, for the key that it limits in this request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level<'p> {
    pub(crate) policy: &'p RatePolicy,
    /// Where it stands in the plan.
    pub(crate) place: u8,
    /// Not zero.
    pub(crate) key: u64,
    pub(crate) bucket: usize,
    pub(crate) cost: u64,
    /// So much at least was used, as far as is known from elsewhere.
    pub(crate) used: u64,
    pub(crate) judged: Judged,
    /// Its place in the bucket; none for those that share what the bucket keeps for all of them.
    pub(crate) slot: Option<usize>,
}

impl<'p> Level<'p> {
    pub(crate) const fn new(policy: &'p RatePolicy, place: u8, key: u64, bucket: usize) -> Self {
        Self {
            policy,
            place,
            key,
            bucket,
            cost: 0,
            used: 0,
            judged: Judged::Never,
            slot: None,
        }
    }

    /// None if the policy does not limit such a request.
    #[inline]
    pub(crate) fn of(ask: &Ask, policy: &'p RatePolicy, place: u8, table: &Table) -> Option<Self> {
        let key = ask.key(policy.scope, policy.salt)?;
        let mut level = Self::new(policy, place, key, table.bucket(key));
        level.cost = ask.cost;
        Some(level)
    }

    pub(crate) const fn passes(&self) -> bool {
        self.has_room() || self.policy.shadow
    }

    pub(crate) const fn has_room(&self) -> bool {
        matches!(self.judged, Judged::Room { .. })
    }
}
