//! What tenants do.

use std::collections::BTreeSet;

use crate::client::{Browser, ask, get};
use crate::program::Server;

/// The ids of a list, page by page, along `Link: rel="next"`.
pub(crate) fn walk(server: &Server, tenant: &str, path: &str) -> Vec<i64> {
    walk_as(&mut Browser::default(), server, tenant, path)
}

fn walk_as(client: &mut Browser, server: &Server, tenant: &str, path: &str) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = client.get(server, tenant, &path);
        assert_eq!(page.status, 200, "{path} {}", page.body);
        let body = page.json();
        let items = body["items"].as_array().unwrap();
        let limit = path
            .split("limit=")
            .nth(1)
            .and_then(|rest| rest.split('&').next());
        let limit = limit.map_or(20, |limit| limit.parse().unwrap());
        assert!(items.len() <= limit, "{path} has {} items", items.len());
        ids.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
        assert_eq!(page.next().is_some(), body["next"].is_string());
        next = page.next().map(str::to_owned);
    }
    ids
}

/// Everything that a tenant relies on, whichever store there is.
pub(crate) fn works(server: &Server) {
    pages_yield_each_row_once(server);
    the_way_back_is_the_way_there(server);
    what_is_written_can_be_read(server);
    tenants_see_their_own_only(server);
    profiles_are_of_one_user(server);
}

fn pages_yield_each_row_once(server: &Server) {
    for (path, count) in [
        ("/api/v1/plugins?limit=7", 200),
        ("/api/v1/plugins?limit=100", 200),
        ("/api/v1/plugins", 200),
        ("/api/v1/teams/2/my-plugins?limit=9", 40),
        ("/api/v1/marketplace?limit=33", 100),
    ] {
        let ids = walk(server, "acme", path);
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (count, count), "{path}");
        assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
    }
    assert_eq!(walk(server, "t10000", "/api/v1/plugins?limit=20").len(), 20);
    assert!(walk(server, "initech", "/api/v1/plugins").is_empty());
}

fn the_way_back_is_the_way_there(server: &Server) {
    let first = get(server, "acme", "/api/v1/plugins?limit=60");
    assert_eq!(first.prev(), None);
    let second = get(server, "acme", first.next().unwrap());
    let third = get(server, "acme", second.next().unwrap());
    let again = get(server, "acme", third.prev().unwrap());
    assert_eq!(again.json()["items"], second.json()["items"]);
    let top = get(server, "acme", again.prev().unwrap());
    assert_eq!(top.json()["items"], first.json()["items"]);
    assert_eq!(top.prev(), None);
    // The same page has the same cursors for a while, so a client need not read it again.
    let tag = first.header("etag").unwrap();
    let known = format!("if-none-match: {tag}\r\n");
    let asked = ask(
        server,
        "GET",
        "acme",
        "/api/v1/plugins?limit=60",
        &known,
        "",
    );
    assert_eq!((asked.status, asked.next()), (304, first.next()));
}

fn what_is_written_can_be_read(server: &Server) {
    for tenant in ["initech", "t00042"] {
        let client = &mut Browser::default();
        let draft = r#"{"name":"mine","team_id":77}"#;
        let created = client.ask(server, "POST", tenant, "/api/v1/plugins", "", draft);
        assert_eq!(created.status, 201, "{}", created.body);
        let path = created.header("location").unwrap().to_owned();
        assert_eq!(client.get(server, tenant, &path).json()["name"], "mine");
        let of_team = walk_as(client, server, tenant, "/api/v1/teams/77/my-plugins");
        assert_eq!(of_team, [created.json()["id"].as_i64().unwrap()]);

        let draft = r#"{"name":"ours","description":"a\tb\n","version":"2"}"#;
        assert_eq!(
            client.ask(server, "PUT", tenant, &path, "", draft).status,
            200
        );
        assert_eq!(client.get(server, tenant, &path).json()["name"], "ours");
        assert!(walk_as(client, server, tenant, "/api/v1/teams/77/my-plugins").is_empty());

        assert_eq!(
            client.ask(server, "DELETE", tenant, &path, "", "").status,
            204
        );
        assert_eq!(client.get(server, tenant, &path).status, 404);
        assert_eq!(
            client.ask(server, "DELETE", tenant, &path, "", "").status,
            404
        );
        assert_eq!(
            client.ask(server, "PUT", tenant, &path, "", draft).status,
            404
        );
    }
}

