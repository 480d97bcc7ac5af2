//! What is for operators: probes, metrics, and who may see them.

use crate::client::{get, send};
use crate::program::Server;

#[test]
fn admin_routes_are_for_admins() {
    let token = "a-long-secret";
    let open = Server::in_memory();
    let closed = Server::start(&[("DATABASE_URL", "memory:"), ("ADMIN_TOKEN", token)]);
    let proxied = "x-forwarded-for: 10.0.0.1\r\n";
    let bearer = format!("authorization: Bearer {token}\r\n");
    let wrong = "authorization: Bearer a-long-secreT\r\n";
    for (server, header, status) in [
        (&open, "", 200),
        (&open, proxied, 401),
        (&open, "forwarded: for=10.0.0.1\r\n", 401),
        (&open, "via: 1.1 proxy\r\n", 401),
        (&closed, "", 401),
        (&closed, wrong, 401),
        (&closed, bearer.as_str(), 200),
    ] {
        let head = format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\n{header}");
        assert_eq!(send(server, &head, "").status, status, "{header}");
    }
    let details = |server, header: &str| {
        let head = format!("GET /api/health HTTP/1.1\r\nhost: localhost\r\n{header}");
        let answer = send(server, &head, "");
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            Some("application/health+json")
        );
        answer.json().get("checks").is_some()
    };
    assert!(details(&open, ""));
    assert!(!details(&open, proxied), "the details are for admins");
}

#[test]
fn probes_and_metrics_need_no_tenant() {
    let server = Server::in_memory();
    for path in ["/livez", "/readyz", "/api/ready"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: anything\r\n");
        assert_eq!(send(&server, &head, "").status, 200, "{path}");
    }
    assert_eq!(get(&server, "acme", "/api/v1/plugins").status, 200);
    let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
    let text = send(&server, head, "").body;
    assert!(
        text.contains(r#"http_requests_total{status="2xx"} 1"#),
        "{text}"
    );
    let bucket = r#"http_request_duration_seconds_bucket{status="2xx",le="5"} 1"#;
    assert!(text.contains(bucket), "{text}");
}
