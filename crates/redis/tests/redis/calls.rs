use bytes::Bytes;
use towerblock_core::{Reason, Stats, Value};
use towerblock_redis::{Call, Class, Error, Redis, Reply, Script, Settings};
use towerblock_testkit as testkit;

use crate::{connect, get, set, start, until};

static ADD: Script = Script::write("return redis.call('INCRBY', KEYS[1], ARGV[1])");

#[tokio::test]
async fn replies_are_what_the_server_said() {
    let (_server, redis) = start().await;
    set(&redis, "name", "tower").await.unwrap();
    assert_eq!(get(&redis, "name").await.unwrap().as_deref(), Some("tower"));
    assert!(
        redis
            .call(Call::read("GET").arg("none"))
            .await
            .unwrap()
            .is_nil()
    );

    let binary = Bytes::from_static(b"\x00\xff\r\n");
    let hset = Call::write("HSET").arg("h").arg("v").bytes(binary.clone());
    assert_eq!(
        redis.call(hset.arg("g").number(7)).await.unwrap(),
        Reply::Integer(2)
    );
    let hmget = Call::read("HMGET").arg("h").args(["v", "none", "g"]);
    let replies = redis.call(hmget).await.unwrap().into_array();
    assert_eq!(replies[0].clone().into_bytes(), Some(binary));
    assert!(replies[1].is_nil());
    assert_eq!(replies[2].integer(), Some(7));
}

#[tokio::test]
async fn several_calls_are_answered_in_order() {
    let (_server, redis) = start().await;
    let calls = (0..500).map(|n| Call::write("INCRBY").arg("n").number(n));
    let replies = redis.all(calls).await.unwrap();
    let sums: Vec<_> = replies.iter().filter_map(Reply::integer).collect();
    let expected: Vec<_> = (0..500)
        .scan(0, |sum, n| {
            *sum += n;
            Some(*sum)
        })
        .collect();
    assert_eq!(sums, expected);
    assert_eq!(redis.all([]).await.unwrap(), []);

    let failed = redis
        .all([Call::read("LLEN").arg("n"), Call::write("INCR").arg("n")])
        .await;
    assert_eq!(failed.unwrap_err().code(), Some("WRONGTYPE"));
    assert_eq!(
        get(&redis, "n").await.unwrap().unwrap(),
        (499 * 500 / 2 + 1).to_string()
    );
}

#[tokio::test]
async fn a_script_is_loaded_again_when_the_server_has_forgotten_it() {
    let (_server, redis) = start().await;
    for sum in [5, 10] {
        assert_eq!(
            redis.run(&ADD, &["sum"], &["5"]).await.unwrap().integer(),
            Some(sum)
        );
    }
    redis.call(Call::read("SCRIPT").arg("FLUSH")).await.unwrap();
    assert_eq!(
        redis.run(&ADD, &["sum"], &["5"]).await.unwrap().integer(),
        Some(15)
    );
    // Known by its hash again.
    let info = redis
        .call(Call::read("INFO").arg("commandstats"))
        .await
        .unwrap();
    let stats = info.text().unwrap();
    assert!(stats.contains("cmdstat_eval:calls=2,"), "{stats}");
    assert!(stats.contains("cmdstat_evalsha:calls=3,"), "{stats}");
}

#[tokio::test]
async fn an_error_says_whose_fault_it_is() {
    let (_server, redis) = start().await;
    set(&redis, "text", "no list").await.unwrap();
    for _ in 0..20 {
        let error = redis
            .call(Call::write("LPUSH").arg("text").arg("x"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.class(), error.code()),
            (Class::Data, Some("WRONGTYPE"))
        );
        assert_eq!(error.rejected(), None);
    }
    let failing = Script::read("return redis.error_reply('MINE is wrong')");
    let error = redis
        .run::<&str, &str>(&failing, &[], &[])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("MINE"));
    // None of them opened a gate.
    set(&redis, "text", "still").await.unwrap();
}

#[tokio::test]
async fn more_calls_than_there_may_be_are_refused() {
    let server = testkit::Redis::builder().start().await.unwrap();
    let settings = Settings::from_url(&server.url()).unwrap().in_flight(3);
    let redis = Redis::connect(settings);
    until(&redis, |status| status.reads).await;
    let pings = |count| redis.all((0..count).map(|_| Call::read("PING")));
    assert_eq!(pings(3).await.unwrap().len(), 3);
    let Err(Error::Refused(rejected)) = pings(4).await else {
        panic!("four at once");
    };
    assert_eq!(rejected.reason(), Reason::Overloaded);
    assert_eq!(pings(3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn tls_checks_who_issued_the_certificate() {
    let server = testkit::Redis::builder().tls(true).start().await.unwrap();
    let path = std::env::temp_dir().join(format!("towerblock-redis-{}.pem", server.addr().port()));
    std::fs::write(&path, server.ca().unwrap()).unwrap();
    let redis = connect(&format!("{}?cacert={}", server.url(), path.display())).await;
    std::fs::remove_file(&path).unwrap();
    set(&redis, "secret", "kept").await.unwrap();
    assert_eq!(
        get(&redis, "secret").await.unwrap().as_deref(),
        Some("kept")
    );

    let other = testkit::Redis::builder().tls(true).start().await.unwrap();
    std::fs::write(&path, other.ca().unwrap()).unwrap();
    let url = format!("{}?cacert={}", server.url(), path.display());
    let stranger = Redis::connect(Settings::from_url(&url).unwrap());
    std::fs::remove_file(&path).unwrap();
    let status = until(&stranger, |status| status.why.is_some()).await;
    assert!(
        status.why.unwrap().contains("InvalidCertificate"),
        "{stranger:?}"
    );
    assert!(matches!(
        get(&stranger, "secret").await,
        Err(Error::Refused(_))
    ));
}

#[tokio::test]
async fn numbers_are_read_when_somebody_asks() {
    let (_server, redis) = start().await;
    set(&redis, "a", "b").await.unwrap();
    let mut seen = Vec::new();
    redis.read(&mut |metric, label, value| seen.push((metric.name, label.to_owned(), value)));
    let names: Vec<_> = redis.describe().iter().map(|metric| metric.name).collect();
    assert_eq!(
        names,
        seen.iter().map(|(name, ..)| *name).collect::<Vec<_>>()
    );
    assert!(
        seen.contains(&("redis_calls", "redis".to_owned(), Value::Count(1))),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|(name, ..)| *name == "redis_connections"),
        "{seen:?}"
    );
}
