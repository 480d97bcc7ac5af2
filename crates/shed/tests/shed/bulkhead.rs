use http::{Request, StatusCode};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::ServiceBuilder;
use tower_test::mock;
use towerblock_core::Reason;
use towerblock_respond::RespondLayer;
use towerblock_shed::BulkheadLayer;
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

use crate::{from, n, reason, rejected, told};

#[tokio::test]
async fn it_obeys_the_service_contract() {
    obeys_the_service_contract(BulkheadLayer::new(n(1), n(2))).await;
}

#[tokio::test]
async fn two_routes_of_a_router_share_one_set_of_slots() {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(BulkheadLayer::new(n(1), n(2)));
    shares_state_across_routes(stack, async |routes| {
        let held = routes.hold("/a").await.unwrap();
        let refused = routes.hold("/b").await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(held.release().await, StatusCode::OK);
        assert_eq!(routes.alternate(3).await, [StatusCode::OK; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_full_compartment_leaves_the_others_open_until_all_are_full() {
    let layer = BulkheadLayer::new(n(2), n(3)).named("hull");
    let (mut svc, _handle) = mock::spawn_layer::<_, (), _>(layer.clone());
    let mut held = Vec::new();
    for tenant in ["acme", "acme", "globex"] {
        assert_ready_ok!(svc.poll_ready());
        let mut call = task::spawn(svc.call(from(tenant)));
        assert_pending!(call.poll());
        held.push(call);
        if held.len() == 2 {
            assert_ready_ok!(svc.poll_ready());
            let error = assert_ready_err!(task::spawn(svc.call(from("acme"))).poll());
            assert_eq!(reason(&error), Reason::OverShare);
        }
    }
    assert_ready_ok!(svc.poll_ready());
    let error = assert_ready_err!(task::spawn(svc.call(from("initech"))).poll());
    assert_eq!(
        (rejected(&error).by(), reason(&error)),
        ("hull", Reason::Overloaded)
    );
    assert_eq!(rejected(&error).retry_after(), None);

    assert_ready_ok!(svc.poll_ready());
    let error = assert_ready_err!(task::spawn(svc.call(Request::new(()))).poll());
    assert_eq!(reason(&error), Reason::UnknownTenant);

    drop(held);
    assert_eq!(layer.in_flight(), 0);
    assert_eq!(told(&layer, "bulkhead_dropped", ""), 3.0);
    assert_eq!(told(&layer, "bulkhead_limit", ""), 3.0);
    assert_eq!(told(&layer, "bulkhead_refused", "over_share"), 1.0);
}
