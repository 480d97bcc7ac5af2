//! The counts that the figures stand on.

use std::convert::Infallible;

use axum::http::{HeaderValue, Request, Response};
use futures_util::FutureExt as _;
use tower::layer::util::Identity;
use tower::{Layer, Service, ServiceExt as _, service_fn};
use towerblock_benches::{SUBJECTS, Subject};
use towerblock_core::TenantId;
use towerblock_tenant::{Isolation, MemoryStore, Registry, Subdomain, Tenant, TenantLayer};

fn allocations(subject: &Subject, requests: u32) -> u64 {
    let counted = allocation_counter::measure(|| {
        let _length = subject.serve(requests);
    });
    counted.count_total
}

#[test]
fn every_request_of_a_subject_allocates_alike() {
    for subject in SUBJECTS {
        // The first request of a process builds what all later ones use.
        allocations(subject, 3);
        let [three, six, nine] = [3, 6, 9].map(|requests| allocations(subject, requests));
        assert!(three < six, "{}", subject.name);
        // What an observation is kept in grows by a block now and then.
        let apart = (six - three).abs_diff(nine - six);
        assert!(apart <= 8, "{}: {three} {six} {nine}", subject.name);
    }
}

/// Allocations of 100 requests through `layer`, each with something in its extensions, as a
/// server leaves it.
fn through<L>(layer: &L) -> u64
where
    L: Layer<tower::util::BoxCloneService<Request<()>, Response<String>, Infallible>>,
    L::Service: Service<Request<()>, Error = Infallible> + Clone,
{
    let inner = service_fn(|_: Request<()>| async { Ok(Response::new(String::new())) });
    let svc = layer.layer(tower::util::BoxCloneService::new(inner));
    let request = || {
        let mut request = Request::new(());
        let host = HeaderValue::from_static("acme.localhost");
        request.headers_mut().insert("host", host);
        request.extensions_mut().insert("a peer");
        request
    };
    let mut counted = 0;
    for _ in 0..100 {
        let (svc, request) = (svc.clone(), request());
        let answer = || {
            svc.oneshot(request)
                .now_or_never()
                .is_some_and(|it| it.is_ok())
        };
        counted += allocation_counter::measure(|| assert!(answer())).count_total;
    }
    counted
}

#[tokio::test]
async fn a_tenant_that_is_known_costs_at_most_three_allocations() {
    let id = TenantId::new("acme").expect("a valid id");
    let acme = Tenant::new(id.clone(), 1, Isolation::RowLevel);
    let registry = std::sync::Arc::new(Registry::new(MemoryStore::from_iter([acme])));
    let found = registry.find(&id).await;
    assert!(found.is_ok_and(|found| found.is_some()));
    let subdomain = Subdomain::of(["localhost"]).expect("a valid domain");
    let with = through(&TenantLayer::new(registry).resolver(subdomain));
    let without = through(&Identity::new());
    assert!(with <= without + 3 * 100, "{with} beside {without}");
    assert!(with >= without + 100, "it counts: {with} beside {without}");
}

#[test]
fn a_circuit_allocates_nothing_and_its_layer_only_to_refuse() {
    use towerblock_breaker::{BreakerLayer, Circuit, Circuits, Policy};

    let (closed, open) = (
        Circuit::new("closed", Policy::default()),
        Circuit::new("open", Policy::default()),
    );
    open.force_open();
    let of_tenants = Circuits::new(closed.clone(), Policy::default());
    let id = TenantId::new("acme").expect("a valid id");
    let counted = |run: &dyn Fn()| allocation_counter::measure(run).count_total;
    let inner = || service_fn(|(): ()| async { Ok::<_, Infallible>(()) });
    let call = |circuit: &Circuit, works: bool| {
        let mut svc = BreakerLayer::new(circuit.clone()).layer(inner());
        assert_eq!(svc.ready().now_or_never().map(|it| it.is_ok()), Some(true));
        let answer = svc.call(()).now_or_never();
        assert_eq!(answer.map(|it| it.is_ok()), Some(works));
    };
    let rows: [(&dyn Fn(), u64); 5] = [
        (&|| closed.try_acquire().expect("closed").success(), 0),
        (&|| assert!(open.try_acquire().is_err()), 0),
        (
            &|| of_tenants.try_acquire(&id).expect("closed").success(),
            0,
        ),
        (&|| call(&closed, true), 0),
        (&|| call(&open, false), 1),
    ];
    for (row, (run, allocations)) in rows.iter().enumerate() {
        run();
        assert_eq!(counted(run), *allocations, "{row}");
    }
}
