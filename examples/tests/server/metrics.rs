//! The page that Prometheus reads, while clients do what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::sync::Arc;

use crate::client::{Answer, ask, get, send};
use crate::database::until;
use crate::load::Load;
use crate::program::Server;

const CLIENTS: usize = 8;
const ALL: &str = "tenant_board_requests_total";
/// In the tests of this file, what nobody asks for but strangers.
const OF_STRANGERS: &str = "/api/v1/marketplace";

/// Each series, and its number.
struct Page(BTreeMap<String, f64>);

impl Page {
    fn of(server: &Server) -> Self {
        let head = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n";
        let text = send(server, head, "").body;
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let series = series.filter_map(|line| line.rsplit_once(' '));
        let series = series.map(|(name, number)| (name.to_owned(), number.parse().unwrap()));
        Self(series.collect())
    }

    /// Of all series of this name whose labels will do.
    fn sum(&self, name: &str, is_wanted: impl Fn(&str) -> bool) -> f64 {
        let all = self.0.iter().filter(|(series, _)| {
            let (its, labels) = series.split_once('{').unwrap_or((series, ""));
            its == name && is_wanted(labels)
        });
        all.map(|(_, number)| number).sum()
    }

    fn all(&self, name: &str) -> f64 {
        self.sum(name, |_| true)
    }

    /// By all tenants, by the fleet's count.
    fn of_fleet(&self) -> f64 {
        let strangers = format!("route=\"{OF_STRANGERS}\"");
        self.sum("http_requests_total", |labels| !labels.contains(&strangers))
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn adds_up(&self) {
        let told = self.all("tenant_requests_total");
        let retired = self.all("tenant_board_retired_requests_total");
        assert_eq!(told + retired, self.all(ALL), "{:?}", self.0);
    }
}

/// Pinned tenants, others, names that nobody has, and all of them at once.
fn once(server: &Server, n: usize, times: usize) -> (bool, Answer) {
    let list = "/api/v1/plugins?limit=3";
    let answer = match n {
        0 => get(server, "acme", list),
        1 => get(server, "globex", &format!("/minted/{times}")),
        2 => ask(server, "POST", "t00042", "/api/v1/plugins", "", "{"),
        3 => get(server, &format!("nobody-{times}"), OF_STRANGERS),
        _ => {
            let id = 1 + (times * CLIENTS + n) % 500;
            get(server, &format!("t{id:05}"), list)
        }
    };
    (true, answer)
}

#[tokio::test]
async fn all_requests_are_those_of_the_tenants_and_of_the_others() {
    let server = Arc::new(Server::in_memory());
    let load = Load::start(&server, CLIENTS, once);
    let (mut scrapes, mut skew, mut before) = (0, 0.0_f64, 0.0);
    until("there is load", || {
        let page = Page::of(&server);
        page.adds_up();
        let (fleet, board) = (page.of_fleet(), page.all(ALL));
        // The fleet is told first, of what the board has counted already; in the next scrape it
        // is told of all but those that were being counted.
        assert!(fleet <= board, "{fleet} and {board}");
        assert!(before <= fleet + CLIENTS as f64, "{before} and {fleet}");
        skew = skew.max(board - fleet);
        before = board;
        scrapes += 1;
        scrapes > 40 && board > 500.0
    })
    .await;
    let seen = load.end();

    let page = Page::of(&server);
    page.adds_up();
    assert_eq!(page.of_fleet(), page.all(ALL));
    assert_eq!(page.all("http_requests_total"), seen.len() as f64);
    let of = |tenant: &str| {
        let label = format!("tenant=\"{tenant}\"");
        page.sum("tenant_requests_total", |labels| labels.contains(&label))
    };
    assert!(of("acme") > 0.0 && of("globex") > 0.0 && of("__other__") > 0.0);
    assert_eq!(of("__none__"), 0.0);
    assert_eq!(page.all("http_requests_in_flight"), 0.0);
    println!(
        "{} requests, {scrapes} scrapes: each adds up; the board is ahead of the fleet by {skew} at most, \
         and at the end by none; {} series",
        seen.len(),
        page.names().len()
    );
}

#[test]
fn what_a_client_makes_up_makes_no_series() {
    let server = Server::in_memory();
    let mint = |n: usize| {
        get(&server, &format!("nobody-{n}"), "/api/v1/plugins");
        get(&server, "acme", &format!("/minted/{n}"));
        get(&server, "acme", &format!("/api/v1/plugins/{n}"));
        get(&server, &format!("t{n:05}"), "/api/v1/plugins");
        ask(
            &server,
            &format!("MINT{n}"),
            "acme",
            "/api/v1/plugins",
            "",
            "",
        );
    };
    // One of each kind, and the metrics themselves.
    mint(1);
    Page::of(&server);
    let before = Page::of(&server);
    (2..200).for_each(mint);
    let after = Page::of(&server);
    assert_eq!(before.names(), after.names());
    assert!(after.all(ALL) > before.all(ALL) + 500.0);
}

#[tokio::test]
async fn open_connections_are_counted() {
    let server = Server::in_memory();
    let open: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    let connections = || Page::of(&server).all("lifecycle_connections");
    // And that of whoever asks.
    until("all are open", || connections() == 6.0).await;
    drop(open);
    until("all are closed", || connections() == 1.0).await;
}

#[test]
fn admins_are_told_which_tenants_fare_worst() {
    let server = Server::in_memory();
    let worst = |query: &str, header: &str| {
        let path = format!("/api/tenants/worst{query}");
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}");
        send(&server, &head, "")
    };
    for (tenant, times) in [("globex", 2), ("t00007", 5), ("acme", 3)] {
        (0..times).for_each(|_| {
            get(&server, tenant, "/api/v1/plugins");
        });
    }
    let report = worst("?by=requests&n=2", "").json();
    let tenants = report["tenants"].as_array().unwrap();
    let named = tenants.iter().map(|it| (&it["tenant"], &it["requests"]));
    let expected = [(&"t00007".into(), &5.into()), (&"acme".into(), &3.into())];
    assert_eq!(named.collect::<Vec<_>>(), expected);
    assert!(tenants[0]["p95Ms"].as_f64().unwrap() > 0.0, "{report}");
    assert_eq!(report["activeTenants"], 3);
    let by_time = worst("?by=time", "").json();
    assert_eq!(by_time["tenants"].as_array().unwrap().len(), 3);
    // Nothing has failed.
    assert!(
        worst("", "").json()["tenants"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    for query in ["?by=mood", "?n=0", "?n=101", "?n=many"] {
        assert_eq!(worst(query, "").status, 400, "{query}");
    }
    assert_eq!(worst("", "x-forwarded-for: 10.0.0.1\r\n").status, 401);
}
