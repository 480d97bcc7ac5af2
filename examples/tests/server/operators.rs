//! What is for operators: probes, metrics, and who may see them.

use crate::circuits::{TOKEN, admin};
use crate::client::{get, send};
use crate::database::{probe, ready, until};
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

#[tokio::test]
async fn probes_and_metrics_need_no_tenant() {
    let server = Server::in_memory();
    ready(&server).await;
    for path in ["/livez", "/readyz", "/api/ready"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: anything\r\n");
        assert_eq!(send(&server, &head, "").status, 200, "{path}");
    }
    assert_eq!(get(&server, "acme", "/api/v1/plugins").status, 200);
    let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
    let text = send(&server, head, "").body;
    let of_list = r#"method="GET",route="/api/v1/plugins""#;
    for line in [
        format!(r#"http_requests_total{{{of_list},status="200"}} 1"#),
        format!(r#"http_request_duration_seconds_bucket{{{of_list},le="10"}} 1"#),
        r#"tenant_requests_total{tenant="acme"} 1"#.to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

#[tokio::test]
async fn the_report_tells_admins_how_it_is_and_an_open_circuit_is_no_reason_to_take_it_out() {
    let server = Server::start(&[
        ("DATABASE_URL", "memory:"),
        ("ADMIN_TOKEN", TOKEN),
        ("INSTANCE_ID", "i-7"),
    ]);
    ready(&server).await;
    let report = || admin(&server, "GET", "/api/health", "").json();
    let well = report();
    assert_eq!(
        (&well["status"], &well["serviceId"], &well["output"]),
        (&"pass".into(), &"i-7".into(), &"ready".into())
    );
    assert!(well["version"].is_string(), "{well}");
    for check in [
        "uptime",
        "process_resident_memory",
        "lifecycle_connections",
        "database",
        "cache_entries",
        "shed_limit",
        "circuit:database.read",
        "breaker_state:database.write",
    ] {
        let value = &well["checks"][check][0]["observedValue"];
        assert!(value.is_number(), "{check} in {well}");
    }
    let path = "/api/degradation/circuits/database.read";
    admin(&server, "POST", path, r#"{"state":"open"}"#);
    until("it is told", || report()["status"] == "warn").await;
    let circuit = report()["checks"]["circuit:database.read"][0].clone();
    assert_eq!(
        (&circuit["status"], &circuit["output"]),
        (&"warn".into(), &"forced_open".into())
    );
    assert_eq!(probe(&server, "/readyz"), 200);
}
