//! How fast tenants may ask.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Instant, sleep, sleep_until};
use towerblock_testkit::{Postgres, Redis};

use crate::caching::metric;
use crate::client::{Answer, ask, get, send};
use crate::database::{ready, until};
use crate::plans::{Plans, SHIPPED};
use crate::program::Server;

const PATH: &str = "/api/v1/plugins";
/// The plan `free`, of which a test can see the end.
const FREE: &str = r#"
    [free]
    rates = [
        { name = "requests", limit = 100, seconds = 3, strict = true, blocked_seconds = 3 },
    ]
"#;
const BLOCK: Duration = Duration::from_secs(3);
/// A block ends at a tenth of a second.
const ROOM: Duration = Duration::from_millis(200);

/// What a storm came to.
struct Storm {
    admitted: usize,
    refused: Vec<Answer>,
    began: Instant,
    ended: Instant,
}

/// Sixty requests of initech to each server, at once.
fn storm(servers: &[Server]) -> Storm {
    let began = Instant::now();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = |server| move || (0..60).map(|_| get(server, "initech", PATH)).collect();
        let clients = servers.iter().map(|server| scope.spawn(ask(server)));
        let clients: Vec<_> = clients.collect();
        let answers = clients.into_iter().map(|client| client.join().unwrap());
        answers.collect::<Vec<Vec<_>>>()
    });
    let (admitted, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .flatten()
        .partition(|answer| answer.status == 200);
    Storm {
        admitted: admitted.len(),
        refused,
        began,
        ended: Instant::now(),
    }
}

