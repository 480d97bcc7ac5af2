//! How much tenants may have, and how often they may ask in a month.

use std::process::Command;
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use towerblock_testkit::Postgres;

use crate::client::{Answer, ask, get};
use crate::database::{ready, until};
use crate::plans::{Plans, SHIPPED};
use crate::program::Server;

const PATH: &str = "/api/v1/plugins";
const DRAFT: &str = r#"{"name":"mine"}"#;
const CLIENTS: usize = 200;

fn usage(server: &Server, tenant: &str) -> Value {
    let answer = get(server, tenant, "/api/v1/usage");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn create(server: &Server, tenant: &str) -> Answer {
    ask(server, "POST", tenant, PATH, "", DRAFT)
}

fn is_full(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(
        answer.body.contains("urn:towerblock:stock-quota"),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("retry-after"), None, "waiting does not help");
}

/// Comes back after a second: on two cores that build something else some wait in vain for
/// their turn. Says how often that was as well.
fn patiently(ask: impl Fn() -> Answer) -> (usize, Answer) {
    let (_open, nothing) = mpsc::channel::<()>();
    let mut tries = 0;
    loop {
        let answer = ask();
        if !matches!(answer.status, 429 | 503) {
            return (tries, answer);
        }
        let _ = nothing.recv_timeout(Duration::from_secs(1));
        tries += 1;
    }
}

/// Two hundred at once, of a tenant that has none.
fn crowd(server: &Server, tenant: &str) {
    let (start, began) = (Barrier::new(CLIENTS), Instant::now());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            patiently(|| create(server, tenant))
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        let answers = clients.into_iter().map(|client| client.join().unwrap());
        answers.collect()
    });
    let tries: usize = answers.iter().map(|(tries, _)| tries).sum();
    let took = began.elapsed();
    println!("{CLIENTS} at once: answered in {took:?}, {tries} tried again");
    let answers = answers.into_iter().map(|(_, answer)| answer);
    let (made, refused): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == 201);
    refused.iter().for_each(is_full);
    assert_eq!((made.len(), refused.len()), (100, 100));
    let plugins = &usage(server, tenant)["plugins"];
    let full = serde_json::json!({ "used": 100, "limit": 100, "remaining": 0 });
    assert_eq!(plugins, &full);

    // What is deleted comes back, once.
    let path = made[0].header("location").unwrap();
    for status in [204, 404] {
        let deleted = ask(server, "DELETE", tenant, path, "", "");
        assert_eq!(deleted.status, status, "{}", deleted.body);
    }
    assert_eq!(create(server, tenant).status, 201);
    is_full(&create(server, tenant));
}

#[tokio::test]
async fn two_hundred_at_once_create_as_many_as_the_plan_has_room_for() {
    let plans = Plans::new("[free]\nquotas = { plugins = { stock = 100 } }");
    let postgres = Postgres::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let server = Server::start(&[("DATABASE_URL", &url), ("PLANS", plans.path())]);
    ready(&server).await;
    crowd(&server, "initech");
    let rows = "SELECT count(*) FROM t000000000003.plugins";
    assert_eq!(postgres.primary().sql(rows).await.unwrap().unwrap(), "100");
    // Those who share tables, of whom each has twenty.
    let made = (0..90).map(|_| create(&server, "t00007").status);
    assert_eq!(made.filter(|status| *status == 201).count(), 80);
    assert_eq!(usage(&server, "t00007")["plugins"]["used"], 100);
    assert_eq!(usage(&server, "t00008")["plugins"]["used"], 20);
    // What was there is more than there is room for: nothing is deleted, and nothing added.
    is_full(&create(&server, "acme"));
    let acme = &usage(&server, "acme")["plugins"];
    assert_eq!(
        (&acme["used"], &acme["remaining"]),
        (&200.into(), &0.into())
    );
}

