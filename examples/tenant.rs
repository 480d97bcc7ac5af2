//! `cargo run --example tenant`: who is asking, from a store that fails, for a tenant that
//! is suspended, and in a stream.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::routing::get;
use axum::{Router, extract::Request};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use tower::ServiceExt as _;
use towerblock_core::{BoxError, TenantId};
use towerblock_tenant::{
    self as tenant, CurrentTenant, Isolation, MemoryStore, Registry, Subdomain, Tenant,
    TenantLayer, TenantState, TenantStore as _,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let tenants = MemoryStore::default();
    for (key, name) in (1..).zip(["acme", "globex"]) {
        tenants.put(Tenant::new(TenantId::new(name)?, key, Isolation::Schema));
    }

    // A store is whatever finds a tenant by its id; this one can be unplugged.
    let unplugged = Arc::new(AtomicBool::new(false));
    let (directory, is_away) = (tenants.clone(), Arc::clone(&unplugged));
    let registry = Registry::new(move |id| {
        let (directory, is_away) = (directory.clone(), is_away.load(Ordering::Relaxed));
        async move {
            if is_away {
                return Err("the directory is away".into());
            }
            directory.tenant(id).await
        }
    });
    let registry = Arc::new(registry.ttl(Duration::from_millis(50)));

    let app: Router = Router::new()
        .route("/", get(greet))
        .route("/stream", get(stream))
        // Outside both routes: neither runs without a tenant.
        .layer(TenantLayer::new(Arc::clone(&registry)).resolver(Subdomain::of(["localhost"])?));

    let ask = async |host: &str, path: &str| {
        let req = Request::get(path)
            .header("host", host)
            .body(Body::empty())?;
        let (head, body) = app.clone().oneshot(req).await?.into_parts();
        let text = String::from_utf8(to_bytes(body, 1_024).await?.to_vec())?;
        let status = head.status.as_u16();
        println!("{host}{path}: {status} {text}");
        Ok::<_, BoxError>((status, text))
    };

    assert_eq!(
        ask("acme.localhost", "/").await?,
        (200, "hello acme".to_owned())
    );
    assert_eq!(ask("nobody.localhost", "/").await?.0, 404);
    assert_eq!(ask("acme.localhost.evil.org", "/").await?.0, 404);
    // What streams out after the handler has returned still knows whom it is for.
    assert_eq!(ask("acme.localhost", "/stream").await?.1, "acme acme acme ");

    println!("the directory is unplugged");
    unplugged.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(
        ask("acme.localhost", "/").await?.0,
        200,
        "known, so it goes on"
    );
    assert_eq!(ask("globex.localhost", "/").await?.0, 503, "never seen");
    unplugged.store(false, Ordering::Relaxed);
    // For a name that it failed for, a store is asked once a second.
    tokio::time::sleep(Duration::from_millis(1_010)).await;
    assert_eq!(ask("globex.localhost", "/").await?.0, 200, "and back");

    println!("acme is suspended");
    let mut acme = Tenant::new(TenantId::new("acme")?, 1, Isolation::Schema);
    acme.state = TenantState::Suspended;
    tenants.put(acme);
    // Without this, it would take the ttl.
    registry.invalidate(&TenantId::new("acme")?);
    assert_eq!(ask("acme.localhost", "/").await?.0, 403);
    Ok(())
}

async fn greet(tenant: CurrentTenant) -> String {
    format!("hello {}", tenant.id.as_str())
}

async fn stream() -> Body {
    let words = stream::iter(0..3).map(|_| {
        let known = tenant::current();
        let name = known.as_ref().map_or("nobody", |tenant| tenant.id.as_str());
        Ok::<_, Infallible>(Bytes::from(format!("{name} ")))
    });
    Body::from_stream(words)
}
