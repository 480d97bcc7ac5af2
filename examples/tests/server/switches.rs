//! Circuits in an operator's hands.

use crate::circuits::{KEPT, TOKEN, admin};
use crate::client::{get, send};
use crate::program::Server;

#[test]
fn an_admin_with_a_token_forces_and_releases() {
    let server = Server::start(&[("DATABASE_URL", "memory:"), ("ADMIN_TOKEN", TOKEN)]);
    let path = "/api/degradation/circuits/database.read";
    let before = get(&server, "acme", KEPT);
    for (order, expected, forced) in [
        ("open", "forced_open", true),
        ("closed", "forced_closed", true),
        ("released", "closed", false),
    ] {
        let answer = admin(&server, "POST", path, &format!(r#"{{"state":"{order}"}}"#));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let shown = answer.json();
        assert_eq!(
            (&shown["state"], &shown["forced"]),
            (&expected.into(), &forced.into())
        );
        assert!(shown["stats"]["breaker_opened"].is_u64(), "{shown}");
        let list = get(&server, "acme", KEPT);
        let degraded = (order == "open").then_some("circuit-open");
        assert_eq!(
            (list.header("x-degraded"), &list.body),
            (degraded, &before.body)
        );
        // There is no other page at hand, nor anybody else's.
        let limit = format!("{KEPT}?limit=3");
        let other = get(&server, "acme", &limit);
        assert_eq!((other.status, other.header("x-degraded")), (200, None));
        let other = get(&server, "globex", &limit);
        assert_eq!((other.status, other.header("x-degraded")), (200, None));
    }
    for (path, body, status) in [
        ("/api/degradation/circuits/else", r#"{"state":"open"}"#, 404),
        (path, r#"{"state":"ajar"}"#, 400),
        (path, "{}", 400),
    ] {
        assert_eq!(
            admin(&server, "POST", path, body).status,
            status,
            "{path} {body}"
        );
    }
    let head = |method, path| format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    assert_eq!(send(&server, &head("POST", path), "").status, 401);
    assert_eq!(
        send(&server, &head("GET", "/api/degradation/health"), "").status,
        401
    );
    // Without a token nobody can, and it does not show; to look is allowed on this machine.
    let open = Server::in_memory();
    let order = r#"{"state":"open"}"#;
    assert_eq!(send(&open, &head("POST", path), order).status, 404);
    assert_eq!(
        send(&open, &head("GET", "/api/degradation/circuits"), "").status,
        200
    );
}
