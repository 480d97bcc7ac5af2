//! Who reads what it wrote, and who does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use towerblock_testkit::Postgres;

use crate::client::{Browser, get};
use crate::database::{ready, until};
use crate::program::Server;

#[tokio::test]
async fn a_client_that_keeps_its_cookie_reads_what_it_wrote_from_every_instance() {
    let late = Postgres::builder().setting("recovery_min_apply_delay", "1s");
    let postgres = late.standbys(1).start().await.unwrap();
    let environment = [
        ("DATABASE_URL", &*postgres.primary().url()),
        ("DATABASE_READ_REPLICAS", &*postgres.standbys()[0].url()),
        ("SECRET_KEYS", &*STANDARD.encode([1; 32])),
    ];
    let instances = [(); 2].map(|()| Server::start(&environment));
    for server in &instances {
        ready(server).await;
    }
    let mut stale = 0;
    for (n, tenant) in ["initech", "t00003", "initech", "t00003"]
        .iter()
        .enumerate()
    {
        let client = &mut Browser::default();
        let draft = format!(r#"{{"name":"mine-{n}"}}"#);
        let path = "/api/v1/plugins";
        let created = client.ask(&instances[n % 2], "POST", tenant, path, "", &draft);
        let path = created.header("location").unwrap();
        let cookie = created.header("set-cookie").unwrap();
        let attributes = "; Max-Age=60; Path=/; HttpOnly; SameSite=Lax";
        assert!(
            cookie.starts_with("tb-read=") && cookie.ends_with(attributes),
            "{cookie}"
        );
        for server in &instances {
            let read = client.get(server, tenant, path);
            assert_eq!(read.status, 200, "{}", read.body);
            assert_eq!(read.header("set-cookie"), None, "a read leaves none");
            stale += usize::from(get(server, tenant, path).status == 404);
        }
        // What the standby has, everybody sees.
        for server in &instances {
            until("there", || get(server, tenant, path).status == 200).await;
        }
    }
    println!("{stale} of 8 reads without the cookie were stale");
    assert!(stale > 0, "the test would not notice");
}

#[tokio::test]
async fn a_cookie_that_was_forged_is_none() {
    let server = Server::in_memory();
    let forged = format!("cookie: tb-read={}\r\n", "A".repeat(92));
    for cookie in [&*forged, "cookie: tb-read=\r\n", "cookie: ;;=;\r\n"] {
        let path = "/api/v1/plugins";
        let answer = crate::client::ask(&server, "GET", "acme", path, cookie, "");
        assert_eq!(answer.status, 200);
    }
}
