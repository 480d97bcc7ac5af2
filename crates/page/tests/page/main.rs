//! What a user of the layer can rely on, under the router it is made for.

#![cfg(feature = "axum")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod memory;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use towerblock_core::TenantId;
use towerblock_page::{
    Column, KeyRing, Keyset, Page, PageError, PageLayer, PageRequest, Paged, Type, Unique,
};
use towerblock_testkit::laws::{obeys_the_service_contract, shares_state_across_routes};

const BAD_CURSOR: &str = r#"{"type":"urn:towerblock:invalid-cursor","title":"Bad Request","status":400,"detail":"the cursor is not valid here"}"#;

const ONE: NonZero<u16> = NonZero::new(1).unwrap();
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

#[tokio::test]
async fn a_page_is_json_and_links_to_those_beside_it() {
    let first = ask("/things?x=%20y&limit=3").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.json["items"], json!([9, 8, 7]));
    assert_eq!(first.json["prev"], Value::Null);
    assert_eq!(first.json.get("total"), None);
    assert_eq!(first.headers["content-type"], "application/json");
    let next = first.next();
    let link = format!("</things?x=%20y&limit=3&cursor={next}>; rel=\"next\"");
    assert_eq!(first.headers["link"], link);

    let second = ask(&format!("/things?limit=3&cursor={next}&x=+y")).await;
    assert_eq!(second.json["items"], json!([6, 5, 4]));
    let (next, prev) = (second.next(), second.prev());
    let link = format!(
        "</things?limit=3&x=+y&cursor={next}>; rel=\"next\", \
         </things?limit=3&x=+y&cursor={prev}>; rel=\"prev\""
    );
    assert_eq!(second.headers["link"], link);

    let back = ask(&format!("/things?x=%20y&limit=3&cursor={prev}")).await;
    assert_eq!(back.json["items"], json!([9, 8, 7]));
    assert_eq!(back.json["prev"], Value::Null);
    let last = ask(&format!("/things?x=%20y&limit=4&cursor={next}")).await;
    assert_eq!(last.json["items"], json!([3, 2, 1]));
    assert_eq!(last.json["next"], Value::Null);
}

#[tokio::test]
async fn the_same_page_has_the_same_bytes() {
    let page = async || ask("/things?limit=3").await.text;
    assert_eq!(page().await, page().await);
}

#[tokio::test]
async fn a_page_has_the_default_size_and_at_most_the_largest() {
    let sizes = |default, max| {
        let layer = PageLayer::new(KeyRing::new([OLD]).unwrap());
        let rows = |n| NonZero::new(n).unwrap();
        app(layer.default_size(rows(default)).max_size(rows(max)))
    };
    let count = async |app, uri| {
        let answer = send(app, request(uri)).await;
        answer.json["items"].as_array().map(Vec::len)
    };
    assert_eq!(count(sizes(2, 4), "/things").await, Some(2));
    assert_eq!(count(sizes(2, 4), "/things?limit=4").await, Some(4));
    assert_eq!(count(sizes(2, 4), "/things?limit=5").await, None);
    assert_eq!(
        count(sizes(5, 4), "/things").await,
        Some(4),
        "no default above the maximum"
    );
}

#[tokio::test]
async fn a_limit_that_is_no_number_in_range_is_told_so() {
    let long = "9".repeat(1_000);
    for (limit, shown) in [
        ("0", "0"),
        ("101", "101"),
        ("-1", "-1"),
        ("%2B1", "+1"),
        ("1e2", "1e2"),
        ("+1", " 1"),
        ("ten", "ten"),
        ("", ""),
        (&long, "99999999999999999999…"),
    ] {
        let answer = ask(&format!("/things?limit={limit}")).await;
        let detail = format!("limit={shown}: expected a number from 1 to 100");
        assert_eq!(answer.json["detail"], detail);
        assert_eq!(answer.json["type"], "urn:towerblock:invalid-parameter");
        assert_eq!(answer.status, 400);
    }
    let twice = ask("/things?limit=3&li%6Dit=3").await;
    assert_eq!(twice.json["detail"], "limit is given twice");
}

