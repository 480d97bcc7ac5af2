//! A server with so many slots, and callers that do not wait for an answer before they ask again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, Service, ServiceExt, service_fn};
use towerblock_core::{BoxError, HasTenant};
use towerblock_shed::{Shed, ShedLayer};

use crate::from;

/// Serves as many at once as it has slots, the others after one another.
#[derive(Clone)]
pub(crate) struct Server {
    slots: Arc<Semaphore>,
    all: usize,
    base: Arc<AtomicU64>,
    work: fn(Duration, &mut Random) -> Duration,
    random: Arc<AtomicUsize>,
}

impl Server {
    /// Each takes a time that is distributed exponentially around `base`.
    pub(crate) fn new(slots: usize, base: Duration) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            all: slots,
            base: Arc::new(AtomicU64::new(0)),
            work: |base, random| base.mul_f64(random.exponential()),
            random: Arc::default(),
        }
        .based(base)
    }

    /// Takes so long, of this mean, whatever was before.
    pub(crate) fn working(mut self, work: fn(Duration, &mut Random) -> Duration) -> Self {
        self.work = work;
        self
    }

    pub(crate) fn based(self, base: Duration) -> Self {
        let nanos = u64::try_from(base.as_nanos()).unwrap();
        self.base.store(nanos, Ordering::Relaxed);
        self
    }

    /// Serves nobody for so long, once those it serves are done.
    pub(crate) async fn pause(&self, lasts: Duration) {
        let all = u32::try_from(self.all).unwrap();
        let _all = self.slots.acquire_many(all).await.unwrap();
        sleep(lasts).await;
    }

    pub(crate) fn behind(
        &self,
        layer: &ShedLayer,
    ) -> Shed<
        impl Service<Request<()>, Response = (), Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + use<>,
    > {
        let server = self.clone();
        layer.layer(service_fn(move |_| {
            let server = server.clone();
            async move {
                let _slot = server.slots.acquire().await?;
                let seed = server.random.fetch_add(1, Ordering::Relaxed);
                let base = Duration::from_nanos(server.base.load(Ordering::Relaxed));
                sleep((server.work)(base, &mut Random::new(seed as u64))).await;
                Ok::<_, BoxError>(())
            }
        }))
    }
}

/// What became of the requests of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) took: Vec<Duration>,
    pub(crate) refused: usize,
}

impl Outcome {
    pub(crate) fn refused_percent(&self) -> f64 {
        self.refused as f64 * 100.0 / (self.took.len() + self.refused).max(1) as f64
    }

    pub(crate) fn p99(&mut self) -> Duration {
        self.took.sort_unstable();
        let p99 = self.took.get(self.took.len() * 99 / 100);
        *p99.unwrap()
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        self.took.extend(other.took);
        self.refused += other.refused;
        self
    }
}

/// Asks as this tenant, so many times a second on average, for so long.
pub(crate) async fn ask<S>(svc: S, tenant: String, rate: f64, lasts: Duration) -> Outcome
where
    S: Service<Request<()>, Response = (), Error = BoxError, Future: Send>,
    S: Clone + Send + Sync + 'static,
{
    let req = from(&tenant);
    let seed = req.tenant().map_or(0, |tenant| tenant.as_str().len());
    let mut random = Random::new(tenant.bytes().fold(seed as u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    }));
    let (start, mut calls) = (Instant::now(), JoinSet::new());
    let mut due = start;
    loop {
        due += Duration::from_secs_f64(random.exponential() / rate);
        if due > start + lasts {
            break;
        }
        sleep_until(due).await;
        let (svc, req) = (svc.clone(), req.clone());
        calls.spawn(async move {
            let asked = Instant::now();
            svc.oneshot(req).await.ok().map(|()| asked.elapsed())
        });
    }
    let answers = calls.join_all().await;
    let took: Vec<_> = answers.iter().flatten().copied().collect();
    let refused = answers.len() - took.len();
    Outcome { took, refused }
}

/// Splitmix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    /// From 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }
}
