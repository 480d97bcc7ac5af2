use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{Request, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt as _};
use towerblock_core::BoxError;
use towerblock_lifecycle::{Check, Deadlines, Health, Lifecycle};

use crate::{ready, secs};

type Answer = Result<(), BoxError>;

#[tokio::test(start_paused = true)]
async fn probes_tell_the_phases_apart() {
    let lifecycle = Lifecycle::new(Deadlines::default());
    let health = Health::start(&lifecycle, []);
    let statuses = async || {
        let (live, ready) = (ask(health.livez()).await, ask(health.readyz()).await);
        let started = ask(health.startupz()).await;
        [live, ready, started].map(|response| response.status().as_u16())
    };
    assert_eq!(statuses().await, [200, 503, 503]);
    lifecycle.ready();
    assert_eq!(statuses().await, [200, 200, 200]);
    lifecycle.stop();
    assert_eq!(statuses().await, [200, 503, 200]);
    assert!(!health.is_ready());
    let report = ask(health.report()).await;
    assert_eq!(
        (report.status().as_u16(), body(&report)),
        (503, json!({ "status": "fail" }))
    );
    let readyz = ask(health.readyz()).await;
    assert_eq!(readyz.headers()["cache-control"], "no-store");
    assert_eq!(readyz.into_body(), "draining\n");
}

