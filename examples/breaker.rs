//! `cargo run --example breaker`: a dependency that fails, hangs and gets well, call by call; then
//! a tenant that fails among others.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use towerblock_breaker::{
    Backoff, BreakerLayer, Circuit, Circuits, Policy, Probes, Registry, State,
};
use towerblock_core::{BoxError, Rejected, TenantId};

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

/// What a dependency does, and how often it was asked.
#[derive(Clone, Default)]
struct Dependency {
    mood: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
}

impl Dependency {
    async fn answer(self) -> Result<&'static str, BoxError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.mood.load(Ordering::Relaxed) {
            WORKS => Ok("works"),
            FAILS => Err("broken".into()),
            _ => std::future::pending().await,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let circuits = Registry::new();
    let backoff = Backoff::from(Duration::from_millis(200)).jitter_percent(0);
    let policy = Policy::in_a_row(3)
        .abandoned_after(Duration::from_millis(20))
        .probes(Probes::calls(2).lease(Duration::from_millis(300)))
        .backoff(backoff);
    let billing = Circuit::new("billing", policy);
    circuits.add(&billing);

    let dependency = Dependency::default();
    let asks = dependency.clone();
    let mut svc = ServiceBuilder::new()
        // Outside of the breaker, to show that it sees what is cut off.
        .timeout(Duration::from_millis(30))
        .layer(BreakerLayer::new(billing.clone()))
        .service(service_fn(move |()| asks.clone().answer()));

    let mut call = async |mood| {
        dependency.mood.store(mood, Ordering::Relaxed);
        let answer = svc.ready().await?.call(()).await;
        match &answer {
            Ok(answer) => println!("  {answer:<40} {}", billing.state()),
            Err(error) => println!("  {error:<40} {}", billing.state()),
        }
        Ok::<_, BoxError>(answer.err())
    };

    println!("it fails three times in a row:");
    assert!(call(WORKS).await?.is_none());
    for _ in 0..3 {
        assert!(call(FAILS).await?.is_some());
    }
    assert_eq!((billing.state(), dependency.asked()), (State::Open, 4));

    println!("it is well again, and left alone until the time is over:");
    let refused = call(WORKS).await?.ok_or("it was let through")?;
    let refused: &Rejected = refused.downcast_ref().ok_or("another error")?;
    println!(
        "  retry after {:?}",
        refused.retry_after().unwrap_or_default()
    );
    assert_eq!(dependency.asked(), 4);

    println!("then a probe hangs, the second is cut off too: open for twice as long");
    sleep(Duration::from_millis(210)).await;
    call(HANGS).await?;
    assert_eq!(billing.state(), State::Open);
    call(WORKS).await?;
    assert_eq!(dependency.asked(), 5);

    println!("two probes that pass close it:");
    sleep(Duration::from_millis(410)).await;
    call(WORKS).await?;
    assert_eq!(billing.state(), State::HalfOpen);
    call(WORKS).await?;
    assert_eq!(billing.state(), State::Closed);

    println!("somebody forces it open by its name, and releases it:");
    let admin = circuits.get("billing").ok_or("no such circuit")?;
    admin.force_open();
    call(WORKS).await?;
    admin.release();
    assert!(call(WORKS).await?.is_none());

    of_tenants()
}

/// One tenant fails always, and the others do not notice.
fn of_tenants() -> Result<(), BoxError> {
    let mail = Circuits::new(Circuit::new("mail", Policy::default()), Policy::in_a_row(5));
    let broken = TenantId::new("broken")?;
    println!("of 1,000 tenants one fails always:");
    let (mut served, mut failed, mut refused) = (0, 0, 0);
    for n in 0..1_000 {
        mail.try_acquire(&TenantId::new(format!("t{n}"))?)?
            .success();
        served += 1;
        match mail.try_acquire(&broken) {
            Ok(permit) => {
                permit.failure();
                failed += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!("  {served} served, {failed} failed, {refused} refused, all of the one");
    println!(
        "  {} remembered, {} for all: {}",
        mail.len(),
        mail.shared().name(),
        mail.shared().state()
    );
    assert_eq!((served, failed, refused), (1_000, 5, 995));
    assert_eq!((mail.len(), mail.shared().state()), (1, State::Closed));
    Ok(())
}