#[tokio::test]
async fn a_cursor_is_bound_to_tenant_address_filter_order_and_more() {
    let made = ask("/things?limit=2&team=7&tag=a&tag=b&user=ann")
        .await
        .next();
    let of = |uri: &str| request(&uri.replace("CURSOR", &made));
    let list = "/things?limit=2&team=7&tag=a&tag=b&user=ann&cursor=CURSOR";
    let globex = || {
        let mut request = of(list);
        request
            .extensions_mut()
            .insert(TenantId::new("globex").unwrap());
        request
    };
    let nobody = || {
        let mut request = of(list);
        request.extensions_mut().remove::<TenantId>();
        request
    };
    let posted = || {
        let mut request = of(list);
        *request.method_mut() = Method::POST;
        request
    };
    for foreign in [
        globex(),
        nobody(),
        posted(),
        of("/others?limit=2&team=7&tag=a&tag=b&user=ann&cursor=CURSOR"),
        of("/things?limit=2&team=8&tag=a&tag=b&user=ann&cursor=CURSOR"),
        of("/things?limit=2&tag=a&tag=b&user=ann&cursor=CURSOR"),
        of("/things?limit=2&team=7&tag=b&tag=a&user=ann&cursor=CURSOR"),
        of("/things?limit=2&team=7&tag=a&tag=b&more=1&user=ann&cursor=CURSOR"),
        of("/things?limit=2&team=7tag&=a&tag=b&user=ann&cursor=CURSOR"),
    ] {
        let uri = foreign.uri().clone();
        let answer = send(app(layer()), foreign).await;
        assert_eq!((answer.status, &*answer.text), (400, BAD_CURSOR), "{uri}");
    }
    let headed = || {
        let mut request = of(list);
        *request.method_mut() = Method::HEAD;
        request
    };
    for same in [
        headed(),
        of(list),
        of("/things?cursor=CURSOR&user=ann&tag=a&team=%37&limit=3&tag=b"),
    ] {
        let uri = same.uri().clone();
        assert_eq!(send(app(layer()), same).await.status, 200, "{uri}");
    }
}

#[tokio::test]
async fn a_cursor_is_bound_to_the_keyset_and_to_what_the_handler_says() {
    let made = ask("/bound?limit=2").await.next();
    for (header, status) in [
        ("", 200),
        ("name", 400),
        ("expression", 400),
        ("direction", 400),
        ("type", 400),
        ("nulls", 400),
        ("columns", 400),
        ("user", 400),
        ("user-name", 400),
    ] {
        let mut request = request(&format!("/bound?limit=2&cursor={made}"));
        request
            .headers_mut()
            .insert("change", header.parse().unwrap());
        assert_eq!(send(app(layer()), request).await.status, status, "{header}");
    }
}

#[tokio::test]
async fn a_shared_list_has_the_same_cursors_for_all_tenants() {
    let made = ask("/shared?limit=2").await.next();
    let mut request = request(&format!("/shared?limit=2&cursor={made}"));
    request
        .extensions_mut()
        .insert(TenantId::new("globex").unwrap());
    assert_eq!(send(app(layer()), request).await.status, 200);
}

#[tokio::test]
async fn any_other_cursor_gets_one_and_the_same_answer() {
    let made = ask("/things?limit=2").await.next();
    let whole = URL_SAFE_NO_PAD.decode(&made).unwrap();
    let mut bad = Vec::new();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bad.push(URL_SAFE_NO_PAD.encode(bytes));
    }
    bad.extend((0..made.len()).map(|end| made[..end].to_owned()));
    bad.extend((0..whole.len()).map(|end| URL_SAFE_NO_PAD.encode(&whole[..end])));
    bad.extend(["A", "=", "AAAA", "%20", "%00", "é", "."].map(|end| format!("{made}{end}")));
    bad.push(format!("{made}&cursor={made}"));
    bad.push("A".repeat(60_000));
    assert!(bad.len() > 600);
    for cursor in bad {
        let answer = ask(&format!("/things?limit=2&cursor={cursor}")).await;
        assert_eq!(
            (answer.status, &*answer.text),
            (400, BAD_CURSOR),
            "{cursor:.200}"
        );
    }
    assert_eq!(
        ask(&format!("/things?limit=2&cursor={made}")).await.status,
        200
    );
}

