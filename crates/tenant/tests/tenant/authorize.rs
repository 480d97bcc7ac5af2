//! Who may act for a tenant, and which tenants may act.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::routing::any;
use axum::{Router, extract::Request};
use http::Method;
use http::request::Parts;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, ServiceExt as _};
use towerblock_core::{Reason, Rejected};
use towerblock_tenant::{
    Claim, CustomDomain, MemoryStore, Named, PathPrefix, Registry, Subdomain, Tenant, TenantLayer,
    TenantState, Trust, Verdict,
};

use crate::{answer, host, registry, tenant};

/// Whoever sent the request, as an authentication layer would leave it.
#[derive(Clone)]
struct MemberOf(&'static str);

fn is_member(parts: &Parts, tenant: &Tenant, _: Trust) -> bool {
    let member = parts.extensions.get::<MemberOf>();
    member.is_some_and(|member| member.0 == tenant.id.as_str())
}

fn asserted(_: &Parts) -> Named<'_> {
    Ok(Some(Claim::tenant("acme", Trust::Asserted)))
}

fn app(layer: TenantLayer) -> Router {
    let ok = async || "ok";
    Router::new().fallback(any(ok)).layer(layer)
}

fn subdomain(registry: Registry) -> TenantLayer {
    TenantLayer::new(registry).resolver(Subdomain::of(["localhost"]).unwrap())
}

fn from_member(of: &'static str, to: &str) -> Request {
    let mut req = host(to);
    req.extensions_mut().insert(MemberOf(of));
    req
}

#[tokio::test]
async fn another_tenants_member_sees_what_a_stranger_to_no_tenant_sees() {
    let app = app(subdomain(registry()).authorize(is_member));
    assert_eq!(
        answer(&app, from_member("acme", "acme.localhost")).await.0,
        200
    );
    let others = answer(&app, from_member("globex", "acme.localhost")).await;
    let nobodys = answer(&app, from_member("globex", "nobody.localhost")).await;
    assert_eq!(others.0, 404);
    assert_eq!(others, nobodys);
    assert_eq!(answer(&app, host("acme.localhost")).await.0, 404);
}

#[tokio::test]
async fn an_answer_may_be_waited_for_warm_and_cold() {
    let ask = |parts: &Parts, tenant: &Tenant, trust: Trust| {
        let may = is_member(parts, tenant, trust);
        Verdict::ask(async move {
            tokio::task::yield_now().await;
            Ok(may)
        })
    };
    let app = app(subdomain(registry()).authorize(ask));
    for _ in 0..2 {
        assert_eq!(
            answer(&app, from_member("acme", "acme.localhost")).await.0,
            200
        );
        assert_eq!(
            answer(&app, from_member("acme", "globex.localhost"))
                .await
                .0,
            404
        );
    }
}

#[tokio::test]
async fn whose_a_domain_is_is_not_told_to_who_may_not_know() {
    let store = MemoryStore::from_iter([tenant("acme", 1), tenant("globex", 2)]);
    store.put_domain("shop.org", crate::id("acme"));
    let nobody = |_: &Parts, _: &Tenant, _: Trust| false;
    let layer = TenantLayer::new(Registry::new(store))
        .resolver(CustomDomain::except(["localhost"]).unwrap())
        .resolver(PathPrefix::new("/t"))
        .authorize(nobody);
    let app = app(layer);
    for _ in 0..2 {
        for (domain, path) in [
            ("shop.org", "/t/acme"),
            ("shop.org", "/t/globex"),
            ("no.org", "/t/acme"),
        ] {
            let mut req = host(domain);
            *req.uri_mut() = path.parse().unwrap();
            assert_eq!(answer(&app, req).await.0, 404, "{domain} {path}");
        }
    }
}

#[tokio::test]
async fn a_request_dropped_while_it_is_asked_about_leaves_the_service_as_it_was() {
    let ask = |_: &Parts, _: &Tenant, _: Trust| {
        Verdict::ask(async {
            tokio::task::yield_now().await;
            Ok(true)
        })
    };
    let one = ConcurrencyLimitLayer::new(1);
    let inner = one.layer(Router::new().fallback(any(async || "ok")));
    let svc = subdomain(registry()).authorize(ask).layer(inner);
    for polls in 0..4 {
        let request = svc.clone().oneshot(host("acme.localhost"));
        towerblock_testkit::poll_times(polls, request).await;
    }
    let response = svc.oneshot(host("acme.localhost")).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn who_cannot_be_asked_lets_nobody_in() {
    let down = |_: &Parts, _: &Tenant, _: Trust| {
        Verdict::ask(async { Err(Rejected::new("members", Reason::Unavailable)) })
    };
    let app = app(subdomain(registry()).authorize(down));
    assert_eq!(answer(&app, host("acme.localhost")).await.0, 503);
}

#[tokio::test]
async fn what_anybody_could_say_counts_only_where_somebody_agrees() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let store = move |id| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            Ok(Some(Tenant::new(
                id,
                1,
                towerblock_tenant::Isolation::Schema,
            )))
        }
    };
    let unchecked = TenantLayer::new(Registry::new(store)).resolver(asserted);
    assert_eq!(answer(&app(unchecked), host("x")).await.0, 404);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "not even looked up");

    let by_trust = |_: &Parts, _: &Tenant, trust: Trust| trust == Trust::Asserted;
    let checked = TenantLayer::new(registry())
        .resolver(asserted)
        .authorize(by_trust);
    assert_eq!(answer(&app(checked), host("x")).await.0, 200);
    let both = subdomain(registry()).resolver(asserted).authorize(by_trust);
    let both = app(both);
    assert_eq!(
        answer(&both, host("acme.localhost")).await.0,
        404,
        "the host says so too"
    );
}

#[tokio::test]
async fn a_state_answers_for_its_tenant() {
    let states = [
        ("active", TenantState::Active),
        ("reader", TenantState::ReadOnly),
        ("moving", TenantState::Moving),
        ("paused", TenantState::Suspended),
        ("gone", TenantState::Deleted),
    ];
    let tenants = states.into_iter().zip(1..).map(|((name, state), key)| {
        let mut tenant = tenant(name, key);
        tenant.state = state;
        tenant
    });
    let registry = Registry::new(MemoryStore::from_iter(tenants));
    let app = app(subdomain(registry));
    for (name, get, post) in [
        ("active", 200, 200),
        ("reader", 200, 403),
        ("moving", 503, 503),
        ("paused", 403, 403),
        ("gone", 404, 404),
    ] {
        for (method, status) in [(Method::GET, get), (Method::POST, post)] {
            let mut req = host(&format!("{name}.localhost"));
            *req.method_mut() = method.clone();
            *req.body_mut() = Body::empty();
            assert_eq!(answer(&app, req).await.0, status, "{method} {name}");
        }
    }
    let gone = answer(&app, host("gone.localhost")).await;
    assert_eq!(gone, answer(&app, host("never.localhost")).await);
}

#[tokio::test]
async fn only_who_may_act_for_a_tenant_hears_that_it_is_suspended() {
    let mut acme = tenant("acme", 1);
    acme.state = TenantState::Suspended;
    let registry = Registry::new(MemoryStore::from_iter([acme]));
    let app = app(subdomain(registry).authorize(is_member));
    for _ in 0..2 {
        assert_eq!(
            answer(&app, from_member("acme", "acme.localhost")).await.0,
            403
        );
        assert_eq!(
            answer(&app, from_member("globex", "acme.localhost"))
                .await
                .0,
            404
        );
    }
}
