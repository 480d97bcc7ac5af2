//! What is asked for, and of which tenant.

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};

use crate::question::{Kind, Question, TENANTS};

/// Kinds and their parts.
pub(crate) type Mix = &'static [(Kind, u32)];

/// Of a hundred requests: the reads, and five writes.
pub(crate) const MIXED: Mix = &[
    (Kind::FirstPage, 35),
    (Kind::DeeperPage, 10),
    (Kind::Item, 25),
    (Kind::MyPlugins, 10),
    (Kind::Profile, 10),
    (Kind::Marketplace, 5),
    (Kind::Write, 5),
];
/// All of it but the writes.
pub(crate) const READS: Mix = match MIXED.split_last() {
    Some(((Kind::Write, _), reads)) => reads,
    _ => panic!("what is mixed ends with the writes"),
};
pub(crate) const UNCACHED: Mix = &[(Kind::Uncached, 1)];

/// Whose requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tenants {
    /// The nth asks for one nth of what the first asks for.
    Zipf,
    /// These, each as often as any.
    Alike { first: usize, count: usize },
}

/// One user's dice.
#[derive(Debug)]
pub(crate) struct Dice {
    rng: SmallRng,
    tenants: Tenants,
    zipf: Option<Zipf<f64>>,
    mix: Mix,
}

impl Dice {
    pub(crate) fn new(seed: u64, tenants: Tenants, mix: Mix) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let zipf = Zipf::new(TENANTS as f64, 1.0).ok();
        Self {
            rng: SmallRng::seed_from_u64(seed),
            tenants,
            zipf,
            mix,
        }
    }

    /// From 0 on, less than 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        self.rng.random()
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> Question {
        Question {
            tenant: self.tenant(),
            kind: self.kind(),
            nth: self.rng.random_range(0..1_000_000),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 1 to the number of tenants"
    )]
    fn tenant(&mut self) -> usize {
        match self.tenants {
            Tenants::Zipf => {
                let zipf = self.zipf.as_ref();
                zipf.map_or(1, |zipf| zipf.sample(&mut self.rng) as usize)
            }
            Tenants::Alike { first, count } => first + self.rng.random_range(0..count.max(1)),
        }
    }

    fn kind(&mut self) -> Kind {
        let all: u32 = self.mix.iter().map(|(_, parts)| parts).sum();
        let mut left = self.rng.random_range(0..all.max(1));
        for (kind, parts) in self.mix {
            match left.checked_sub(*parts) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Kind::FirstPage
    }
}

#[cfg(test)]
mod tests {
    use super::{Dice, Kind, MIXED, READS, Tenants};

    #[test]
    fn reads_are_all_but_the_writes() {
        assert_eq!(READS.len() + 1, MIXED.len());
        assert!(READS.iter().all(|(kind, _)| *kind != Kind::Write));
    }

    #[test]
    fn tenants_and_kinds_come_as_often_as_they_should() {
        let mut dice = Dice::new(7, Tenants::Zipf, MIXED);
        let (mut first, mut second, mut writes) = (0, 0, 0);
        for _ in 0..100_000 {
            let next = dice.next();
            first += u32::from(next.tenant == 1);
            second += u32::from(next.tenant == 2);
            writes += u32::from(next.kind == Kind::Write);
        }
        assert!((4_500..5_500).contains(&writes), "{writes}");
        assert!((9_000..12_000).contains(&first), "{first}");
        assert!((4_500..6_000).contains(&second), "{second}");
    }
}
