use towerblock_core::TenantId;

const WORDS: usize = 512;
const BITS: u64 = WORDS as u64 * 64;

/// About how many tenants there were, in 4 KB: linear counting (Whang, Vander-Zanden and
/// Taylor, 1990). Off by some 1 % for up to 100,000 tenants; beyond 300,000 it says 340,000.
#[derive(Clone, Debug)]
pub(crate) struct Distinct {
    words: Box<[u64]>,
}

impl Distinct {
    pub(crate) fn new() -> Self {
        Self {
            words: vec![0; WORDS].into(),
        }
    }

    pub(crate) fn add(&mut self, tenant: &TenantId) {
        let bit = tenant.hash_code() % BITS;
        let word = usize::try_from(bit / 64).unwrap_or(0);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (bit % 64);
        }
    }

    /// Those in one or the other.
    pub(crate) fn unite(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    pub(crate) fn count(&self) -> f64 {
        let free: u32 = self.words.iter().map(|word| word.count_zeros()).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand bits")]
        let bits = BITS as f64;
        (-bits * (f64::from(free.max(1)) / bits).ln()).round()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use towerblock_core::TenantId;

    use super::Distinct;

    fn of(tenants: Range<u32>) -> Distinct {
        let mut distinct = Distinct::new();
        for tenant in tenants {
            distinct.add(&TenantId::new(format!("t{tenant}")).unwrap());
        }
        distinct
    }

    #[test]
    fn a_tenant_counts_once_however_often_it_comes() {
        let mut once = of(0..4);
        assert!((once.count() - 4.0).abs() < 1.5, "{}", once.count());
        once.unite(&of(2..6));
        assert!((once.count() - 6.0).abs() < 1.5, "{}", once.count());
        assert!(of(0..0).count().abs() < 0.1);
    }

    #[test]
    fn a_hundred_thousand_are_counted_to_some_percent() {
        for tenants in [1_000, 10_000, 100_000] {
            let count = of(0..tenants).count();
            let off = count / f64::from(tenants) - 1.0;
            assert!(off.abs() < 0.06, "{count} of {tenants}");
        }
        assert!(of(0..1_000_000).count() > 250_000.0, "it saturates");
    }
}
