use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::desk::Desk;
use super::relay::Counts;
use super::table::{Outbox, Statements};
use crate::Invalidation;
use crate::forget::Forget;
use crate::shared::Shared;

/// So many new notes at once are as good as all.
const MANY: i64 = 10_000;
/// So many are told of in one round.
const CLAIMED: i64 = 500;

/// So many of them at once.
const AT_ONCE: usize = 32;
/// So many of those that are forgotten once more at once.
const REPEATED: usize = 128;

/// What the relay of one instance has seen.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) outbox: Outbox,
    pub(crate) desk: Arc<Desk>,
    seen: Option<Seen>,
    /// What could be seen a while ago, which has been there for long enough.
    old: Option<Seen>,
    /// What is to be forgotten once more, and when.
    later: VecDeque<(Instant, Forget)>,
}

/// What could be seen, and when that was.
#[derive(Clone, Debug)]
struct Seen {
    snapshot: String,
    era: String,
    at: Instant,
}

/// What a look found.
struct News {
    seen: Seen,
    went_back: bool,
    untold: bool,
    notes: Vec<String>,
}

impl Rounds {
    pub(crate) const fn new(outbox: Outbox, desk: Arc<Desk>) -> Self {
        Self {
            outbox,
            desk,
            seen: None,
            old: None,
            later: VecDeque::new(),
        }
    }

    /// Has this instance forget what is new, and tells Redis of what nobody has. Whether there
    /// is more to tell.
    ///
    /// Cancel safety: what was seen is forgotten here before the next await; what was claimed
    /// can be claimed by others after a second.
    pub(crate) async fn go(
        &mut self,
        hub: &Arc<Shared>,
        client: &Client,
        counts: &Counts,
    ) -> Result<bool, Error> {
        // Half of the time that a round has, so that what was told can be written down.
        let until = Instant::now() + self.outbox.round() / 2;
        let desk = Arc::clone(&self.desk);
        let statements = &desk.statements;
        let untold = match self.still_seen() {
            Some(seen) => {
                let news = look(client, statements, &seen).await?;
                counts.seen.add(news.notes.len());
                self.forget(hub, &news);
                self.seen = Some(news.seen);
                if news.went_back {
                    self.old = None;
                    let _reached = hub.forget(Forget::All).await;
                }
                news.untold
            }
            None => {
                let at = Instant::now();
                let rows = client.query_typed(&statements.snapshot, &[]).await?;
                let Some(row) = rows.first() else {
                    return Ok(false);
                };
                let (snapshot, era) = (row.try_get(0)?, row.try_get(1)?);
                self.seen = Some(Seen { snapshot, era, at });
                // Nobody knows what was noted before.
                hub.suspect(hub.clock.now());
                true
            }
        };
        self.forget_again(hub, until).await;
        let mut more = false;
        if untold && hub.remote.as_ref().is_some_and(|link| link.is_readable()) {
            more = tell(hub, client, statements, until, counts).await?;
        }
        self.sweep(client, statements, hub.remote.is_none()).await?;
        Ok(more)
    }

    /// Forgets here what is new.
    fn forget(&mut self, hub: &Shared, news: &News) {
        // There is another history, or too much to go through.
        if news.went_back || news.notes.len() > MANY as usize {
            hub.suspect(hub.clock.now());
            return self.forget_later(Forget::All);
        }
        for text in &news.notes {
            // A later version of this crate may say more: then it is not known what.
            let forget = Forget::decode(text).unwrap_or(Forget::All);
            hub.apply(&forget);
            self.forget_later(forget);
        }
    }

    /// Where loads read replicas that lag.
    fn forget_later(&mut self, forget: Forget) {
        let Some(lag) = self.outbox.lag else { return };
        let due = Instant::now() + lag;
        if self.later.len() >= MANY as usize {
            self.later.clear();
            self.later.push_back((due, Forget::All));
        }
        self.later.push_back((due, forget));
    }