#[test]
fn in_memory_it_is_the_same() {
    let plans = Plans::new("[free]\nquotas = { plugins = { stock = 100 } }");
    let server = Server::start(&[("DATABASE_URL", "memory:"), ("PLANS", plans.path())]);
    crowd(&server, "initech");
    is_full(&create(&server, "acme"));
}

#[tokio::test]
async fn a_tenant_is_shown_what_it_has_used_of_its_plan() {
    let postgres = Postgres::builder().start().await.unwrap();
    let url = postgres.primary().url();
    for database in [&*url, "memory:"] {
        let server = Server::start(&[("DATABASE_URL", database), ("PLANS", SHIPPED)]);
        ready(&server).await;
        (0..3).for_each(|_| assert_eq!(get(&server, "globex", PATH).status, 200));
        assert_eq!(create(&server, "globex").status, 201);
        let shown = usage(&server, "globex");
        let plugins = serde_json::json!({ "used": 201, "limit": 1000, "remaining": 799 });
        assert_eq!(
            (&shown["plan"], &shown["plugins"]),
            (&"pro".into(), &plugins)
        );
        let calls = &shown["api_calls"];
        assert_eq!(
            (&calls["used"], &calls["remaining"]),
            (&4.into(), &999_996.into())
        );
        assert!(
            calls["resets_at"]
                .as_str()
                .unwrap()
                .ends_with("-01T00:00:00Z")
        );
        // Five requests by now, this one as well; who names no user is one user.
        let [all, user] = &shown["rates"].as_array().unwrap()[..] else {
            panic!("{shown}");
        };
        assert_eq!(
            (&all["name"], &all["limit"]),
            (&"requests".into(), &1_000.into())
        );
        // What was used comes back at 13 a second.
        let left = user["remaining"].as_u64().unwrap();
        assert!(
            user["name"] == "per-user" && (795..800).contains(&left),
            "{user}"
        );
        for (tenant, plan, used, limit) in [
            ("acme", "enterprise", 200, Value::Null),
            ("t00042", "enterprise", 20, Value::Null),
            ("initech", "free", 0, 100.into()),
        ] {
            let shown = usage(&server, tenant);
            let plugins = &shown["plugins"];
            assert_eq!((&shown["plan"], &plugins["limit"]), (&plan.into(), &limit));
            assert_eq!(plugins["used"], used, "{tenant}");
        }
    }
}

#[tokio::test]
async fn calls_of_a_month_are_counted_over_all_instances_and_none_is_lost_at_the_end_of_one() {
    let plans = Plans::new("[free]\nquotas = { api_calls = { monthly = 40 } }");
    let postgres = Postgres::builder().start().await.unwrap();
    let url = postgres.primary().url();
    let environment = [("DATABASE_URL", &*url), ("PLANS", plans.path())];
    let mut first = Server::start(&environment);
    let second = Server::start(&environment);
    ready(&first).await;
    ready(&second).await;
    (0..30).for_each(|_| assert_eq!(get(&first, "initech", PATH).status, 200));
    let pid = first.process.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert_eq!(first.process.wait().unwrap().code(), Some(0));
    assert_eq!(usage(&second, "initech")["api_calls"]["used"], 30);

    // It knows what others counted within a second of the first call.
    let mut admitted = 0;
    until("used up", || {
        let answer = get(&second, "initech", PATH);
        admitted += usize::from(answer.status == 200);
        answer.status == 429
    })
    .await;
    assert!((10..=40).contains(&admitted), "{admitted}");
    let refused = get(&second, "initech", PATH);
    assert!(
        refused.body.contains("the quota of this period is used up"),
        "{}",
        refused.body
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    // To ask what is left is no call.
    until("counted", || {
        usage(&second, "initech")["api_calls"]["used"] == 30 + admitted
    })
    .await;
    assert_eq!(usage(&second, "initech")["api_calls"]["remaining"], 0);
    assert_eq!(get(&second, "globex", PATH).status, 200, "nobody else");
    println!("{admitted} calls of the 10 that were left");
}
