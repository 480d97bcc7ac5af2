use std::time::Duration;

use towerblock_redis::{Error, Redis, Reply, Script};

use crate::RatePolicy;
use crate::rate::Wire;
use crate::state::Judged;

/// Charges all or none; see its text.
static DECIDE: Script = Script::write(include_str!("decide.lua"));

/// Says that this instance is there, and counts those that are. A name is forgotten after three
/// beats. Keys: the instances. Arguments: this one, a beat in ms.
static BEAT: Script = Script::write(
    r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = 3 * ARGV[2]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - kept)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + kept, '+inf')
redis.call('PEXPIRE', KEYS[1], kept)
return redis.call('ZCARD', KEYS[1])
",
);

/// What is asked of one level.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) name: String,
    wire: Wire,
    penalty: u64,
    shadow: bool,
    pub(crate) least: u64,
    most: u64,
}

/// What was said of it: what was charged, beside what a rate says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) judged: Judged,
    pub(crate) taken: u64,
}

impl Want {
    pub(crate) fn new(name: String, policy: &RatePolicy, least: u64, most: u64) -> Self {
        Self {
            name,
            wire: policy.rate.wire(),
            penalty: policy.penalty.div_ceil(1_000),
            shadow: policy.shadow,
            least,
            most,
        }
    }

    fn args(&self, args: &mut Vec<String>) {
        let Wire { kind, each, most } = self.wire;
        let shadow = u64::from(self.shadow);
        let numbers = [
            kind,
            each,
            most,
            self.penalty,
            shadow,
            self.least,
            self.most,
        ];
        args.extend(numbers.map(|number| number.to_string()));
    }
}

/// All of it, or none; of what is left after that, a part of `parts` may be taken in advance.
pub(crate) async fn decide(redis: &Redis, parts: u64, wants: &[Want]) -> Result<Vec<Told>, Error> {
    let reply = run(redis, &DECIDE, parts, false, wants).await?;
    Ok(read(reply, wants.len()))
}

/// Charges the least of each, whether there is room or not.
pub(crate) async fn charge(redis: &Redis, wants: &[Want]) -> Result<(), Error> {
    run(redis, &DECIDE, 1, true, wants).await?;
    Ok(())
}

/// How many instances there are.
pub(crate) async fn beat(
    redis: &Redis,
    instances: &str,
    own: &str,
    every: Duration,
) -> Result<u64, Error> {
    let args = [own, &every.as_millis().to_string()];
    let reply = redis.run(&BEAT, &[instances], &args).await?;
    let count = reply.integer().and_then(|count| u64::try_from(count).ok());
    Ok(count.unwrap_or(1))
}

pub(crate) async fn run(
    redis: &Redis,
    script: &Script,
    parts: u64,
    owed: bool,
    wants: &[Want],
) -> Result<Reply, Error> {
    let keys: Vec<_> = wants.iter().map(|want| &*want.name).collect();
    let mut args = vec![parts.to_string(), u8::from(owed).to_string()];
    wants.iter().for_each(|want| want.args(&mut args));
    redis.run(script, &keys, &args).await
}

pub(crate) fn read(reply: Reply, levels: usize) -> Vec<Told> {
    let numbers: Vec<_> = reply.into_array().iter().map(number).collect();
    let told = numbers.chunks_exact(4).take(levels);
    told.map(|level| match *level {
        [1, remaining, reset, taken] => Told {
            judged: Judged::Room { remaining, reset },
            taken,
        },
        [_, wait, 1, _] => Told {
            judged: Judged::Blocked { wait },
            taken: 0,
        },
        [_, wait, _, _] => Told {
            judged: Judged::Full { wait },
            taken: 0,
        },
        // Chunks of four have no other length.
        _ => Told {
            judged: Judged::Never,
            taken: 0,
        },
    })
    .collect()
}

fn number(reply: &Reply) -> u64 {
    let number = reply.integer().unwrap_or_default();
    u64::try_from(number).unwrap_or_default()
}
