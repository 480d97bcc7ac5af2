//! Clients that make mistakes, and clients that mean harm: each gets its answer, and the
//! server goes on.

use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::client::{ask, get, send, send_raw};
use crate::program::Server;

fn status(server: &Server, head: &str) -> u16 {
    let answer = send(server, head, "");
    if answer.status >= 400 {
        let kind = answer.header("content-type");
        assert_eq!(
            kind,
            Some("application/problem+json"),
            "{head:.200} {}",
            answer.body
        );
    }
    answer.status
}

#[test]
fn a_host_names_its_tenant_or_nobody() {
    let server = Server::in_memory();
    let long = format!("{}.localhost", "a".repeat(10_000));
    for (host, expected) in [
        ("acme.localhost:8080", 200),
        ("ACME.LOCALHOST", 200),
        ("acme.localhost.", 200),
        ("localhost", 404),
        ("a.acme.localhost", 404),
        ("evil-acme.localhost.example.com", 404),
        ("acme.localhost.example.com", 404),
        ("127.0.0.1:8080", 404),
        ("[::1]:8080", 404),
        ("xn--bcher-kva.localhost", 404),
        ("nobody.localhost", 404),
        (&long, 400),
        ("-acme.localhost", 400),
        ("bücher.localhost", 400),
        ("acme.localhost:80x", 400),
        ("acme@localhost", 400),
        ("", 400),
    ] {
        let head = format!("GET /api/v1/plugins HTTP/1.1\r\nhost: {host}\r\n");
        assert_eq!(status(&server, &head), expected, "{host:.80}");
    }
    let acme = "host: acme.localhost\r\n";
    let globex = "host: globex.localhost\r\n";
    for (head, expected) in [
        ("GET /api/v1/plugins HTTP/1.1\r\n".to_owned(), 404),
        (
            format!("GET /api/v1/plugins HTTP/1.1\r\n{acme}{globex}"),
            400,
        ),
        (
            format!("GET http://acme.localhost/api/v1/plugins HTTP/1.1\r\n{acme}"),
            200,
        ),
        (
            format!("GET http://acme.localhost/api/v1/plugins HTTP/1.1\r\n{globex}"),
            400,
        ),
    ] {
        assert_eq!(status(&server, &head), expected, "{head}");
    }
}

#[test]
fn a_tenant_header_counts_for_local_peers_that_came_through_no_proxy() {
    let server = Server::in_memory();
    let tenant = "x-tenant-id: acme\r\n";
    for (headers, expected) in [
        (tenant.to_owned(), 200),
        (format!("{tenant}forwarded: for=1.2.3.4\r\n"), 404),
        (format!("{tenant}x-forwarded-for: 1.2.3.4\r\n"), 404),
        (format!("{tenant}via: 1.1 x\r\n"), 404),
        (format!("{tenant}{tenant}"), 400),
        (format!("{tenant}x-tenant-id: globex\r\n"), 400),
        ("x-tenant-id: nobody\r\n".to_owned(), 404),
        ("x-tenant-id: Acme\r\n".to_owned(), 400),
        ("x-tenant-id: \r\n".to_owned(), 400),
    ] {
        let head = format!("GET /api/v1/plugins HTTP/1.1\r\nhost: localhost\r\n{headers}");
        assert_eq!(status(&server, &head), expected, "{headers}");
    }
    let against = ask(&server, "GET", "globex", "/api/v1/plugins", tenant, "");
    assert_eq!(against.status, 400, "the host says otherwise");
}

