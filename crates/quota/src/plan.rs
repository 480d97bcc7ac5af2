use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use http::HeaderValue;

use crate::headers::policy_header;
use crate::policy::Name;
use crate::{Quota, RatePolicy};

/// What a tenant has paid for.
///
/// ```
/// use std::num::NonZeroU64;
/// use towerblock_quota::{Name, Plan, Quota, Rate, RatePolicy};
///
/// let fifty = Rate::per_second(NonZeroU64::new(50).unwrap());
/// let pro = Plan::new("pro")
///     .rates([RatePolicy::new(Name::new("requests")?, fifty)])
///     .quota(Name::new("plugins")?, Quota::stock(1_000));
/// assert_eq!(pro.quota_of("plugins"), Some(Quota::stock(1_000)));
/// # Ok::<_, towerblock_quota::InvalidName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    name: Arc<str>,
    pub(crate) generation: u64,
    weight: NonZeroU16,
    pub(crate) rates: Box<[RatePolicy]>,
    quotas: BTreeMap<Name, Quota>,
    pub(crate) header: Option<HeaderValue>,
}

/// As many policies a plan may have: one request takes so many locks at most.
pub(crate) const MOST: usize = 8;

impl Plan {
    /// A plan that limits nothing yet.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            generation: 0,
            weight: NonZeroU16::MIN,
            rates: Box::default(),
            quotas: BTreeMap::new(),
            header: None,
        }
    }

    /// Each request must fit all of these, and is charged to all or none. At most 8, or it does
    /// not compile. Default: none.
    #[must_use]
    pub fn rates<const N: usize>(self, rates: [RatePolicy; N]) -> Self {
        const { assert!(N <= MOST, "a plan has at most 8 rates") };
        self.with_rates(rates.into())
    }

    pub(crate) fn with_rates(mut self, rates: Vec<RatePolicy>) -> Self {
        self.header = policy_header(&rates);
        self.rates = rates.into();
        self
    }

    /// Allows so much of something that is counted rather than timed. Default: no entry, and what that
    /// means is for whoever counts.
    #[must_use]
    pub fn quota(mut self, name: Name, quota: Quota) -> Self {
        self.quotas.insert(name, quota);
        self
    }

    /// Its weight where tenants share something scarce. Default: 1.
    #[must_use]
    pub const fn weight(mut self, weight: NonZeroU16) -> Self {
        self.weight = weight;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which edition of the [`Plans`](crate::Plans) it stands in; 0 outside of them.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Its weight.
    #[must_use]
    pub const fn weight_of(&self) -> NonZeroU16 {
        self.weight
    }

    /// Its rates, in the order in which they were given.
    #[must_use]
    pub fn policies(&self) -> &[RatePolicy] {
        &self.rates
    }

    /// How much of it is allowed.
    #[must_use]
    pub fn quota_of(&self, name: &str) -> Option<Quota> {
        let mut quotas = self.quotas.iter();
        let found = quotas.find(|(key, _)| key.as_str() == name);
        found.map(|(_, quota)| *quota)
    }
}
