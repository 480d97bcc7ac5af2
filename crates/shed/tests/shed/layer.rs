use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, StatusCode};
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock::{self, Handle};
use towerblock_core::{BoxError, Reason, TenantId};
use towerblock_fair::Share;
use towerblock_respond::RespondLayer;
use towerblock_shed::{Class, Classify, Limit, ResponseFuture, Shed, ShedLayer};
use towerblock_testkit::at_every_poll;
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

use crate::{from, n, reason, rejected, told};

type Inner = mock::Mock<Request<()>, ()>;
type Held = task::Spawn<ResponseFuture<mock::future::ResponseFuture<()>>>;
type Calls<C> = mock::Spawn<Shed<Inner, C>>;

fn fixed(limit: usize) -> ShedLayer {
    ShedLayer::new(Limit::fixed(n(limit)))
}

fn over<C: Clone>(layer: &ShedLayer<C>) -> (Calls<C>, Handle<Request<()>, ()>) {
    mock::spawn_layer(layer.clone())
}

/// A request that goes on, or why it is refused.
fn call<C>(svc: &mut Calls<C>, req: Request<()>) -> Result<Held, Reason>
where
    C: Classify<Request<()>>,
{
    assert_ready_ok!(svc.poll_ready());
    let mut held = task::spawn(svc.call(req));
    match held.poll() {
        std::task::Poll::Pending => Ok(held),
        std::task::Poll::Ready(answer) => Err(reason(&answer.unwrap_err())),
    }
}

/// As many of the tenant's as go on, of so many.
fn flood<C>(svc: &mut Calls<C>, tenant: &str, times: usize) -> Vec<Held>
where
    C: Classify<Request<()>>,
{
    (0..times)
        .filter_map(|_| call(svc, from(tenant)).ok())
        .collect()
}

#[tokio::test]
async fn it_obeys_the_service_contract() {
    obeys_the_service_contract(fixed(10)).await;
    obeys_the_service_contract(ShedLayer::new(Limit::adaptive())).await;
}