#[test]
fn a_bad_limit_or_id_is_a_bad_request() {
    let server = Server::in_memory();
    for query in [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=ten",
        "limit=",
        "limit=%31%00",
        "limit=99999999999999999999999",
        "limit=1&limit=2",
        "limit=1.5",
    ] {
        let answer = get(&server, "acme", &format!("/api/v1/plugins?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.body.contains("urn:towerblock:invalid-parameter"),
            "{}",
            answer.body
        );
    }
    for id in ["x", "1.5", "99999999999999999999", "%00"] {
        assert_eq!(
            get(&server, "acme", &format!("/api/v1/plugins/{id}")).status,
            400,
            "{id}"
        );
    }
    assert_eq!(get(&server, "acme", "/api/v1/plugins/-1").status, 404);
}

#[test]
fn a_bad_or_foreign_cursor_is_a_bad_request_that_does_not_say_why() {
    let server = Server::in_memory();
    let list = "/api/v1/plugins";
    let first = get(&server, "acme", list);
    let cursor = first.json()["next"].as_str().unwrap().to_owned();
    let back = get(&server, "acme", first.next().unwrap()).json();
    let back = back["prev"].as_str().unwrap().to_owned();
    let flipped = cursor.replacen(|c| c != 'A', "A", 1);
    let huge = "A".repeat(60_000);
    let team = "/api/v1/teams/2/my-plugins";
    let mut bodies = std::collections::BTreeSet::new();
    for (tenant, path, bad) in [
        ("acme", list, ""),
        ("acme", list, "x"),
        ("acme", list, "%00"),
        ("acme", list, &cursor[..10]),
        ("acme", list, &format!("{cursor}AAAA")),
        ("acme", list, &flipped),
        ("acme", list, &huge),
        ("acme", list, &format!("{cursor}&cursor={cursor}")),
        ("acme", list, &format!("{cursor}&filter=else")),
        ("acme", team, &cursor),
        ("acme", "/api/v1/marketplace", &cursor),
        ("globex", list, &cursor),
        ("globex", list, &back),
        ("t00001", list, &cursor),
    ] {
        let answer = get(&server, tenant, &format!("{path}?cursor={bad}"));
        assert_eq!(answer.status, 400, "{tenant} {path} {bad:.80}");
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(
        bodies
            .iter()
            .all(|body| body.contains("urn:towerblock:invalid-cursor"))
    );
    // The size of a page may change on the way; what all tenants share, they share.
    let smaller = format!("{list}?limit=3&cursor={cursor}");
    assert_eq!(get(&server, "acme", &smaller).status, 200);
    let market = get(&server, "acme", "/api/v1/marketplace");
    let next = market.next().unwrap();
    let others = get(&server, "globex", next);
    assert_eq!(
        (others.status, get(&server, "acme", next).body),
        (200, others.body)
    );
}

#[test]
fn a_bad_body_is_told_what_is_wrong() {
    let server = Server::in_memory();
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(101));
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
    for (body, status, word) in [
        ("{", 400, "JSON"),
        ("[]", 400, "map"),
        ("{}", 400, "name"),
        (r#"{"name":1}"#, 400, "string"),
        (r#"{"name":""}"#, 400, "1 to 100 characters"),
        (&long, 400, "1 to 100 characters"),
        (r#"{"name":"a\u0000b"}"#, 400, "U+0000"),
        (r#"{"name":"x","team_id":0}"#, 400, "at least 1"),
        (r#"{"name":"x","tenant_key":2}"#, 400, "unknown field"),
        (&huge, 413, "65536 bytes"),
    ] {
        let answer = ask(&server, "POST", "acme", "/api/v1/plugins", "", body);
        assert_eq!(answer.status, status, "{body:.60} {}", answer.body);
        assert!(answer.body.contains(word), "{body:.60} {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let list = ask(
        &server,
        "PUT",
        "acme",
        "/api/v1/user/profile",
        "x-user-id: a\r\n",
        "[]",
    );
    assert_eq!(list.status, 400, "a list is no profile");
    let text = "content-type: text/plain\r\n";
    let head = format!("POST /api/v1/plugins HTTP/1.1\r\nhost: acme.localhost\r\n{text}");
    assert_eq!(send(&server, &head, "{}").status, 415);
    assert_eq!(
        ask(&server, "PATCH", "acme", "/api/v1/plugins", "", "").status,
        405
    );
    assert_eq!(get(&server, "acme", "/api/v2/plugins").status, 404);
    let twice = "x-user-id: a\r\nx-user-id: b\r\n";
    assert_eq!(
        ask(&server, "GET", "acme", "/api/v1/user/profile", twice, "").status,
        400
    );
    let proxied = "x-user-id: a\r\nvia: 1.1 x\r\n";
    assert_eq!(
        ask(&server, "GET", "acme", "/api/v1/user/profile", proxied, "").status,
        401
    );
}

#[test]
fn no_request_is_answered_with_a_server_error() {
    let server = Server::in_memory();
    let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE")];
    let host = prop_oneof![3 => Just("acme.localhost".to_owned()), 1 => "[!-~]{0,30}"];
    let path = "/api/v1/(plugins|plugins/|teams/|user/profile|marketplace)[!-~]{0,30}";
    let body = prop_oneof![
        Just(String::new()),
        r#"\{"(name|email|team_id|version)":("[ -~]{0,20}"|-?[0-9]{1,30}|null|\[\])\}"#,
        "[ -~]{0,40}",
    ];
    let user = "[ -~]{0,40}";
    proptest!(Config::with_cases(300), |(
        method in method, path in path, host in host, user in user, body in body,
    )| {
        let json = "content-type: application/json";
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nx-user-id: {user}\r\n{json}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        // A connection that is closed without an answer is a panic of ours.
        let answer = send_raw(&server, request.as_bytes()).unwrap();
        assert!(answer.status < 500, "{request} {}", answer.body);
    });
    proptest!(Config::with_cases(100), |(junk in proptest::collection::vec(any::<u8>(), 1..80))| {
        if let Some(answer) = send_raw(&server, &junk) {
            assert!(answer.status < 500, "{}", answer.body);
        }
    });
    assert_eq!(get(&server, "acme", "/api/v1/plugins").status, 200);
}

#[test]
fn a_page_that_was_pointed_here_is_believed_nothing() {
    let server = Server::in_memory();
    for (host, believed) in [
        ("localhost:8080", true),
        ("127.0.0.1:8080", true),
        ("127.8.8.8", true),
        ("[::1]:8080", true),
        ("evil.test:8080", false),
        ("localhost.evil.test", false),
        ("93.184.216.34", false),
    ] {
        let head = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n");
        let expected = if believed { 200 } else { 401 };
        assert_eq!(send(&server, &head, "").status, expected, "{host}");
        let plugins = "GET /api/v1/plugins HTTP/1.1";
        let head = format!("{plugins}\r\nhost: {host}\r\nx-tenant-id: acme\r\n");
        let expected = if believed { 200 } else { 404 };
        assert_eq!(send(&server, &head, "").status, expected, "{host}");
    }
}
