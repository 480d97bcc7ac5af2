/// How the memory of a hub is shared among tenants, once more than 90 % of it are used. Before
/// that, everyone may have what is free.
///
/// A tenant may then have the largest of three: `min_bytes`, `max_share` of the whole, and its
/// even part of the whole `burst_percent`. Alone it may have all. To store more, it gives up its own oldest entries; what
/// does not fit even so is not stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fairness {
    max_share_percent: u8,
    min_bytes: u64,
    burst_percent: u32,
}

impl Fairness {
    pub(crate) const DEFAULT: Self = Self {
        max_share_percent: 25,
        min_bytes: 64 << 10,
        burst_percent: 100,
    };

    /// Any tenant may have this part of the memory, in percent of it, 0 to 100. Default: 25.
    #[must_use]
    pub const fn max_share_percent(mut self, percent: u8) -> Self {
        self.max_share_percent = if percent > 100 { 100 } else { percent };
        self
    }

    /// Any tenant may have so many bytes. Default: 64 KiB.
    #[must_use]
    pub const fn min_bytes(mut self, bytes: u64) -> Self {
        self.min_bytes = bytes;
        self
    }

    /// Any tenant may have this much of an even part, in percent of it, at least 100.
    /// Default: 100.
    #[must_use]
    pub const fn burst_percent(mut self, percent: u32) -> Self {
        self.burst_percent = if percent < 100 { 100 } else { percent };
        self
    }

    /// What one of so many tenants may have of so many bytes.
    pub(crate) fn cap(self, capacity: u64, tenants: usize) -> u64 {
        if tenants <= 1 {
            return u64::MAX;
        }
        let share = percent(capacity, u32::from(self.max_share_percent));
        let even = capacity / tenants as u64;
        self.min_bytes
            .max(share)
            .max(percent(even, self.burst_percent))
    }

    /// Whether caps count while so many bytes are used.
    pub(crate) fn is_scarce(capacity: u64, used: u64) -> bool {
        used > percent(capacity, 90)
    }
}

impl Default for Fairness {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn percent(whole: u64, percent: u32) -> u64 {
    let part = u128::from(whole) * u128::from(percent) / 100;
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Fairness;

    #[test]
    fn the_largest_of_three_counts() {
        let fairness = Fairness::default().min_bytes(10);
        assert_eq!(fairness.cap(1_000, 1), u64::MAX);
        assert_eq!(fairness.cap(1_000, 2), 500);
        assert_eq!(fairness.burst_percent(150).cap(1_000, 2), 750);
        assert_eq!(fairness.cap(1_000, 1_000), 250);
        let even = fairness.max_share_percent(0);
        assert_eq!(even.cap(1_000, 50), 20);
        assert_eq!(even.cap(1_000, 1_000), 10);
        assert_eq!(even.cap(u64::MAX, 0), u64::MAX);
    }
}
