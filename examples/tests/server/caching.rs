//! What is answered from memory, and what makes the server forget it.

use crate::client::{Answer, ask, get, send};
use crate::program::Server;

const LIST: &str = "/api/v1/plugins?limit=5";
const TEAM: &str = "/api/v1/teams/2/my-plugins?limit=5";
const PROFILE: &str = "/api/v1/user/profile";
const MARKET: &str = "/api/v1/marketplace?limit=5";
const ANN: &str = "x-user-id: ann\r\n";

/// A number of `/metrics`, by its name and labels.
pub(crate) fn metric(server: &Server, name: &str) -> u64 {
    let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
    let text = send(server, head, "").body;
    let rest = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
    let number = text.lines().filter_map(rest);
    let number = number.filter_map(|rest| rest.parse::<f64>().ok()).next();
    let number = number.unwrap_or_else(|| panic!("{name} in {text}"));
    format!("{number:.0}").parse().unwrap()
}

fn read(server: &Server, tenant: &str, path: &str) -> Answer {
    let answer = ask(server, "GET", tenant, path, ANN, "");
    assert_eq!(answer.header("x-degraded"), None);
    answer
}

#[test]
fn each_route_asks_its_database_once_and_then_its_memory() {
    let server = Server::in_memory();
    assert!(
        server
            .said
            .contains("caches and limits: memory of this instance; set REDIS_URL")
    );
    let routes = [LIST, "/api/v1/plugins/1007", TEAM, PROFILE, MARKET];
    for (n, path) in (1..).zip(routes) {
        let first = read(&server, "acme", path);
        assert_eq!(first.status, 200, "{}", first.body);
        assert_eq!(read(&server, "acme", path).body, first.body);
        assert_eq!(metric(&server, "cache_loads_total"), n, "{path}");
        let hits = metric(&server, r#"cache_hits_total{source="memory"}"#);
        assert_eq!(hits, n, "{path}");
    }
    // The marketplace is the same for all.
    read(&server, "globex", MARKET);
    assert_eq!(metric(&server, "cache_loads_total"), 5);
    // What is not there is remembered as well.
    for _ in 0..2 {
        assert_eq!(read(&server, "acme", "/api/v1/plugins/999999").status, 404);
        assert_eq!(metric(&server, "cache_loads_total"), 6);
    }
}

#[test]
fn a_write_is_seen_at_once_by_everybody() {
    let server = Server::in_memory();
    // None of them keeps a cookie.
    for tenant in ["acme", "t00042"] {
        let names = |path: &str| read(&server, tenant, path).body;
        for round in 0..20 {
            for path in [LIST, TEAM, "/api/v1/plugins"] {
                assert!(!names(path).contains(&format!("made-{round}\"")));
            }
            let draft = format!(r#"{{"name":"made-{round}","team_id":2}}"#);
            let made = ask(&server, "POST", tenant, "/api/v1/plugins", "", &draft);
            let path = made.header("location").unwrap();
            for path in [LIST, TEAM, "/api/v1/plugins", path] {
                assert!(names(path).contains(&format!("made-{round}\"")), "{path}");
            }
            let draft = format!(r#"{{"name":"else-{round}","team_id":2}}"#);
            let put = ask(&server, "PUT", tenant, path, "", &draft);
            assert_eq!(put.status, 200);
            for path in [LIST, TEAM, "/api/v1/plugins", path] {
                assert!(names(path).contains(&format!("else-{round}\"")), "{path}");
            }
            let gone = ask(&server, "DELETE", tenant, path, "", "");
            assert_eq!(gone.status, 204);
            assert_eq!(read(&server, tenant, path).status, 404);
            for path in [LIST, TEAM, "/api/v1/plugins"] {
                assert!(!names(path).contains(&format!("else-{round}\"")), "{path}");
            }
            let profile = format!(r#"{{"display_name":"ann-{round}"}}"#);
            ask(&server, "PUT", tenant, PROFILE, ANN, &profile);
            assert!(names(PROFILE).contains(&format!("ann-{round}\"")));
        }
    }
}

#[test]
fn what_is_kept_of_one_tenant_or_user_is_shown_to_no_other() {
    let server = Server::in_memory();
    for tenant in ["acme", "globex", "t00001"] {
        let profile = format!(r#"{{"display_name":"ann of {tenant}"}}"#);
        ask(&server, "PUT", tenant, PROFILE, ANN, &profile);
    }
    let own = |tenant| {
        let profile = read(&server, tenant, PROFILE).body;
        assert!(profile.contains(&format!("ann of {tenant}")), "{profile}");
        [LIST, TEAM].map(|path| read(&server, tenant, path).body)
    };
    // The second time from memory.
    let [first, second] = [(); 2].map(|()| ["acme", "globex", "t00001"].map(own));
    assert_eq!(first, second);
    assert!(first[0][0] != first[1][0] && first[1][0] != first[2][0]);
    for (tenant, status) in [("acme", 200), ("globex", 404), ("t00001", 404)] {
        assert_eq!(read(&server, tenant, "/api/v1/plugins/1007").status, status);
    }
    let bob = ask(&server, "GET", "acme", PROFILE, "x-user-id: bob\r\n", "");
    assert!(!bob.body.contains("ann"), "{}", bob.body);
}

#[test]
fn what_a_client_makes_up_is_not_kept() {
    let server = Server::in_memory();
    get(&server, "acme", LIST);
    let before = metric(&server, "cache_entries");
    for n in 0..200 {
        for path in ["/api/v1/teams/2/my-plugins", "/api/v1/marketplace"] {
            assert_eq!(get(&server, "acme", &format!("{path}?x={n}")).status, 200);
        }
        for (made_up, status) in [
            (format!("?x={n}"), 200),
            (format!("?limit=5&x={n}"), 200),
            (format!("?limit=0{n}"), if n % 101 == 0 { 400 } else { 200 }),
            (format!("?limit={}", 101 + n), 400),
            (format!("?cursor=forged{n}"), 400),
        ] {
            let path = format!("/api/v1/plugins{made_up}");
            let got = get(&server, "acme", &path).status;
            // Whether a limit is too large or is cut, it is kept at most in its plain form.
            assert!(
                got == status || made_up.starts_with("?limit=0"),
                "{path}: {got}"
            );
        }
    }
    assert_eq!(metric(&server, "cache_entries"), before);
}

/// Two routes keep whole responses, each encoding by itself.
#[test]
fn what_goes_over_the_wire_is_kept_as_it_is() {
    let server = Server::in_memory();
    for (path, kept_by) in [
        ("/api/v1/marketplace", "marketplace"),
        ("/api/v1/teams/2/my-plugins", "of-teams"),
    ] {
        let ask = |headers: &str| ask(&server, "GET", "acme", path, headers, "");
        let did = |answer: &Answer| answer.header("cache-status").unwrap().to_owned();
        for (accept, encoding) in [("", None), ("accept-encoding: gzip\r\n", Some("gzip"))] {
            let [first, second] = [(); 2].map(|()| ask(accept));
            assert!(did(&first).contains("stored"), "{}", did(&first));
            let hit = did(&second);
            assert!(hit.starts_with(&format!("{kept_by}; hit")), "{hit}");
            assert_eq!(second.header("content-encoding"), encoding);
            assert_eq!(second.body, first.body);
            assert_eq!(second.header("surrogate-key"), None);
            let known = format!(
                "{accept}if-none-match: {}\r\n",
                first.header("etag").unwrap()
            );
            let known = ask(&known);
            assert_eq!((known.status, &*known.body), (304, ""));
        }
        // Whoever is signed in sees the same.
        let signed_in = ask("cookie: theme=dark\r\n");
        assert!(did(&signed_in).contains("; hit"), "{}", did(&signed_in));
    }
}
