//! What writes leave behind, which the public API cannot make without a server.

use axum::routing::{get, post};
use axum::{Extension, Router, body::Body};
use http::{Request, StatusCode};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use super::{Carrier, ClusterLayer, Scope};
use crate::clock::unix_seconds;
use crate::lsn::{Lsn, Position};
use crate::{ReadToken, TokenKeys};

fn keys() -> TokenKeys {
    TokenKeys::new([[1; 32]]).unwrap()
}

fn token(lsn: u64) -> ReadToken {
    keys().token(Position::new(1, Lsn(lsn)), 7, unix_seconds())
}

/// Writes at two routes, one of which fails afterwards, and a third that only reads.
fn app(layer: ClusterLayer) -> Router {
    let read = async |Extension(scope): Extension<Scope>| {
        let token = scope.token().map(|token| token.position.lsn.to_string());
        token.unwrap_or_default()
    };
    let write = async |Extension(scope): Extension<Scope>| {
        let tasks = [6, 9, 8].map(|lsn| {
            let scope = scope.clone();
            tokio::spawn(async move { scope.wrote(token(lsn)) })
        });
        for task in tasks {
            task.await.unwrap();
        }
    };
    let fail = async |Extension(scope): Extension<Scope>| {
        scope.wrote(token(7));
        StatusCode::CONFLICT
    };
    Router::new()
        .route("/read", get(read))
        .route("/write", post(write))
        .route("/fail", post(fail))
        .layer(layer)
}

async fn send(app: &Router, method: &str, path: &str, sent: (&str, &str)) -> (Vec<String>, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(sent.0, sent.1).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let name = if sent.0 == "cookie" {
        "set-cookie"
    } else {
        sent.0
    };
    let left = response.headers().get_all(name).into_iter();
    let left = left
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    let body = axum::body::to_bytes(response.into_body(), 99)
        .await
        .unwrap();
    (left, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn what_one_route_wrote_another_reads() {
    let app = app(ClusterLayer::new(keys()));
    let (left, _) = send(&app, "POST", "/write", ("cookie", "")).await;
    let [cookie] = &*left else { panic!("{left:?}") };
    let (pair, _) = cookie.split_once(';').unwrap();
    assert_eq!(
        send(&app, "GET", "/read", ("cookie", pair)).await,
        (vec![], "0/9".to_owned())
    );
    // A read leaves none, and a write that comes later the one that it made.
    let (left, _) = send(&app, "POST", "/fail", ("cookie", pair)).await;
    let (pair, _) = left[0].split_once(';').unwrap();
    assert_eq!(send(&app, "GET", "/read", ("cookie", pair)).await.1, "0/7");
}

#[tokio::test]
async fn a_client_of_an_api_sends_the_header_back() {
    let layer = ClusterLayer::new(keys()).carrier(Carrier::header());
    let app = app(layer);
    let (left, _) = send(&app, "POST", "/write", ("x-read-token", "")).await;
    let sent = ("x-read-token", &*left[0]);
    assert_eq!(
        send(&app, "GET", "/read", sent).await,
        (vec![], "0/9".to_owned())
    );
    assert_eq!(
        send(&app, "GET", "/read", ("x-read-token", "forged"))
            .await
            .1,
        ""
    );
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_with_its_type_and_leaves_no_token() {
    let inner = service_fn(async |req: Request<()>| {
        let scope: &Scope = req.extensions().get().unwrap();
        scope.wrote(token(5));
        Err::<http::Response<()>, _>("broken")
    });
    let mut svc = ClusterLayer::new(keys()).layer(inner);
    let failed = svc.ready().await.unwrap().call(Request::default()).await;
    assert_eq!(failed.err(), Some("broken"));
}
