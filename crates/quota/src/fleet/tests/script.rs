//! The script against the rates of this crate, by one clock.

use std::num::{NonZeroU16, NonZeroU64};
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop};
use proptest::test_runner::{Config, TestRunner};
use towerblock_redis::{Call, Redis, Script, Settings};

use crate::fleet::script::{Told, Want, read, run};
use crate::policy::Name;
use crate::state::{Judged, State};
use crate::{Rate, RatePolicy};

/// The same script, told the time by the test.
static TOLD: LazyLock<Script> = LazyLock::new(|| {
    let text = include_str!("../decide.lua");
    let told = "redis.call('MGET', 'secs', 'micros')";
    assert!(text.contains("redis.call('TIME')"));
    Script::write(text.replace("redis.call('TIME')", told).leak())
});

const LEVELS: usize = 3;

#[derive(Clone, Debug)]
struct Ask {
    gap: u64,
    least: u64,
    most: u64,
    /// Under which of the editions of the rates.
    edition: usize,
    owed: bool,
}

fn rates() -> impl Strategy<Value = Rate> {
    // Slices are whole microseconds, as the script has them.
    let times = prop::sample::select(vec![40_u64, 1_000_000, 4_000_000, 60_000_000]);
    (1_u64..50, times, 1_u16..20, any::<bool>()).prop_map(|(units, micros, limit, is_strict)| {
        let per = Duration::from_micros(micros);
        let limit = NonZeroU16::new(limit).unwrap();
        match is_strict {
            true => Rate::strict(limit, per),
            false => Rate::new(NonZeroU64::new(units).unwrap(), per).burst(limit.into()),
        }
    })
}