#[tokio::test]
async fn keys_rotate_and_a_rotated_out_key_opens_nothing() {
    let ring = |secrets: &[[u8; 32]]| app(PageLayer::new(KeyRing::new(secrets).unwrap()));
    let status = async |app, cursor: &str| {
        let uri = format!("/things?limit=2&cursor={cursor}");
        send(app, request(&uri)).await.status
    };
    let old = send(ring(&[OLD]), request("/things?limit=2")).await.next();
    let new = send(ring(&[NEW, OLD]), request("/things?limit=2"))
        .await
        .next();
    assert_ne!(old, new);
    assert_eq!(
        status(ring(&[OLD, NEW]), &new).await,
        200,
        "not in front yet"
    );
    assert_eq!(status(ring(&[NEW, OLD]), &old).await, 200, "not away yet");
    assert_eq!(status(ring(&[NEW]), &old).await, 400);
    assert_eq!(status(ring(&[OLD]), &new).await, 400);
}

#[tokio::test]
async fn an_expired_cursor_is_a_bad_one() {
    // Made by a layer whose cursors live so long that its times of issue are years ago.
    let century = layer().expires_after(Duration::from_secs(100 * 365 * 24 * 60 * 60));
    let made = send(app(century.clone()), request("/things?limit=2"))
        .await
        .next();
    let uri = format!("/things?limit=2&cursor={made}");
    assert_eq!(send(app(century), request(&uri)).await.status, 200);
    let answer = send(app(layer()), request(&uri)).await;
    assert_eq!((answer.status, &*answer.text), (400, BAD_CURSOR));
}

#[tokio::test]
async fn without_the_layer_it_is_our_fault() {
    let app = Router::new().route("/things", get(things));
    let answer = send(app, request("/things")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json["detail"], "something went wrong on our side");
}

#[tokio::test]
async fn links_hold_under_a_nested_router() {
    let api = Router::new().route("/things", get(things));
    let app = Router::new().nest("/api/v1", api).layer(layer());
    let answer = send(app, request("/api/v1/things?limit=8")).await;
    let link = answer.headers["link"].to_str().unwrap();
    assert!(
        link.starts_with("</api/v1/things?limit=8&cursor="),
        "{link}"
    );

    // Also when the nested one has a layer of its own, whose settings then hold.
    let api = Router::new()
        .route("/things", get(things))
        .layer(layer().max_size(ONE));
    let app = Router::new().nest("/api/v1", api).layer(layer());
    let answer = send(app, request("/api/v1/things")).await;
    assert_eq!(answer.json["items"], json!([9]));
    let link = answer.headers["link"].to_str().unwrap();
    assert!(link.starts_with("</api/v1/things?cursor="), "{link}");
}

#[tokio::test]
async fn refused_answers_what_the_client_did_and_hides_what_we_did() {
    use axum::response::IntoResponse;
    use towerblock_respond::Refused;

    let read = |uri: &str| {
        let (parts, _) = request(uri).into_parts();
        PageRequest::read(&parts)
    };
    let ours = read("/things?limit=x").unwrap_err();
    assert_eq!(ours.rejected(), None);
    assert_eq!(
        ours.to_string(),
        "no PageLayer stands around the route of /things"
    );
    assert_eq!(Refused::from(ours).into_response().status(), 500);
}

#[tokio::test]
async fn it_obeys_the_service_contract() {
    obeys_the_service_contract(layer()).await;
}

