use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use towerblock_core::{BoxError, HasTenant as _, Reason, Rejected, Stats as _, TenantId, Value};
use towerblock_metrics::{By, Exposure, TenantBoard, TenantBoardLayer};
use towerblock_testkit::at_every_poll;
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

use crate::{from, n, tenant};

/// One number of the board's.
fn of(board: &TenantBoard, name: &str, label: &str) -> Option<f64> {
    let mut found = None;
    board.read(&mut |metric, its_label, value| {
        assert!(board.describe().contains(metric));
        if (metric.name, its_label) == (name, label) {
            assert!(found.is_none(), "{name} {label} is told twice");
            found = match value {
                Value::Count(count) => Some(count as f64),
                Value::Level(level) => Some(level),
                _ => None,
            };
        }
    });
    found
}

fn requests(board: &TenantBoard, label: &str) -> Option<f64> {
    of(board, "tenant_requests", label)
}

fn total(board: &TenantBoard) -> f64 {
    of(board, "tenant_board_requests", "").unwrap()
}

fn names(board: &TenantBoard, by: By) -> Vec<String> {
    let worst = board.worst(by, 3);
    worst
        .iter()
        .map(|of| of.tenant.as_str().to_owned())
        .collect()
}

/// Answers at once, unless the path says something else.
async fn ask(board: &TenantBoard, tenant: &str, path: &'static str) {
    let layer = TenantBoardLayer::new(board.clone());
    let svc = layer.layer(service_fn(move |_: Request<String>| async move {
        let status = match path {
            "/slow" => {
                sleep(Duration::from_secs(2)).await;
                StatusCode::OK
            }
            "/broken" => StatusCode::INTERNAL_SERVER_ERROR,
            "/foreign" => StatusCode::TOO_MANY_REQUESTS,
            "/refused" => {
                let rejected = Rejected::new("quota", Reason::RateLimited);
                return Ok(rejected.response::<String>().map(|_| String::new()));
            }
            "/shed" => return Err(Rejected::new("shed", Reason::OverShare).into()),
            "/error" => return Err(BoxError::from("it failed")),
            _ => StatusCode::OK,
        };
        let mut response = Response::new(String::new());
        *response.status_mut() = status;
        Ok(response)
    }));
    let _whatever = svc.oneshot(from(tenant)).await;
}

#[tokio::test(start_paused = true)]
async fn the_worst_are_those_who_do_most_and_fare_worst() {
    let board = TenantBoard::default();
    for _ in 0..9 {
        ask(&board, "busy", "/").await;
    }
    for path in ["/broken", "/error", "/"] {
        ask(&board, "broken", path).await;
    }
    for path in ["/refused", "/refused", "/shed", "/foreign"] {
        ask(&board, "greedy", path).await;
    }
    ask(&board, "slow", "/slow").await;

    assert_eq!(names(&board, By::Requests), ["busy", "greedy", "broken"]);
    assert_eq!(names(&board, By::Errors), ["broken"]);
    assert_eq!(names(&board, By::Refusals), ["greedy"]);
    assert_eq!(names(&board, By::BusyTime), ["slow"]);
    assert_eq!(names(&board, By::Slowness)[0], "slow");

    let greedy = board.report(&tenant("greedy")).unwrap();
    assert_eq!((greedy.requests, greedy.refused, greedy.errors), (4, 4, 0));
    assert_eq!(
        greedy.refusals,
        [(Reason::RateLimited, 2), (Reason::OverShare, 1)]
    );
    assert_eq!(greedy.percentiles, None);
    let slow = board.report(&tenant("slow")).unwrap();
    assert_eq!(slow.busy, Duration::from_secs(2));
    let [p50, ..] = slow.percentiles.unwrap();
    assert!(p50.abs_diff(slow.busy) <= slow.busy / 16, "{p50:?}");
    assert!(board.report(&tenant("nobody")).is_none());
    assert_eq!(
        of(&board, "tenant_board_refusals", "rate limited"),
        Some(2.0)
    );
}

