//! What it costs to know a tenant among a thousand and among a million: time for a lookup and
//! for a whole request, and memory for each tenant that is kept.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use towerblock_benches::Client;
use towerblock_core::{BoxError, TenantId};
use towerblock_floor::ordinary;
use towerblock_tenant::{Isolation, Registry, Subdomain, Tenant, TenantLayer};

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Names of a batch are made before the clock starts, and are in the processor's cache then.
const BATCH: usize = 64;
const ROUNDS: usize = 4_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut subjects = Vec::new();
    for size in SIZES {
        subjects.push(Subject::fill(size).await?);
    }
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.look_up()?;
            subject.requests().await;
        }
    }
    println!(
        "| tenants kept | bytes each | lookup | | request, no other layer | | request, ordinary layers | |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    let first = subjects.first().map(Subject::medians);
    let first = first.expect("there are sizes");
    for subject in &subjects {
        print!("| {} | {} |", subject.size, subject.bytes_each);
        for (nanos, of_first) in subject.medians().into_iter().zip(first) {
            print!(" {nanos:.0} ns | {:.2} × |", nanos / of_first);
        }
        println!();
    }
    Ok(())
}

struct Subject {
    size: u64,
    bytes_each: u64,
    registry: std::sync::Arc<Registry>,
    clients: [Client; 2],
    random: u64,
    lookups: Vec<Duration>,
    requests: [Vec<Duration>; 2],
}

impl Subject {
    /// A registry that was asked for so many tenants of a store that makes them up, so that
    /// what is kept is the registry's alone.
    async fn fill(size: u64) -> Result<Self, BoxError> {
        async fn store(id: TenantId) -> Result<Option<Tenant>, BoxError> {
            let key = id.as_str().trim_start_matches('t').parse()?;
            let mut tenant = Tenant::new(id, key, Isolation::RowLevel);
            tenant.plan = "enterprise".into();
            Ok(Some(tenant))
        }
        let registry = Registry::new(store)
            .capacity(NonZeroU64::new(2 * size).expect("there are tenants"))
            .ttl(Duration::from_secs(24 * 60 * 60));
        let before = resident_bytes()?;
        for n in 0..size {
            registry.find(&id(n)?).await?;
        }
        let bytes_each = resident_bytes()?.saturating_sub(before) / size;
        let registry = std::sync::Arc::new(registry);
        let layer = TenantLayer::new(std::sync::Arc::clone(&registry))
            .resolver(Subdomain::of(["localhost"])?);
        let app = Router::new().route("/", get(async || "ok")).layer(layer);
        let clients = [app.clone(), ordinary(app)].map(|app| Client::connect(app).0);
        Ok(Self {
            size,
            bytes_each,
            registry,
            clients,
            random: 0x9e37_79b9_7f4a_7c15,
            lookups: Vec::new(),
            requests: [Vec::new(), Vec::new()],
        })
    }

    fn look_up(&mut self) -> Result<(), BoxError> {
        let ids: Result<Vec<_>, _> = (0..BATCH).map(|_| id(self.next())).collect();
        let ids = ids?;
        let start = Instant::now();
        for id in &ids {
            let found = black_box(self.registry.find(id)).now_or_never();
            assert!(
                matches!(found, Some(Ok(Some(_)))),
                "known, and nobody waits"
            );
        }
        self.lookups.push(start.elapsed());
        Ok(())
    }

    /// Over HTTP/1.1 on a connection in memory: all that a server does but the socket.
    async fn requests(&mut self) {
        for which in 0..2 {
            let requests: Vec<_> = (0..BATCH)
                .map(|_| format!("GET / HTTP/1.1\r\nhost: t{}.localhost\r\n\r\n", self.next()))
                .collect();
            let (Some(client), Some(times)) =
                (self.clients.get_mut(which), self.requests.get_mut(which))
            else {
                continue;
            };
            let start = Instant::now();
            for request in requests {
                client.get(request.as_bytes()).await;
            }
            times.push(start.elapsed());
        }
    }

    /// xorshift64: the same names in each run.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % self.size
    }

    /// Nanoseconds for one lookup, and for one request through each stack.
    fn medians(&self) -> [f64; 3] {
        let [bare, layered] = &self.requests;
        [&self.lookups, bare, layered].map(|times| {
            let mut times = times.clone();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).expect("there are rounds");
            #[expect(clippy::cast_precision_loss, reason = "64")]
            let batch = BATCH as f64;
            middle.as_secs_f64() * 1e9 / batch
        })
    }
}

fn id(n: u64) -> Result<TenantId, BoxError> {
    Ok(TenantId::new(format!("t{n}"))?)
}

fn resident_bytes() -> Result<u64, BoxError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.ok_or("no VmRSS")?.trim().parse()?;
    Ok(kib * 1_024)
}
