//! Connections that each ask again as soon as they were answered.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client::Connection;
use crate::generator::seed;
use crate::marketplace::{Instance, Outcome};
use crate::processor;

/// As many as keep two cores busy.
const CONNECTIONS: u64 = 64;
/// What a change of load costs is no part of it.
const BEFORE: Duration = Duration::from_millis(300);

/// Writes the next request.
pub(crate) type Request = Arc<dyn Fn(&mut SmallRng, &mut Vec<u8>) + Send + Sync>;

/// What a server did in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Done {
    /// Answers per second.
    pub(crate) rate: f64,
    /// Microseconds of processor time that the server took for each, in the kernel as well.
    pub(crate) micros: f64,
    /// That this program took, which asks from the same cores.
    pub(crate) asking: f64,
}

/// Asks `server` for that long; an answer that is not 200 ends it.
#[expect(clippy::cast_precision_loss, reason = "some millions")]
pub(crate) async fn hammer(server: &Instance, time: Duration, request: &Request) -> Outcome<Done> {
    let mut users = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::to(server.address);
        connection.open().await?;
        users.push((connection, SmallRng::seed_from_u64(seed())));
    }
    let start = Instant::now() + BEFORE;
    let end = start + time;
    let mut running = JoinSet::new();
    for (connection, rng) in users {
        let request = Arc::clone(request);
        running.spawn(ask(connection, rng, request, [start, end]));
    }
    let times = || Outcome::Ok(([server.cpu()?, processor::own()?], Instant::now()));
    sleep_until(start).await;
    let (before, since) = times()?;
    sleep_until(end).await;
    let (after, until) = times()?;
    let mut answers = 0;
    while let Some(counted) = running.join_next().await {
        answers += counted??;
    }
    let rate = answers as f64 / time.as_secs_f64();
    // Whoever wakes late looks at as much more of both.
    let asked = rate * (until - since).as_secs_f64();
    let each = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() / asked * 1e6
    };
    Ok(Done {
        rate,
        micros: each(before[0], after[0]),
        asking: each(before[1], after[1]),
    })
}

/// How many were answered between the two times.
async fn ask(
    mut connection: Connection,
    mut rng: SmallRng,
    request: Request,
    [start, end]: [Instant; 2],
) -> Outcome<u64> {
    let (mut text, mut answers) = (Vec::new(), 0);
    loop {
        text.clear();
        request(&mut rng, &mut text);
        let answer = connection.ask(&text).await?;
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&text);
            return Err(format!("answered {}: {text}", answer.status).into());
        }
        let now = Instant::now();
        if now >= end {
            return Ok(answers);
        }
        answers += u64::from(now >= start);
    }
}