fn policies() -> impl Strategy<Value = Vec<RatePolicy>> {
    let penalties = prop::sample::select(vec![0, 0, 0, 100, 30_000]);
    let one =
        (rates(), penalties, prop::bool::weighted(0.2)).prop_map(|(rate, penalty, shadow)| {
            let policy = RatePolicy::new(Name::new("p").unwrap(), rate);
            let policy = policy.penalty(Duration::from_millis(penalty));
            match shadow {
                true => policy.shadow(),
                false => policy,
            }
        });
    prop::collection::vec(one, LEVELS)
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    // By tenths of a second, for to those blocks are rounded.
    let gaps = prop::sample::select(vec![0, 0, 1, 100_000, 500_000, 7_000_000, 61_000_000]);
    let one = (
        gaps,
        0_u64..6,
        0_u64..9,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    let one = one.prop_map(|(gap, least, more, changed, owed)| Ask {
        gap,
        least,
        most: least + more,
        edition: usize::from(changed),
        owed,
    });
    prop::collection::vec(one, 1..60)
}

/// What the script is to say, of one level.
fn expected(
    policies: &[RatePolicy],
    states: &mut [State],
    now: u64,
    ask: &Ask,
    parts: u64,
) -> Vec<Told> {
    let (nanos, costs) = (now * 1_000, |rate: &Rate| ask.least.min(rate.limit()));
    let levels = policies.iter().zip(&*states);
    let judged: Vec<_> = levels
        .map(|(policy, state)| policy.rate.judge(state, nanos, costs(&policy.rate)))
        .collect();
    let mut levels = policies.iter().zip(&judged);
    let fits =
        levels.all(|(policy, judged)| policy.shadow || matches!(judged, Judged::Room { .. }));
    let mut told = Vec::new();
    for ((policy, state), mut judged) in policies.iter().zip(states).zip(judged) {
        let rate = &policy.rate;
        let mut taken = 0;
        match &mut judged {
            Judged::Full { wait } if policy.penalty > 0 => {
                *wait = rate.block(state, nanos, policy.penalty, *wait);
            }
            Judged::Room { remaining, .. } => {
                let least = costs(rate);
                let more = (ask.most - ask.least).min(*remaining / parts);
                let cost = match rate.wire().kind {
                    _ if state.blocked(nanos).is_some() => 0,
                    2 => least,
                    _ => least + more,
                };
                judged = rate.judge(state, nanos, cost);
                if fits {
                    rate.charge(state, nanos, cost);
                    taken = cost;
                }
            }
            _ => {}
        }
        told.push(Told { judged, taken });
    }
    told
}

/// Under another rate what was used is a fraction, and its last nanoseconds are rounded.
fn is_near(told: Told, expected: Told) -> bool {
    let near = |one: u64, other: u64| one.abs_diff(other) <= 20;
    let judged = match (told.judged, expected.judged) {
        (
            Judged::Room { remaining, reset },
            Judged::Room {
                remaining: left,
                reset: back,
            },
        ) => remaining == left && near(reset, back),
        (Judged::Full { wait }, Judged::Full { wait: until })
        | (Judged::Blocked { wait }, Judged::Blocked { wait: until }) => near(wait, until),
        _ => false,
    };
    judged && told.taken == expected.taken
}

fn twice(rate: &Rate) -> Rate {
    let limit = rate.limit() * 2;
    match rate.wire().kind {
        2 => Rate::strict(
            u16::try_from(limit).unwrap().try_into().unwrap(),
            rate.window(),
        ),
        _ => rate.burst(limit.try_into().unwrap()),
    }
}

fn owe(policies: &[RatePolicy], states: &mut [State], now: u64, ask: &Ask) {
    for (policy, state) in policies.iter().zip(states) {
        let rate = &policy.rate;
        let blocked = state.blocked(now * 1_000);
        let mut free = *state;
        free.unblock();
        // Up to twice the limit: by a rate that is twice as large, and otherwise the same.
        let twice = twice(rate);
        for _ in 0..ask.least.min(rate.limit()) {
            if let Judged::Room { .. } = twice.judge(&free, now * 1_000, 1) {
                rate.charge(&mut free, now * 1_000, 1);
                rate.charge(state, now * 1_000, 1);
            }
        }
        assert_eq!(state.blocked(now * 1_000), blocked);
    }
}

async fn agrees(redis: &Redis, editions: &[Vec<RatePolicy>; 2], asks: &[Ask], parts: u64) {
    redis.call(Call::write("FLUSHALL")).await.unwrap();
    let mut states = [State::default(); LEVELS];
    // Redis forgets by its own clock, which hardly moves meanwhile.
    let mut now = 1_000_000_000_000;
    let origin = now;
    for (place, ask) in asks.iter().enumerate() {
        now += ask.gap;
        let time = Call::write("MSET")
            .args(["secs", &(now / 1_000_000).to_string()])
            .args(["micros", &(now % 1_000_000).to_string()]);
        redis.call(time).await.unwrap();
        let policies = &editions[ask.edition];
        let wants: Vec<_> = (0..)
            .zip(policies)
            .map(|(level, policy)| {
                let least = ask.least.min(policy.rate.limit());
                let most = least + ask.most - ask.least;
                Want::new(format!("level{level}"), policy, least, most)
            })
            .collect();
        let reply = run(redis, &TOLD, parts, ask.owed, &wants).await.unwrap();
        if ask.owed {
            owe(policies, &mut states, now - origin, ask);
            continue;
        }
        let told = read(reply, LEVELS);
        let expected = expected(policies, &mut states, now - origin, ask, parts);
        for (told, expected) in told.into_iter().zip(expected) {
            assert!(
                is_near(told, expected),
                "{place}: {ask:?}: {told:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn the_script_decides_as_the_rates_do() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let server = towerblock_testkit::Redis::builder().start().await.unwrap();
        let redis = Redis::connect(Settings::from_url(&server.url()).unwrap());
        redis
            .watch()
            .wait_for(|status| status.writes)
            .await
            .unwrap();
        (server, redis)
    });
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let editions = (policies(), policies());
    let all = (editions, asks(), 1_u64..4);
    TestRunner::new(config)
        .run(&all, |((one, other), asks, parts)| {
            runtime.block_on(agrees(&server.1, &[one, other], &asks, parts));
            Ok(())
        })
        .unwrap();
}