    /// Forgets once more what may have been loaded from a replica that was behind; what was
    /// noted again and again, once.
    ///
    /// Cancel safety: what has been begun goes on.
    async fn forget_again(&mut self, hub: &Arc<Shared>, until: Instant) {
        while Instant::now() < until {
            let now = Instant::now();
            let due = self.later.iter().take_while(|(due, _)| *due <= now);
            let many = due.take(REPEATED).count();
            if many == 0 {
                return;
            }
            let notes: HashSet<Forget> = self.later.drain(..many).map(|(_, note)| note).collect();
            // Others do so themselves; in Redis the first is as good as all.
            let begun = notes.into_iter().map(|note| hub.begin_to_forget(note));
            let begun: Vec<_> = begun.flatten().collect();
            for telling in begun {
                let _reached = telling.reached().await;
            }
        }
    }

    /// What was seen last, if what came since is still there.
    fn still_seen(&self) -> Option<Seen> {
        let seen = self.seen.as_ref()?;
        (seen.at.elapsed() < self.outbox.kept()).then(|| seen.clone())
    }

    /// Deletes what every instance has had the time to see.
    async fn sweep(
        &mut self,
        client: &Client,
        statements: &Statements,
        untold_too: bool,
    ) -> Result<(), Error> {
        let Some(old) = &self.old else {
            self.old.clone_from(&self.seen);
            return Ok(());
        };
        if old.at.elapsed() < 2 * self.outbox.kept() {
            return Ok(());
        }
        let deleted = client
            .execute_typed(
                &statements.sweep,
                &[
                    (&old.snapshot, Type::TEXT),
                    (&untold_too, Type::BOOL),
                    (&MANY, Type::INT8),
                ],
            )
            .await?;
        if deleted < MANY.unsigned_abs() {
            self.old.clone_from(&self.seen);
        }
        Ok(())
    }
}

/// What there is that `seen` did not show.
async fn look(client: &Client, statements: &Statements, seen: &Seen) -> Result<News, Error> {
    let at = Instant::now();
    let snapshot = (&seen.snapshot as &(dyn ToSql + Sync), Type::TEXT);
    let rows = client
        .query_typed(&statements.look, &[snapshot, (&(MANY + 1), Type::INT8)])
        .await?;
    let mut news = News {
        seen: seen.clone(),
        went_back: false,
        untold: false,
        notes: Vec::with_capacity(rows.len()),
    };
    // All say the same of the whole; one says that there are no notes.
    if let Some(row) = rows.first() {
        let (snapshot, era) = (row.try_get(0)?, row.try_get(1)?);
        news.seen = Seen { snapshot, era, at };
        news.went_back = row.try_get::<_, bool>(2)? || news.seen.era != seen.era;
        news.untold = row.try_get(3)?;
    }
    for row in &rows {
        news.notes.extend(row.try_get::<_, Option<String>>(4)?);
    }
    Ok(news)
}

/// Tells Redis, and by it all who hear, of what nobody has yet, for so long. Whether there may be
/// more.
async fn tell(
    hub: &Arc<Shared>,
    client: &Client,
    statements: &Statements,
    until: Instant,
    counts: &Counts,
) -> Result<bool, Error> {
    let claimed = client
        .query_typed(&statements.claim, &[(&CLAIMED, Type::INT8)])
        .await?;
    let mut told: Vec<i64> = Vec::with_capacity(claimed.len());
    let mut works = true;
    for some in claimed.chunks(AT_ONCE) {
        let mut telling = Vec::with_capacity(some.len());
        for row in some {
            let forget = Forget::decode(row.try_get(1)?).unwrap_or(Forget::All);
            telling.push((row.try_get(0)?, hub.begin_to_forget(forget)));
        }
        for (id, telling) in telling {
            let Some(telling) = telling else {
                return Ok(false);
            };
            if telling.reached().await == Invalidation::Everywhere {
                told.push(id);
            } else {
                works = false;
            }
        }
        // The rest would wait for nothing, or for too long, and can be claimed in a second.
        if !works || Instant::now() >= until {
            break;
        }
    }
    if !told.is_empty() {
        client
            .execute_typed(&statements.told, &[(&told, Type::INT8_ARRAY)])
            .await?;
        counts.told.add(told.len());
    }
    Ok(works && claimed.len() == CLAIMED as usize)
}
