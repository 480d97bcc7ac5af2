//! What an answer is found by, and who is answered by none.

use axum::body::Body;
use http::Request;
use towerblock_cache::{Hub, Settings};
use towerblock_core::{Stats, Value};

use crate::support::{App, End, answer, counting, get, policy, tenant};

#[tokio::test(start_paused = true)]
async fn tenants_have_their_own_and_nobody_has_none() {
    let app = App::new(policy(), counting(200, &[]));
    let ask = async |name: &str| {
        app.send(Request::get("/a").extension(tenant(name)).end())
            .await
    };
    assert_eq!(ask("acme").await.text(), "answer 1");
    assert_eq!(ask("globex").await.text(), "answer 2");
    assert_eq!(ask("acme").await.text(), "answer 1");
    for text in ["answer 3", "answer 4"] {
        let nobody = app.send(Request::get("/a").end()).await;
        assert_eq!(
            (nobody.text(), nobody.did()),
            (text, "fwd=bypass; detail=no-tenant")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_route_answers_all_alike_and_knows_no_tenant() {
    let route = async |req: Request<Body>| {
        let tenant = req.extensions().get::<towerblock_core::TenantId>();
        answer(
            200,
            &[("surrogate-key", "list")],
            format!("{}", tenant.is_some()),
        )
    };
    let app = App::new(policy().shared(), route);
    let ask = async |name: &str| {
        app.send(Request::get("/a").extension(tenant(name)).end())
            .await
    };
    assert_eq!((ask("acme").await.text(), app.asked()), ("false", 1));
    assert_eq!(ask("globex").await.did(), "hit");
    assert_eq!(app.send(Request::get("/a").end()).await.did(), "hit");
    // A tenant that is forgotten takes nothing along but what is shared here.
    let _reached = app.cache.invalidate_tag(&tenant("any"), "list").await;
    assert_eq!(ask("acme").await.did(), "fwd=uri-miss; stored");
}

#[tokio::test(start_paused = true)]
async fn who_shows_credentials_passes_by_unless_they_do_not_matter() {
    for name in ["authorization", "cookie"] {
        let echo = move |req: Request<Body>| {
            let shown = req.headers().get(name).cloned();
            let shown = shown.map_or("nobody".to_owned(), |it| it.to_str().unwrap().to_owned());
            async move { answer(200, &[("cache-control", "public")], shown) }
        };
        let app = App::new(policy(), echo);
        assert_eq!(app.get("/a").await.text(), "nobody");
        for user in ["ada", "grace"] {
            let got = app.send(get("/a").header(name, user).end()).await;
            assert_eq!(
                (got.text(), got.did()),
                (user, "fwd=bypass; detail=credentials")
            );
        }
        assert_eq!(app.get("/a").await.text(), "nobody");
        let app = App::new(policy().same_for_all_users(), echo);
        for user in ["ada", "grace"] {
            // What could tell them apart the route is not shown.
            let got = app.send(get("/a").header(name, user).end()).await;
            assert_eq!(got.text(), "nobody");
        }
        assert_eq!(app.asked(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_poisons_nothing() {
    let echo = async |req: Request<Body>| {
        let named = ["host", "x-forwarded-host", "forwarded"];
        let named = named.iter().filter_map(|name| req.headers().get(*name));
        let mut seen: Vec<_> = named.map(|it| it.to_str().unwrap().to_owned()).collect();
        seen.extend(req.uri().authority().map(ToString::to_string));
        answer(200, &[], seen.join(","))
    };
    let app = App::new(policy(), echo);
    let evil = get("http://evil/a").header("host", "evil");
    let evil = evil
        .header("x-forwarded-host", "evil")
        .header("forwarded", "host=evil");
    assert_eq!(app.send(evil.end()).await.text(), "");
    assert_eq!(
        app.send(get("/a").header("host", "good").end()).await.did(),
        "hit"
    );

    let app = App::new(policy().per_authority(), echo);
    let ask = async |host: &str| {
        let req = get("/a")
            .header("host", host)
            .header("x-forwarded-host", "evil");
        app.send(req.end()).await
    };
    for host in ["evil", "good", "evil"] {
        assert_eq!(ask(host).await.text(), host);
    }
    assert_eq!(app.asked(), 2);
    assert_eq!(app.get("/a").await.did(), "fwd=bypass; detail=uri");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_no_key_passes_by() {
    let app = App::new(policy(), counting(200, &[]));
    let odd = [
        (
            get("/a").body(Body::from("body")).unwrap(),
            "fwd=bypass; detail=body",
        ),
        (
            get("/a").header("upgrade", "websocket").end(),
            "fwd=bypass; detail=upgrade",
        ),
        (
            get("/a").header("if-match", "*").end(),
            "fwd=bypass; detail=precondition",
        ),
        (get("/a").method("OPTIONS").end(), "fwd=method"),
    ];
    for (req, did) in odd {
        assert_eq!(app.send(req).await.did(), did);
    }
    let long = format!("/a?{}", "x".repeat(5_000));
    assert_eq!(app.get(&long).await.did(), "fwd=bypass; detail=uri");
    assert_eq!(app.get("/a").await.did(), "fwd=uri-miss; stored");
}

#[tokio::test(start_paused = true)]
async fn made_up_queries_and_headers_push_nobody_out() {
    let hub = Hub::start(Settings::memory(1 << 20)).unwrap();
    let answer = async |_: Request<Body>| answer(200, &[("vary", "x-a")], vec![b'x'; 1_000]);
    let app = App::on(&hub, policy(), answer);
    let quiet = || Request::get("/a").extension(tenant("globex")).end();
    app.send(quiet()).await;
    for nth in 0..5_000 {
        let req = get(&format!("/a?q={}", nth % 2_500)).header("x-a", nth.to_string());
        app.send(req.end()).await;
    }
    assert_eq!(app.send(quiet()).await.did(), "hit");
    let mut bytes = 0.0;
    hub.read(&mut |metric, _, value| {
        if let (true, Value::Level(level)) = (metric.name == "cache_bytes", value) {
            bytes = level;
        }
    });
    assert!(bytes <= f64::from(1 << 20), "{bytes}");
}