fn is_refused(answer: &Answer, seconds: u64) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    // The first to be refused is told when its window would be over: by fourths, one more.
    assert!((1..=(seconds * 5).div_ceil(4)).contains(&wait), "{wait}");
    let policy = format!(r#""requests";q=100;w={seconds}"#);
    assert_eq!(answer.header("ratelimit-policy"), Some(&*policy));
    let state = format!(r#""requests";r=0;t={wait}"#);
    assert_eq!(answer.header("ratelimit"), Some(&*state));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let violated = &answer.json()["violated-policies"];
    assert_eq!(violated, &serde_json::json!(["requests"]));
}

/// Whether all instances limit together, as far as this one knows.
fn is_shared(server: &Server) -> bool {
    let head = "GET /api/degradation/health HTTP/1.1\r\nhost: localhost\r\n";
    let health = send(server, head, "").json();
    let mut reasons = health["reasons"].as_array().unwrap().iter();
    reasons.all(|reason| reason["kind"] != "limits")
}

async fn all(servers: &[Server], what: &str, is_so: impl Fn(&Server) -> bool) {
    for server in servers {
        until(what, || is_so(server)).await;
    }
}

/// Instances that share a database and Redis.
async fn three(postgres: &Postgres, redis: &Redis, plans: &Plans) -> Vec<Server> {
    let servers: Vec<_> = (0..3)
        .map(|_| {
            Server::start(&[
                ("DATABASE_URL", &postgres.primary().url()),
                ("REDIS_URL", &redis.url()),
                ("SECRET_KEYS", &STANDARD.encode([1; 32])),
                ("PLANS", plans.path()),
            ])
        })
        .collect();
    for server in &servers {
        ready(server).await;
        assert!(server.said.contains("limits: memory, shared through Redis"));
    }
    servers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_admit_together_what_a_plan_allows() {
    let postgres = Postgres::builder().start().await.unwrap();
    let redis = Redis::builder().start().await.unwrap();
    let plans = Plans::new(FREE);
    let servers = three(&postgres, &redis, &plans).await;
    all(&servers, "shared", is_shared).await;
    let start = Instant::now();

    let first = storm(&servers);
    assert_eq!(first.admitted, 100, "of three instances");
    first
        .refused
        .iter()
        .for_each(|answer| is_refused(answer, 3));
    // All that is asked meanwhile extends nothing.
    let mut asked = 0;
    while first.began.elapsed() + ROOM < BLOCK {
        for server in &servers {
            is_refused(&get(server, "initech", PATH), 3);
            asked += 1;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(get(&servers[0], "globex", PATH).status, 200, "nobody else");
    all(&servers, "known", |server| {
        metric(server, "quota_fleet_instances") == 3
    })
    .await;
    // Until then what Redis said last may be that nothing is left.
    sleep_until(first.ended + BLOCK * 5 / 4 + ROOM).await;

    redis.kill().await.unwrap();
    let alone = storm(&servers);
    assert_eq!(alone.admitted, 99, "a third of each instance");
    alone
        .refused
        .iter()
        .for_each(|answer| is_refused(answer, 3));
    redis.start().await.unwrap();
    all(&servers, "shared again", is_shared).await;
    let back = storm(&servers);
    assert!(back.admitted <= 1, "{} more", back.admitted);
    back.refused.iter().for_each(|answer| is_refused(answer, 3));

    sleep_until(back.ended + BLOCK + ROOM).await;
    let last = storm(&servers);
    assert_eq!(last.admitted, 100, "as before");
    println!(
        "of 180 requests to three instances: {} admitted in {:?}, then none of {asked} for {BLOCK:?}; \
         {} without Redis, {} when it was back, {} after that; in {:?}",
        first.admitted,
        first.ended - first.began,
        alone.admitted,
        back.admitted,
        last.admitted,
        start.elapsed()
    );
}

#[test]
fn the_plans_that_are_shipped_limit_as_they_say() {
    let server = Server::start(&[("DATABASE_URL", "memory:"), ("PLANS", SHIPPED)]);
    let answers: Vec<_> = (0..110).map(|_| get(&server, "initech", PATH)).collect();
    for (n, answer) in answers.iter().enumerate() {
        let left = 99_usize.saturating_sub(n);
        match n {
            0..100 => {
                let state = format!(r#""requests";r={left};t="#);
                let said = answer.header("ratelimit").unwrap();
                assert!(
                    answer.status == 200 && said.starts_with(&state),
                    "{n}: {said}"
                );
            }
            _ => is_refused(answer, 60),
        }
    }
    let globex = get(&server, "globex", PATH);
    let policies = r#""requests";q=1000;w=60, "per-user";q=800;w=60"#;
    assert_eq!(globex.header("ratelimit-policy"), Some(policies));
    // A page on another host may read it.
    let origins = [
        ("DATABASE_URL", "memory:"),
        ("CORS_ORIGINS", "https://a.example"),
    ];
    let origin = "origin: https://a.example\r\n";
    let answer = ask(&Server::start(&origins), "GET", "acme", PATH, origin, "");
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("ratelimit,ratelimit-policy"), "{exposed}");
}

#[test]
fn a_user_leaves_some_to_the_others() {
    let plans = Plans::new(
        r#"
        [free]
        rates = [
            { name = "requests", limit = 10, seconds = 3600 },
            { name = "per-user", limit = 6, seconds = 3600, scope = "user" },
        ]
    "#,
    );
    let server = Server::start(&[("DATABASE_URL", "memory:"), ("PLANS", plans.path())]);
    let refused = |user: &str, times: usize| {
        let answers = (0..times).map(|_| ask(&server, "GET", "acme", PATH, user, ""));
        let refused: Vec<_> = answers.filter(|answer| answer.status == 429).collect();
        let last = refused
            .last()
            .map(|answer| answer.json()["violated-policies"].clone());
        (refused.len(), last)
    };
    let by = |policy: &str| Some(serde_json::json!([policy]));
    assert_eq!(refused("x-user-id: ann\r\n", 8), (2, by("per-user")));
    assert_eq!(refused("x-user-id: bob\r\n", 5), (1, by("requests")));
    // Whoever is named and not believed is nobody.
    let proxied = "x-user-id: eve\r\nvia: 1.1 x\r\n";
    assert_eq!(refused(proxied, 1), (1, by("requests")));
    assert_eq!(get(&server, "globex", PATH).status, 200);
}
