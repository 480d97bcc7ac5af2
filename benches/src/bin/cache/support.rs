use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use towerblock_cache::{Cache, Hub, Policy, Settings};
use towerblock_core::{BoxError, Stats, TenantId, Value};

const POLICY: Policy = Policy::ttl(Duration::from_secs(86_400));
pub(crate) const LOADED: &str = "a value of 64 bytes, more or less: that is what is often cached.";

pub(crate) type Ours = (Hub, Cache<String, String>, TenantId);

pub(crate) fn ours(bytes: u64) -> Result<Ours, BoxError> {
    let hub = Hub::start(Settings::memory(bytes))?;
    let cache = hub.cache("bench", POLICY)?;
    Ok((hub, cache, TenantId::new("acme")?))
}

pub(crate) fn bytes(hub: &Hub) -> u64 {
    let mut bytes = 0;
    hub.read(&mut |metric, _, value| {
        if let ("cache_bytes", Value::Level(level)) = (metric.name, value) {
            bytes = level as u64;
        }
    });
    bytes
}

/// 29 bytes.
pub(crate) fn name(n: usize) -> String {
    format!("profile-of-the-user-{n:09}")
}

pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it was in memory"),
    }
}

pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