fn tenants_see_their_own_only(server: &Server) {
    // Rows of acme, of t00001 and of t00002: by schema, and by row-level security.
    for (owner, id) in [
        ("acme", 1_007),
        ("t00001", 1_001_007),
        ("t00002", 1_002_007),
    ] {
        let path = format!("/api/v1/plugins/{id}");
        for tenant in ["acme", "globex", "initech", "t00001", "t00002"] {
            let status = if tenant == owner { 200 } else { 404 };
            assert_eq!(get(server, tenant, &path).status, status, "{tenant} {path}");
        }
        let other = if owner == "t00001" {
            "t00002"
        } else {
            "t00001"
        };
        assert_eq!(ask(server, "DELETE", other, &path, "", "").status, 404);
        assert_eq!(get(server, owner, &path).status, 200);
    }
}

fn profiles_are_of_one_user(server: &Server) {
    let client = &mut Browser::default();
    let path = "/api/v1/user/profile";
    let ann = "x-user-id: ann\r\n";
    let profile = r#"{"display_name":"Ann","email":"ann@example.com"}"#;
    assert_eq!(
        client.ask(server, "PUT", "acme", path, ann, profile).status,
        200
    );
    let mut name = |tenant, user| {
        let answer = client.ask(server, "GET", tenant, path, user, "");
        assert_eq!(answer.status, 200);
        answer.json()["display_name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("acme", ann), "Ann");
    assert_eq!(name("acme", "x-user-id: bob\r\n"), "");
    assert_eq!(name("globex", ann), "");
    assert_eq!(get(server, "acme", path).status, 401);
}

#[test]
fn it_works_in_memory() {
    works(&Server::in_memory());
}

#[test]
fn a_client_that_has_it_already_gets_no_body() {
    let server = Server::in_memory();
    let first = get(&server, "acme", "/api/v1/plugins");
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let tag = first.header("etag").unwrap();
    let listed = format!("\"x\", {tag}");
    for (condition, status) in [(tag, 304), (&listed, 304), ("*", 304), ("\"x\"", 200)] {
        let header = format!("if-none-match: {condition}\r\n");
        let again = ask(&server, "GET", "acme", "/api/v1/plugins", &header, "");
        assert_eq!(again.status, status, "{condition}");
        assert_eq!(again.body.is_empty(), status == 304);
        assert_eq!(again.header("etag"), Some(tag));
    }
    let other = get(&server, "globex", "/api/v1/plugins");
    assert_ne!(other.header("etag"), Some(tag));
    let market = get(&server, "acme", "/api/v1/marketplace");
    assert_eq!(market.header("cache-control"), Some("public, max-age=600"));
}

#[test]
fn answers_above_one_kibibyte_are_compressed_for_who_wants_it() {
    let server = Server::in_memory();
    let gzip = "accept-encoding: gzip\r\n";
    let large = ask(&server, "GET", "acme", "/api/v1/plugins", gzip, "");
    assert_eq!(large.header("content-encoding"), Some("gzip"));
    assert!(large.header("vary").is_some());
    let small = ask(&server, "GET", "acme", "/api/v1/plugins?limit=1", gzip, "");
    assert_eq!(small.header("content-encoding"), None);
    assert_eq!(
        get(&server, "acme", "/api/v1/plugins").header("content-encoding"),
        None
    );
}

#[test]
fn a_browser_is_answered_for_listed_origins_only() {
    let origins = "https://a.example,https://b.example";
    let server = Server::start(&[("DATABASE_URL", "memory:"), ("CORS_ORIGINS", origins)]);
    let allowed = |origin: &str| {
        let headers = format!("origin: {origin}\r\naccess-control-request-method: PUT\r\n");
        let answer = ask(
            &server,
            "OPTIONS",
            "nobody",
            "/api/v1/plugins/1",
            &headers,
            "",
        );
        assert_eq!(answer.status, 200, "a preflight names no tenant");
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(
        allowed("https://b.example").as_deref(),
        Some("https://b.example")
    );
    assert_eq!(allowed("https://c.example"), None);
    // A refusal can be read, too.
    let header = "origin: https://a.example\r\n";
    let refused = ask(&server, "GET", "nobody", "/api/v1/plugins", header, "");
    assert_eq!(refused.status, 404);
    let allowed = refused.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://a.example"));
}

#[test]
fn every_answer_tells_its_request_id() {
    let server = Server::in_memory();
    let id = |tenant, header: &str| {
        let answer = ask(&server, "GET", tenant, "/api/v1/plugins", header, "");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("acme", "x-request-id: mine-1\r\n"), "mine-1");
    assert_eq!(id("nobody", "").len(), 36);
    let long = format!("x-request-id: {}\r\n", "x".repeat(65));
    assert_eq!(id("acme", &long).len(), 36, "not fit for a log");
}
