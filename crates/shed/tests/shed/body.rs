use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use towerblock_core::{BoxError, Reason};
use towerblock_respond::RespondLayer;
use towerblock_shed::{BulkheadLayer, Limit, ShedLayer};
use towerblock_testkit::laws::obeys_the_service_contract;

use crate::{from, n, reason, told};

fn one() -> ShedLayer {
    ShedLayer::new(Limit::fixed(n(1)))
}

/// Two frames, or one and an error.
struct Frames {
    left: usize,
    fails: bool,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Frame::data(Bytes::from_static(b"frame"));
        self.left -= 1;
        Poll::Ready(match (self.left, self.fails) {
            (0, true) => Some(Err("broken".into())),
            (0, false) => None,
            _ => Some(Ok(frame)),
        })
    }
}

fn frames(
    fails: bool,
) -> impl Service<Request<()>, Response = Response<Frames>, Error = Infallible, Future: Send> + Clone
{
    service_fn(move |_: Request<()>| async move { Ok(Response::new(Frames { left: 2, fails })) })
}

#[tokio::test]
async fn it_obeys_the_service_contract() {
    obeys_the_service_contract(one().until_body_end()).await;
    obeys_the_service_contract(BulkheadLayer::new(n(1), n(1)).until_body_end()).await;
}

#[tokio::test]
async fn a_slot_is_held_until_the_body_has_ended_has_failed_or_is_dropped() {
    let layer = one();
    for fails in [false, true] {
        let svc = layer.clone().until_body_end().layer(frames(fails));
        let response = svc.clone().oneshot(from("a")).await.unwrap();
        let refused = svc.clone().oneshot(from("b")).await.err().unwrap();
        assert_eq!(reason(&refused), Reason::Overloaded);
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(layer.in_flight(), 1);
        assert_eq!(body.frame().await.is_some(), fails);
        assert_eq!(layer.in_flight(), 0, "though the body is kept");

        let response = svc.clone().oneshot(from("a")).await.unwrap();
        assert_eq!(layer.in_flight(), 1);
        drop(response);
        assert_eq!(layer.in_flight(), 0);
    }
    // It was answered: nobody has given up.
    assert_eq!(told(&layer, "shed_dropped", ""), 0.0);
}

#[tokio::test]
async fn a_body_that_knows_its_end_gives_the_slot_back_with_its_last_frame() {
    let layer = one();
    let full =
        service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("all"))) });
    let svc = layer.clone().until_body_end().layer(full);
    let mut body = svc.oneshot(from("a")).await.unwrap().into_body();
    assert_eq!((layer.in_flight(), body.size_hint().exact()), (1, Some(3)));
    body.frame().await.unwrap().unwrap();
    assert_eq!(layer.in_flight(), 0);

    let none = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) });
    let svc = layer.clone().until_body_end().layer(none);
    let _response = svc.oneshot(from("a")).await.unwrap();
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn without_it_a_slot_is_free_when_the_response_is_there() {
    let layer = one();
    let _response = layer.layer(frames(false)).oneshot(from("a")).await.unwrap();
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn a_router_takes_it_and_a_handler_that_streams_is_covered() {
    let layer = one();
    let app: Router = Router::new()
        .route(
            "/",
            get(|| async {
                Body::new(Frames {
                    left: 2,
                    fails: false,
                })
            }),
        )
        .layer(
            ServiceBuilder::new()
                .layer(RespondLayer::new())
                .layer(layer.clone().until_body_end()),
        );
    let ask = async || {
        let request = from("a").map(|()| Body::empty());
        app.clone().oneshot(request).await.unwrap()
    };
    let response = ask().await;
    assert_eq!((response.status().as_u16(), layer.in_flight()), (200, 1));
    assert_eq!(ask().await.status(), 503);
    let body = axum::body::to_bytes(response.into_body(), 100).await;
    assert_eq!(body.unwrap(), "frame");
    assert_eq!(layer.in_flight(), 0);
    assert_eq!(ask().await.status(), 200);
}
