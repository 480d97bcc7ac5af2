//! What is asked for, and of which tenant.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};

/// Tenants of the demo data with 20 plugins each, `t00001` and on; their keys begin here.
const FIRST_KEY: u64 = 1_001;
pub(crate) const TENANTS: usize = 10_000;
const PLUGINS: u64 = 20;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    FirstPage,
    DeeperPage,
    Item,
    MyPlugins,
    Profile,
    Marketplace,
    Write,
    /// A first page that no cache keeps, for its query is none of our own links'.
    Uncached,
}

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

/// What next pages begin with, by tenant, as far as anybody has seen one.
#[derive(Debug)]
pub(crate) struct Pages(Vec<Mutex<Option<String>>>);

impl Pages {
    pub(crate) fn new() -> Self {
        Self((0..=TENANTS).map(|_| Mutex::default()).collect())
    }

    fn of(&self, tenant: usize) -> Option<String> {
        let next = self.0.get(tenant)?.lock();
        next.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of where the first page of a tenant led.
    pub(crate) fn note(&self, tenant: usize, next: Option<String>) {
        if let (Some(place), Some(next)) = (self.0.get(tenant), next) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        }
    }
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

    /// Writes the next request; whose it is, and what.
    pub(crate) fn next(&mut self, pages: &Pages, request: &mut Vec<u8>) -> (usize, Kind) {
        let tenant = self.tenant();
        let mut kind = self.kind();
        let next = pages.of(tenant);
        if kind == Kind::DeeperPage && next.is_none() {
            kind = Kind::FirstPage;
        }
        let plugin = (FIRST_KEY - 1 + tenant as u64) * 1_000 + self.rng.random_range(0..PLUGINS);
        let nth = self.rng.random_range(0..1_000_000_u32);
        let path = match kind {
            Kind::FirstPage => "/api/v1/plugins?limit=10".to_owned(),
            Kind::DeeperPage => next.unwrap_or_default(),
            Kind::Item | Kind::Write => format!("/api/v1/plugins/{plugin}"),
            Kind::MyPlugins => format!("/api/v1/teams/{}/my-plugins", 1 + nth % 5),
            Kind::Profile => "/api/v1/user/profile".to_owned(),
            Kind::Marketplace => "/api/v1/marketplace".to_owned(),
            Kind::Uncached => format!("/api/v1/plugins?limit=10&nth={nth}"),
        };
        let method = if kind == Kind::Write { "PUT" } else { "GET" };
        request.clear();
        let body = match kind {
            Kind::Write => format!("{{\"name\":\"n{nth}\"}}"),
            _ => String::new(),
        };
        // Nothing is ever wrong with writing to a vector.
        let _ = write!(
            request,
            "{method} {path} HTTP/1.1\r\nhost: t{tenant:05}.localhost\r\nx-user-id: u{}\r\n",
            nth % 2
        );
        if !body.is_empty() {
            let length = body.len();
            let _ = write!(
                request,
                "content-type: application/json\r\ncontent-length: {length}\r\n"
            );
        }
        let _ = write!(request, "\r\n{body}");
        (tenant, kind)
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
    use super::{Dice, Kind, MIXED, Pages, READS, Tenants};

    #[test]
    fn reads_are_all_but_the_writes() {
        assert_eq!(READS.len() + 1, MIXED.len());
        assert!(READS.iter().all(|(kind, _)| *kind != Kind::Write));
    }

    #[test]
    fn tenants_and_kinds_come_as_often_as_they_should() {
        let mut dice = Dice::new(7, Tenants::Zipf, MIXED);
        let (pages, mut request) = (Pages::new(), Vec::new());
        pages.note(1, Some("/next".to_owned()));
        let (mut first, mut second, mut writes) = (0, 0, 0);
        for _ in 0..100_000 {
            let (tenant, kind) = dice.next(&pages, &mut request);
            first += u32::from(tenant == 1);
            second += u32::from(tenant == 2);
            writes += u32::from(kind == Kind::Write);
            assert!(kind != Kind::DeeperPage || tenant == 1);
        }
        assert!((4_500..5_500).contains(&writes), "{writes}");
        assert!((9_000..12_000).contains(&first), "{first}");
        assert!((4_500..6_000).contains(&second), "{second}");
    }

    #[test]
    fn a_write_has_a_body_of_the_length_that_it_says() {
        let mut dice = Dice::new(
            7,
            Tenants::Alike { first: 3, count: 1 },
            &[(Kind::Write, 1)],
        );
        let mut request = Vec::new();
        dice.next(&Pages::new(), &mut request);
        let text = String::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("PUT /api/v1/plugins/10030"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())));
    }
}
