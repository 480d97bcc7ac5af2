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

/// What the relay of one instance has seen.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) outbox: Outbox,
    pub(crate) desk: Arc<Desk>,
    seen: Option<Seen>,
    /// What could be seen a while ago, which has been there for long enough.
    old: Option<Seen>,
}

/// What could be seen, and when that was.
#[derive(Clone, Debug)]
struct Seen {
    snapshot: String,
    at: Instant,
}

/// What a look found.
struct News {
    seen: Seen,
    went_back: bool,
    untold: bool,
    /// The text of each, and whether Redis is told.
    notes: Vec<(String, bool)>,
}

impl Rounds {
    pub(crate) const fn new(outbox: Outbox, desk: Arc<Desk>) -> Self {
        Self {
            outbox,
            desk,
            seen: None,
            old: None,
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
        let desk = Arc::clone(&self.desk);
        let statements = &desk.statements;
        let untold = match self.still_seen() {
            Some(seen) => {
                let news = look(client, statements, &seen).await?;
                counts.seen.add(news.notes.len());
                forget(hub, &news);
                self.seen = Some(news.seen);
                news.untold
            }
            None => {
                let at = Instant::now();
                let rows = client.query_typed(Statements::SNAPSHOT, &[]).await?;
                let Some(row) = rows.first() else {
                    return Ok(false);
                };
                let snapshot = row.try_get(0)?;
                self.seen = Some(Seen { snapshot, at });
                // Nobody knows what was noted before.
                hub.suspect(hub.clock.now());
                true
            }
        };
        let mut more = false;
        if untold && hub.remote.as_ref().is_some_and(|link| link.is_readable()) {
            more = tell(hub, client, statements, counts).await?;
        }
        self.sweep(client, statements, hub.remote.is_none()).await?;
        Ok(more)
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
    for row in &rows {
        news.seen = Seen {
            snapshot: row.try_get(0)?,
            at,
        };
        news.went_back = row.try_get(1)?;
        news.untold = row.try_get(2)?;
        // One row says that there are none.
        if let Some(text) = row.try_get::<_, Option<String>>(3)? {
            news.notes.push((text, row.try_get(4)?));
        }
    }
    Ok(news)
}

/// Forgets here what is new.
fn forget(hub: &Shared, news: &News) {
    // The database was put back to what it was, or there is too much to go through.
    if news.went_back || news.notes.len() > MANY as usize {
        return hub.suspect(hub.clock.now());
    }
    let hears = hub.remote.as_ref().is_some_and(|link| link.hears());
    for (text, told) in &news.notes {
        // Whoever told Redis told all who hear.
        if *told && hears {
            continue;
        }
        match Forget::decode(text) {
            Some(forget) => hub.apply(&forget),
            // A later version of this crate may say more: then it is not known what.
            None => hub.suspect(hub.clock.now()),
        }
    }
}

/// Tells Redis, and by it all who hear, of what nobody has yet. Whether there may be more.
async fn tell(
    hub: &Arc<Shared>,
    client: &Client,
    statements: &Statements,
    counts: &Counts,
) -> Result<bool, Error> {
    let claimed = client
        .query_typed(&statements.claim, &[(&CLAIMED, Type::INT8)])
        .await?;
    let mut told: Vec<i64> = Vec::with_capacity(claimed.len());
    for row in &claimed {
        let forget = Forget::decode(row.try_get(1)?).unwrap_or(Forget::All);
        // The rest would wait for nothing, and can be claimed again in a second.
        if hub.forget(forget).await != Invalidation::Everywhere {
            break;
        }
        told.push(row.try_get(0)?);
    }
    if !told.is_empty() {
        client
            .execute_typed(&statements.told, &[(&told, Type::INT8_ARRAY)])
            .await?;
        counts.told.add(told.len());
    }
    Ok(told.len() == CLAIMED as usize)
}