#[tokio::test(start_paused = true)]
async fn the_top_and_the_pinned_have_series_and_all_add_up() {
    let board = TenantBoard::new(Exposure::top(n(2)).pin([tenant("acme")]));
    let layer = TenantBoardLayer::new(board.clone());
    for _ in 0..3 {
        ask(&board, "big", "/").await;
        ask(&board, "large", "/").await;
    }
    ask(&board, "small", "/").await;
    ask(&board, "acme", "/").await;
    let mut nobody = layer.layer(service_fn(|_: Request<String>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    nobody
        .ready()
        .await
        .unwrap()
        .call(Request::default())
        .await
        .unwrap();

    // Until it is ticked, only who is pinned is told apart.
    assert_eq!(requests(&board, "acme"), Some(1.0));
    assert_eq!(requests(&board, "big"), None);
    assert_eq!(requests(&board, "__other__"), Some(7.0));
    assert_eq!(requests(&board, "__none__"), Some(1.0));
    assert_eq!(total(&board), 9.0);

    board.tick();
    assert_eq!(requests(&board, "big"), None, "not 30 seconds have passed");
    advance(Duration::from_secs(30)).await;
    board.tick();
    // A series begins at 0: the others' does not jump.
    assert_eq!(requests(&board, "big"), Some(0.0));
    assert_eq!(requests(&board, "small"), None);
    assert_eq!(requests(&board, "__other__"), Some(7.0));
    ask(&board, "big", "/").await;
    ask(&board, "small", "/broken").await;
    assert_eq!(requests(&board, "big"), Some(1.0));
    assert_eq!(requests(&board, "__other__"), Some(8.0));
    assert_eq!(of(&board, "tenant_errors", "__other__"), Some(1.0));
    assert_eq!(total(&board), 11.0);
    assert_eq!(of(&board, "tenant_board_shown", ""), Some(3.0));
    assert!(of(&board, "tenant_duration_p95", "big").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_series_that_ends_stays_as_it_was_for_a_while_and_is_taken_up_again() {
    let board = TenantBoard::new(Exposure::top(n(1)));
    let tick = async || {
        advance(Duration::from_secs(30)).await;
        board.tick();
    };
    ask(&board, "first", "/").await;
    tick().await;
    ask(&board, "first", "/").await;
    for _ in 0..9 {
        ask(&board, "second", "/").await;
    }
    tick().await;
    ask(&board, "first", "/").await;
    ask(&board, "second", "/").await;
    // Frozen, and what it does now is the others'.
    assert_eq!(requests(&board, "first"), Some(1.0));
    assert_eq!(requests(&board, "second"), Some(1.0));
    assert_eq!(requests(&board, "__other__"), Some(11.0));

    for _ in 0..40 {
        ask(&board, "first", "/").await;
    }
    tick().await;
    assert_eq!(
        requests(&board, "first"),
        Some(1.0),
        "it goes on where it stood"
    );
    ask(&board, "first", "/").await;
    assert_eq!(requests(&board, "first"), Some(2.0));
    for _ in 0..10 {
        tick().await;
    }
    assert_eq!(requests(&board, "second"), None, "five minutes have passed");
    assert_eq!(of(&board, "tenant_board_retired_requests", ""), Some(1.0));
    assert_eq!(total(&board), 54.0);
}

#[tokio::test(start_paused = true)]
async fn tenants_of_the_last_hour_are_counted() {
    let board = TenantBoard::default();
    ask(&board, "early", "/").await;
    advance(Duration::from_secs(1_800)).await;
    ask(&board, "late", "/").await;
    assert_eq!(board.active(), 2);
    advance(Duration::from_secs(1_900)).await;
    assert_eq!(board.active(), 1);
    assert_eq!(of(&board, "tenant_board_active", ""), Some(1.0));
    let idle = board.report(&tenant("late")).unwrap().idle;
    assert_eq!(idle, Some(Duration::from_secs(1_900)));
}

#[tokio::test]
async fn wherever_it_is_dropped_its_tenant_has_asked_once() {
    let board = TenantBoard::default();
    let svc = TenantBoardLayer::new(board.clone()).layer(service_fn(|_: Request<String>| async {
        yield_now().await;
        yield_now().await;
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    at_every_poll(
        || svc.clone().oneshot(from("acme")),
        async |polls| {
            let report = board.report(&tenant("acme"));
            let counted = report.map_or((0, 0), |of| (of.requests, of.dropped));
            assert_eq!(counted, (polls as u64, polls as u64));
        },
    )
    .await
    .unwrap();
    let report = board.report(&tenant("acme")).unwrap();
    assert_eq!(report.requests, report.dropped + 1);
    assert_eq!(report.errors, 0);
}

#[tokio::test]
async fn a_panic_is_its_tenants_error() {
    let board = TenantBoard::default();
    let svc = TenantBoardLayer::new(board.clone()).layer(service_fn(|req: Request<String>| {
        assert!(
            req.tenant().map(TenantId::as_str) != Some("call"),
            "as it was told"
        );
        async { panic!("as it was told") as Result<Response<String>, Infallible> }
    }));
    for name in ["call", "poll"] {
        let work = tokio::spawn(svc.clone().oneshot(from(name)));
        assert!(work.await.unwrap_err().is_panic());
        let report = board.report(&tenant(name)).unwrap();
        assert_eq!((report.requests, report.errors, report.dropped), (1, 1, 0));
    }
}

#[tokio::test]
async fn the_laws_of_a_layer_hold() {
    let board = TenantBoard::default();
    let layer = TenantBoardLayer::new(board.clone());
    obeys_the_service_contract(layer.clone()).await;
    let before = board.report(&tenant("acme")).unwrap().requests;
    shares_state_across_routes(layer, async |routes| {
        routes.alternate(10).await;
    })
    .await;
    assert_eq!(board.report(&tenant("acme")).unwrap().requests, before + 10);
}