#[tokio::test(start_paused = true)]
async fn a_critical_check_has_to_pass_once_and_three_failures_in_a_row_fail() {
    let lifecycle = ready();
    let well = Arc::new(AtomicBool::new(false));
    let health = Health::start(&lifecycle, [switch("database", &well)]);
    assert!(!health.is_ready());
    sleep(secs(1)).await;
    assert!(!health.is_ready());
    well.store(true, Ordering::Relaxed);
    // The first answer was a failure, so it takes two passes.
    became(&health, true, secs(9)).await;
    well.store(false, Ordering::Relaxed);
    became(&health, false, secs(15)).await;
    well.store(true, Ordering::Relaxed);
    became(&health, true, secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_check_that_flaps_changes_nothing() {
    let lifecycle = ready();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let flaps = Check::critical("flaps", move || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        async move { if n % 2 == 0 { Ok(()) } else { fail() } }
    });
    let health = Health::start(&lifecycle, [flaps]);
    sleep(secs(1)).await;
    for _ in 0..100 {
        assert!(health.is_ready());
        sleep(secs(1)).await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 21);
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_or_panic_fail_alone() {
    let lifecycle = ready();
    let health = Health::start(
        &lifecycle,
        [
            Check::degraded("hangs", pending::<Answer>),
            Check::degraded("panics", || async { panic!("as the test wants") }),
            Check::degraded("panics at once", || -> std::future::Ready<Answer> {
                panic!("as the test wants")
            }),
            Check::critical("passes", || async { Ok(()) }),
        ],
    );
    sleep(secs(60)).await;
    assert!(health.is_ready());
    let report = body(&ask(health.report().details_for(|_| true)).await);
    assert_eq!(report["status"], "warn");
    let of = |name: &str, field: &str| report["checks"][name][0][field].clone();
    assert_eq!(of("hangs", "output"), "no answer within 1s");
    assert_eq!(of("panics", "output"), "the check panicked");
    assert_eq!(of("panics at once", "output"), "the check panicked");
    assert_eq!(of("passes", "status"), "pass");
    for name in ["hangs", "panics", "panics at once"] {
        assert_eq!(of(name, "status"), "warn");
        // It is asked again and again all the same.
        assert!(of(name, "secondsAgo").as_u64().unwrap() <= 6, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_critical_check_that_hangs_fails_readiness_and_not_liveness() {
    let lifecycle = ready();
    let hangs = Arc::new(AtomicBool::new(false));
    let is_hung = Arc::clone(&hangs);
    let check = Check::critical("database", move || {
        let is_hung = is_hung.load(Ordering::Relaxed);
        async move {
            if is_hung {
                pending::<()>().await;
            }
            Ok(())
        }
    });
    let check = check.every(secs(2)).fall_after(NonZeroU32::MIN);
    let health = Health::start(&lifecycle, [check]);
    sleep(secs(1)).await;
    assert!(health.is_ready());
    hangs.store(true, Ordering::Relaxed);
    became(&health, false, secs(2)).await;
    let asked = Instant::now();
    assert_eq!(ask(health.livez()).await.status(), 200);
    assert_eq!(ask(health.readyz()).await.status(), 503);
    // Nobody waits for what hangs.
    assert_eq!(asked.elapsed(), secs(0));
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_does_not_fail_readiness() {
    let lifecycle = ready();
    let circuit = Check::degraded("circuit:search", || async { fail() });
    let health = Health::start(&lifecycle, [circuit]);
    sleep(secs(60)).await;
    assert_eq!(ask(health.readyz()).await.status(), 200);
    let report = ask(health.report()).await;
    assert_eq!(report.status(), 200);
    assert_eq!(body(&report), json!({ "status": "warn" }));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_probes_asks_nothing() {
    let lifecycle = ready();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let check = Check::critical("database", move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let health = Health::start(&lifecycle, [check]);
    sleep(secs(1)).await;
    for _ in 0..10_000 {
        assert_eq!(ask(health.readyz()).await.status(), 200);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn details_are_for_those_who_may_see_them() {
    let lifecycle = ready();
    let check = Check::critical("database", || async { fail() });
    let health = Health::start(&lifecycle, [check]);
    sleep(secs(7)).await;
    let mut report = health
        .report()
        .instance("i-7")
        .version("1.2.3")
        .stats(Arc::new(lifecycle.clone()))
        .details_for(|parts| parts.headers.contains_key("authorization"));
    let anybody = report.call(Request::new(())).await.unwrap();
    assert_eq!(anybody.status(), 503);
    assert_eq!(anybody.headers()["content-type"], "application/health+json");
    assert_eq!(body(&anybody), json!({ "status": "fail" }));
    let mut req = Request::new(());
    req.headers_mut()
        .insert("authorization", "Bearer x".parse().unwrap());
    let report = body(&report.call(req).await.unwrap());
    assert_eq!(report["serviceId"], "i-7");
    assert_eq!(report["version"], "1.2.3");
    assert_eq!(report["checks"]["uptime"][0]["observedValue"], 7);
    assert_eq!(report["checks"]["lifecycle_phase"][0]["observedValue"], 1.0);
    let check = &report["checks"]["database"][0];
    assert_eq!(check["status"], "fail");
    assert_eq!(check["output"], "it failed");
    assert_eq!(check["secondsAgo"], 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_once_nobody_wants_to_know() {
    let lifecycle = ready();
    let alive = Arc::new(AtomicBool::new(true));
    let health = Health::start(&lifecycle, [switch("database", &alive)]);
    sleep(secs(1)).await;
    assert_eq!(Arc::strong_count(&alive), 2);
    let clone = health.clone();
    drop(health);
    sleep(secs(1)).await;
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(clone);
    sleep(secs(1)).await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

fn switch(name: &str, is_well: &Arc<AtomicBool>) -> Check {
    let is_well = Arc::clone(is_well);
    Check::critical(name, move || {
        let is_well = is_well.load(Ordering::Relaxed);
        async move { if is_well { Ok(()) } else { fail() } }
    })
}

fn fail() -> Answer {
    Err("it failed".into())
}

/// Waits for the health to become so, and asserts that it does so after exactly this long, to the
/// second that it was asked in.
async fn became(health: &Health, is_ready: bool, after: std::time::Duration) {
    let start = Instant::now();
    while health.is_ready() != is_ready {
        sleep(std::time::Duration::from_millis(100)).await;
        assert!(start.elapsed() < secs(60), "it never did");
    }
    let took = start.elapsed();
    assert!(
        took + secs(1) >= after && took <= after + secs(1),
        "{took:?}"
    );
}

async fn ask<S>(service: S) -> Response<String>
where
    S: Service<Request<()>, Response = Response<String>, Error = std::convert::Infallible>,
{
    service.oneshot(Request::new(())).await.unwrap()
}

fn body(response: &Response<String>) -> Value {
    serde_json::from_str(response.body()).unwrap()
}
