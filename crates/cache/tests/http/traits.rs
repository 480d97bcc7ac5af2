//! What all layers keep to.

use axum::body::Body;
use http::Request;
use tower::{Layer, Service, ServiceExt};
use towerblock_cache::{CachedBody, HttpCache, HttpCacheLayer, HttpPolicy, ResponseFuture};
use towerblock_testkit::laws::{Strict, obeys_the_service_contract, shares_state_across_routes};

use crate::support::{End, get, hub, policy};

#[tokio::test]
async fn it_obeys_the_contract() {
    obeys_the_service_contract(hub().http_cache("law", policy()).unwrap()).await;
}

#[tokio::test]
async fn what_loads_is_the_service_that_was_ready() {
    let layer = hub().http_cache("law", policy()).unwrap();
    // A load that panics is answered, too: the law does not see it.
    let mut service = layer.layer(Strict::slow());
    for path in ["/a", "/b"] {
        let req = get(path).body(String::new()).unwrap();
        let ready = ServiceExt::<Request<String>>::ready(&mut service).await;
        let response = ready.unwrap().call(req).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn routes_share_one_cache_and_it_fits_a_router() {
    let cache = hub().http_cache("law", policy()).unwrap();
    shares_state_across_routes(cache.clone(), async |routes| {
        let did = async |req: Request<Body>| {
            let response = routes.send(req).await;
            response.headers()["cache-status"]
                .to_str()
                .unwrap()
                .to_owned()
        };
        for path in ["/a", "/b"] {
            assert!(did(get(path).end()).await.starts_with("law; fwd=uri-miss"));
            assert!(did(get(path).end()).await.starts_with("law; hit"));
        }
        let acme = crate::support::tenant("acme");
        let _reached = cache.invalidate_all(&acme).await;
        for path in ["/a", "/b"] {
            assert!(did(get(path).end()).await.starts_with("law; fwd=uri-miss"));
        }
    })
    .await;
}

#[test]
fn auto_traits() {
    fn shared<T: Clone + Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<HttpCacheLayer>();
    shared::<HttpPolicy>();
    shared::<HttpCache<()>>();
    sent::<CachedBody<Body>>();
    sent::<ResponseFuture<(), Body, ()>>();
}

#[tokio::test]
async fn a_policy_that_cannot_be_is_refused_by_name() {
    let never = HttpPolicy::new(towerblock_cache::Policy::ttl(std::time::Duration::ZERO));
    let error = hub().http_cache("route", never).unwrap_err();
    assert_eq!((error.name(), error.flaw()), ("route", "ttl is zero"));
}
