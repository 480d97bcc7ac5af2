use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_redis::{Call, Heard, Reply, Status};

use super::link::Link;
use super::message::Message;
use crate::shared::Shared;

/// How often it is tried to say what is owed, and how often memory grows older while this
/// instance is deaf.
const TICK: Duration = Duration::from_millis(50);
/// Clocks and what was on its way when the server was lost.
const MARGIN: Duration = Duration::from_secs(1);

/// Keeps what is in memory in step with what others say, and says when the level beyond it may
/// be read. Ends with the hub.
///
/// After an outage, in this order: what could not be said is said; then it may be read. What is in
/// memory is looked up again if something may have been missed, which the subscription tells: while
/// only calls fail, what others say still comes.
pub(crate) async fn follow(shared: Weak<Shared>) {
    let Some(link) = shared.upgrade().and_then(|hub| hub.remote.clone()) else {
        return;
    };
    let (redis, bus) = (link.level.redis(), link.level.names().bus());
    let mut status = redis.watch();
    let mut heard = redis.subscribe(bus);
    let mut state = State::default();
    loop {
        // Cancel safety: what is not heard is heard by the next call, a status stays changed.
        let event = tokio::select! {
            biased;
            event = heard.next() => match event {
                Some(event) => Some(event),
                None => return,
            },
            changed = status.changed() => match changed {
                Ok(()) => None,
                Err(_) => return,
            },
            // Cancel safety: a permit is kept for the next to wait.
            () = link.owes.notified() => None,
            () = sleep(TICK), if state.is_ill() => None,
        };
        let Some(hub) = shared.upgrade() else { return };
        match event {
            Some(Heard::Message(message)) => {
                hear(&hub, &link, &message);
                continue;
            }
            // Whatever was said meanwhile is not known.
            Some(Heard::Gap) => hub.suspect(hub.clock.now()),
            None => {}
        }
        let now = status.borrow_and_update().clone();
        state.look(&hub, &link, &now).await;
    }
}

fn hear(hub: &Shared, link: &Link, message: &[u8]) {
    match Message::decode(message) {
        Some(message) if link.level.is_own(&message) => {}
        Some(message) => {
            link.counters.heard.add();
            hub.apply(&message.forget);
        }
        // A later version of this crate may say more: then it is not known what.
        None => hub.suspect(hub.clock.now()),
    }
}

/// What was last known.
#[derive(Debug)]
struct State {
    /// Since when the server is away.
    away_since: Option<Instant>,
    /// Since when, by the hub's clock, this instance does not hear the others.
    deaf_since: Option<u64>,
    epoch: Option<String>,
    reads: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            away_since: None,
            deaf_since: Some(0),
            epoch: None,
            reads: false,
        }
    }
}

impl State {
    /// Something is to be done though nobody says anything.
    const fn is_ill(&self) -> bool {
        !self.reads || self.deaf_since.is_some()
    }

    async fn look(&mut self, hub: &Shared, link: &Link, status: &Status) {
        self.listen(hub, link, status);
        if let Some(epoch) = &status.epoch {
            let epoch = epoch.to_string();
            let other = self.epoch.as_ref().is_some_and(|known| *known != epoch);
            if other {
                // Its data are lost, with whatever it was told to forget.
                hub.suspect(hub.clock.now());
            }
            self.epoch = Some(epoch);
        }
        if !status.reads {
            link.close();
            self.reads = false;
            self.away_since.get_or_insert_with(Instant::now);
            return;
        }
        self.reads = link.is_readable();
        if self.reads {
            return;
        }
        // Cancel safety: what is not said is owed still, by whoever takes it; this task ends with
        // the hub.
        if !link.settle().await {
            return;
        }
        if let Some(since) = self.away_since {
            let Ok(reply) = link.level.redis().call(Call::read("TIME")).await else {
                return;
            };
            let time: Vec<_> = reply.into_array().iter().map(Reply::integer).collect();
            let [Some(secs), Some(micros)] = *time else {
                return;
            };
            let now = Duration::from_secs(secs.unsigned_abs())
                + Duration::from_micros(micros.unsigned_abs());
            let began = now.saturating_sub(since.elapsed() + MARGIN).as_micros();
            let until = Instant::now() + link.settings.quarantine;
            link.doubt(u64::try_from(began).unwrap_or(u64::MAX), until);
        }
        self.reads = link.open();
        if self.reads {
            self.away_since = None;
            #[cfg(feature = "postgres")]
            hub.desk.get().inspect(|desk| desk.noted.notify_one());
        }
    }

    /// While the others are not heard, what is in memory is believed for a shorter time.
    fn listen(&mut self, hub: &Shared, link: &Link, status: &Status) {
        if status.subscribed {
            self.deaf_since = None;
            return;
        }
        let now = hub.clock.now();
        let since = *self.deaf_since.get_or_insert(now);
        let ttl = crate::clock::millis(link.settings.deaf_ttl);
        if let Some(oldest) = now.checked_sub(ttl).filter(|oldest| *oldest > since) {
            hub.suspect(oldest);
        }
    }
}