#[tokio::test]
async fn two_routes_of_a_router_are_both_served() {
    let statuses = shares_state_across_routes(layer(), async |routes| routes.alternate(4).await);
    assert_eq!(statuses.await, [200; 4]);
}

/// Compiles, or a caller's `Arc`, `Router` or `Buffer` breaks.
#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn sendable<T: Send>(_: impl FnOnce(&'static tokio_postgres::Client, PageRequest) -> T) {}
    shareable::<Paged<()>>();
    shareable::<PageLayer>();
    shareable::<PageRequest>();
    shareable::<towerblock_page::Seek>();
    shareable::<Page<String>>();
    shareable::<Keyset>();
    sendable(
        async |client, page: PageRequest| -> Result<Page<i32>, PageError> {
            let seek = page.seek(&newest())?;
            let key = 7_i64;
            let query = seek
                .query("id", "things")
                .filter("team = $1", &[(&key, Type::INT8)]);
            query.fetch(client, |row| Ok(row.try_get(0)?)).await
        },
    );
}

fn layer() -> PageLayer {
    PageLayer::new(KeyRing::new([OLD]).unwrap())
}

fn app(layer: PageLayer) -> Router {
    let listed = get(things).post(things);
    Router::new()
        .route("/things", listed.clone())
        .route("/others", listed)
        .route("/shared", get(shared))
        .route("/bound", get(bound))
        .layer(layer)
}

fn newest() -> Keyset {
    Keyset::new("things/1", [], Unique::desc("id", Type::INT4))
}

/// Nine things, newest first.
async fn things(page: PageRequest) -> Result<Page<i32>, PageError> {
    list(&page, &newest())
}

async fn shared(page: PageRequest) -> Result<Page<i32>, PageError> {
    list(&page.shared(), &newest())
}

/// The header `change` says what is not as usual.
async fn bound(headers: HeaderMap, page: PageRequest) -> Result<Page<i32>, PageError> {
    let change = headers
        .get("change")
        .map_or("", |value| value.to_str().unwrap());
    let is = |other| change == other;
    let made = "things.made".to_owned();
    let ty = if is("type") { Type::INT8 } else { Type::INT4 };
    let column = match change {
        "direction" => Column::desc(made, ty),
        "expression" => Column::asc("things.changed", ty),
        "nulls" => Column::asc(made, ty).nulls_first(),
        _ => Column::asc(made, ty),
    };
    let mut columns = vec![column];
    if is("columns") {
        columns.push(Column::asc("things.name", Type::TEXT));
    }
    let name = if is("name") { "bound/2" } else { "bound/1" };
    let keyset = Keyset::new(name, columns, Unique::asc("id", Type::INT4));
    let page = match change {
        "user" => page.bound_to("user", "bob"),
        "user-name" => page.bound_to("userann", ""),
        _ => page.bound_to("user", "ann"),
    };
    // Whatever the list, the cursor is of this shape.
    page.seek(&keyset)?.page_of([1, 2, 3], |id| (*id, *id))
}

fn list(page: &PageRequest, keyset: &Keyset) -> Result<Page<i32>, PageError> {
    let things: BTreeMap<(i32,), ()> = (1..=9).map(|id| ((id,), ())).collect();
    page.seek(keyset)?
        .page_of_map(&things, |(id,), ()| Some(*id))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl Answer {
    fn next(&self) -> String {
        self.json["next"].as_str().unwrap().to_owned()
    }

    fn prev(&self) -> String {
        self.json["prev"].as_str().unwrap().to_owned()
    }
}

/// Of the tenant acme.
fn request(uri: &str) -> Request<Body> {
    let request = Request::get(uri).extension(TenantId::new("acme").unwrap());
    request.body(Body::empty()).unwrap()
}

async fn ask(uri: &str) -> Answer {
    send(app(layer()), request(uri)).await
}

async fn send(app: Router, request: Request<Body>) -> Answer {
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        json: serde_json::from_slice(&bytes).unwrap_or_default(),
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}