#[tokio::test]
async fn two_routes_of_a_router_share_one_limit() {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(fixed(1));
    shares_state_across_routes(stack, async |routes| {
        let held = routes.hold("/a").await.unwrap();
        let refused = routes.hold("/b").await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(held.release().await, StatusCode::OK);
        assert_eq!(routes.alternate(3).await, [StatusCode::OK; 3]);
        // A client that hangs up gives its slot back.
        drop(routes.hold("/a").await.unwrap());
        while routes.status("/b").await != StatusCode::OK {
            yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_over_its_share_is_a_429_and_a_full_server_a_503() {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(fixed(2).soft_percent(0));
    shares_state_across_routes(stack, async |routes| {
        let _first = routes.hold("/a").await.unwrap();
        assert_eq!(routes.status("/a").await, StatusCode::TOO_MANY_REQUESTS);
        let mut other = Request::new(axum::body::Body::empty());
        *other.uri_mut() = "/a".parse().unwrap();
        assert_eq!(routes.send(other).await.status(), StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn the_tenant_that_holds_most_is_refused_first() {
    let layer = fixed(10);
    let (mut svc, _handle) = over(&layer);
    let held = flood(&mut svc, "noisy", 20);
    assert_eq!((held.len(), layer.in_flight()), (8, 8));
    assert_eq!(
        call(&mut svc, from("noisy")).unwrap_err(),
        Reason::OverShare
    );
    let _quiet = [(); 2].map(|()| call(&mut svc, from("quiet")).unwrap());
    assert_eq!(
        call(&mut svc, from("third")).unwrap_err(),
        Reason::Overloaded
    );
    assert_eq!(told(&layer, "shed_refused", "over_share"), 13.0);
    assert_eq!(told(&layer, "shed_refused", "overloaded"), 1.0);
    assert_eq!(told(&layer, "shed_refused_of_class", "normal"), 14.0);
    assert_eq!(told(&layer, "shed_admitted", "normal"), 10.0);
    assert_eq!(told(&layer, "shed_in_flight", ""), 10.0);
    assert_eq!(told(&layer, "shed_limit", ""), 10.0);
}

#[tokio::test]
async fn a_single_tenant_may_use_what_its_weight_says() {
    let weigh = |tenant: &TenantId| match tenant.as_str() {
        "big" => Share::weight(9),
        "all" => Share::weight(1_000_000),
        _ => Share::default().at_most(2),
    };
    for (tenant, expected) in [("big", 18), ("all", 20), ("small", 2)] {
        let (mut svc, _handle) = over(&fixed(20).soft_percent(50).share_of(weigh));
        assert_eq!(flood(&mut svc, tenant, 40).len(), expected, "{tenant}");
    }
}

#[tokio::test]
async fn classes_decide_who_goes_first() {
    let class = |req: &Request<()>| match req.uri().path() {
        "/health" => Class::Critical,
        "/export" => Class::Sheddable,
        _ => Class::Normal,
    };
    let to = |path: &str, tenant| {
        let mut req = from(tenant);
        *req.uri_mut() = path.parse().unwrap();
        req
    };
    let layer = fixed(20).soft_percent(50).class(class);
    let (mut svc, _handle) = over(&layer);
    let exports: Vec<_> = (0..20)
        .filter_map(|_| call(&mut svc, to("/export", "a")).ok())
        .collect();
    assert_eq!(exports.len(), 10, "up to the soft limit");
    let refused = call(&mut svc, to("/export", "b")).unwrap_err();
    assert_eq!(refused, Reason::Overloaded);
    // Beside a's ten, which it has its share with.
    let normal = flood(&mut svc, "b", 20);
    assert_eq!(normal.len(), 7);
    // Over its share, over the limit, and with no tenant at all.
    let health = |svc: &mut _| call(svc, Request::get("/health").body(()).unwrap());
    let critical: Vec<_> = (0..20).filter_map(|_| health(&mut svc).ok()).collect();
    assert_eq!(critical.len(), 5, "a tenth beyond the limit");
    assert_eq!(layer.in_flight(), 22);
    assert_eq!(health(&mut svc).unwrap_err(), Reason::Overloaded);
    assert_eq!(told(&layer, "shed_admitted", "critical"), 5.0);
    assert_eq!(told(&layer, "shed_refused_of_class", "sheddable"), 11.0);
    drop((exports, normal, critical));
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn without_a_tenant_it_fails_closed() {
    let layer = fixed(1).named("front");
    let (mut svc, _handle) = over(&layer);
    assert_ready_ok!(svc.poll_ready());
    let refused = assert_ready_err!(task::spawn(svc.call(Request::new(()))).poll());
    let refused = rejected(&refused);
    assert_eq!(refused.reason(), Reason::UnknownTenant);
    assert_eq!(refused.by(), "front");
    assert_eq!(told(&layer, "shed_refused", "unknown_tenant"), 1.0);
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn a_refused_request_leaves_the_readied_inner_service_for_the_next() {
    let layer = fixed(1);
    let (mut svc, mut handle) = over(&layer);
    handle.allow(2);
    let first = call(&mut svc, from("a")).unwrap();
    assert!(call(&mut svc, from("a")).is_err());
    drop(first);
    let _second = call(&mut svc, from("a")).unwrap();
    handle.allow(0);
    assert_pending!(svc.poll_ready());
}

#[tokio::test]
async fn a_dropped_request_gives_its_slot_back_and_is_counted() {
    let layer = fixed(1);
    let work = || {
        let inner = service_fn(|_| async {
            yield_now().await;
            yield_now().await;
            Ok::<_, BoxError>(())
        });
        layer.layer(inner).oneshot(from("a"))
    };
    at_every_poll(work, async |_| assert_eq!(layer.in_flight(), 0))
        .await
        .unwrap();
    assert_eq!(layer.in_flight(), 0);
    // Dropped before its first poll it was not called: after 1 and 2 polls.
    assert_eq!(told(&layer, "shed_dropped", ""), 2.0);
    assert_eq!(told(&layer, "shed_admitted", "normal"), 3.0);
}

#[tokio::test]
async fn a_finished_request_gives_its_slot_back_though_its_future_is_kept() {
    let layer = fixed(1);
    let (mut svc, mut handle) = over(&layer);
    let mut kept = call(&mut svc, from("a")).unwrap();
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(());
    assert_ready_ok!(kept.poll());
    assert!(call(&mut svc, from("a")).is_ok());
    drop(kept);
    assert_eq!(told(&layer, "shed_dropped", ""), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_is_never_exceeded_across_clones_and_cancellation() {
    let layer = fixed(7).soft_percent(100);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Arc::new(Barrier::new(16));
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let (now, most, start) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&start));
        let inner = service_fn(move |_: Request<()>| {
            let guard = InFlight::new(&now, &most);
            async move {
                yield_now().await;
                drop(guard);
                Ok::<_, Infallible>(())
            }
        });
        let mut svc = layer.layer(inner);
        tasks.spawn(async move {
            start.wait().await;
            for round in 0..2_000 {
                let tenant = format!("t{}", task % 5);
                let call = svc.ready().await.unwrap().call(from(&tenant));
                if round % 3 == 0 {
                    let _ = towerblock_testkit::poll_times(round % 2, call).await;
                } else {
                    let _ = call.await;
                }
            }
        });
    }
    tasks.join_all().await;
    assert!((1..=7).contains(&most.load(Ordering::Relaxed)), "{most:?}");
    assert_eq!(layer.in_flight(), 0);
}

struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn new(now: &Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        let held = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(held, Ordering::SeqCst);
        Self(Arc::clone(now))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_flood_of_minted_tenants_holds_no_more_than_the_limit() {
    let layer = fixed(100);
    let (mut svc, _handle) = over(&layer);
    let held: Vec<_> = (0..10_000)
        .filter_map(|n| call(&mut svc, from(&format!("minted-{n}"))).ok())
        .collect();
    assert_eq!(held.len(), 100);
    drop(held);
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn an_inner_service_that_need_not_be_cloned_is_enough() {
    struct NotClone;
    impl Service<Request<()>> for NotClone {
        type Response = ();
        type Error = BoxError;
        type Future = std::future::Ready<Result<(), BoxError>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            std::future::ready(Ok(()))
        }
    }
    let mut svc = fixed(1).layer(NotClone);
    svc.ready().await.unwrap().call(from("a")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_come_back_once_that_is_known() {
    let layer = ShedLayer::new(Limit::adaptive().between(n(2), n(2)));
    let inner = service_fn(|_| async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        Ok::<_, BoxError>(())
    });
    let svc = layer.layer(inner);
    let wave = async || {
        let calls = ["a", "b", "c"].map(|tenant| svc.clone().oneshot(from(tenant)));
        let [_, _, refused] = join_all(calls).await.try_into().unwrap();
        rejected(&refused.unwrap_err()).retry_after()
    };
    assert_eq!(wave().await, None);
    for _ in 0..20 {
        wave().await;
    }
    let waits = [wave().await.unwrap(), wave().await.unwrap()];
    for wait in waits {
        let millis = wait.as_secs_f64() * 1e3;
        assert!((39.0..=64.0).contains(&millis), "{wait:?}");
    }
    assert_ne!(waits[0], waits[1], "not all at once");
}
