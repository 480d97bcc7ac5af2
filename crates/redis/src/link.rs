//! Keeps one connection up, and knows soon when it is not.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::check::check;
use crate::session::{Role, Session};
use crate::shared::{Link, Shared};
use crate::within::within;
use crate::{Class, Error};

/// Connects, watches, and connects again, until it is dropped.
pub(crate) async fn keep_up(shared: &Shared, index: usize) {
    let Some(link) = shared.link(index) else {
        return;
    };
    let mut retry = Retry::default();
    loop {
        let error = match open(shared, link).await {
            Ok((up, mut session)) => {
                retry = Retry::default();
                let error = watch(shared, &up, &mut session).await;
                // First nobody is given it any more, then who waits for it is told.
                drop(up);
                drop(session);
                error
            }
            Err(error) => error,
        };
        shared.failed(&error);
        sleep(retry.wait()).await;
    }
}

/// A connection whose server answers, and answers in time.
async fn open<'a>(shared: &'a Shared, link: &'a Link) -> Result<(Up<'a>, Session), Error> {
    let settings = &shared.settings;
    let session = Session::open(&settings.target, Role::Data, settings.connect_timeout).await?;
    let wire = session.wire();
    let found = check(&wire, settings).await?;
    if let Err(error) = &found.writes {
        if error.class() == Class::Outage {
            return Err(error.clone());
        }
    }
    shared.up(link, wire, found.epoch);
    Ok((Up { shared, link }, session))
}

/// Why it is of no use any more: it ended, or a heartbeat and all calls beside it remained
/// without an answer.
async fn watch(shared: &Shared, up: &Up<'_>, session: &mut Session) -> Error {
    let limit = shared.settings.timeout;
    let wire = session.wire();
    loop {
        let answers = up.link.answers();
        let asked = Instant::now();
        let answer = tokio::select! {
            biased;
            error = session.ended() => return error,
            answer = within(limit, wire.ping()) => answer,
        };
        match answer {
            Some(Ok(())) => {}
            Some(Err(error)) => return error,
            // Others are answered: it is alive, and behind.
            None if up.link.answers() != answers => {}
            // This process stood still, and has not looked.
            None if asked.elapsed() > limit * 3 / 2 => continue,
            None => return Error::Timeout(limit),
        }
        tokio::select! {
            biased;
            error = session.ended() => return error,
            () = sleep(limit) => {}
        }
    }
}

/// A connection is up for as long as this lives.
struct Up<'a> {
    shared: &'a Shared,
    link: &'a Link,
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.shared.down(self.link);
    }
}

/// How long to leave a server alone that does not answer.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    tries: u32,
}

impl Retry {
    const FIRST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_millis(250);

    pub(crate) fn wait(&mut self) -> Duration {
        let wait = Self::FIRST
            .saturating_mul(1 << self.tries.min(8))
            .min(Self::MOST);
        self.tries = self.tries.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::Retry;

    #[test]
    fn tries_are_never_further_apart_than_a_quarter_of_a_second() {
        let mut retry = Retry::default();
        let waits: Vec<_> = (0..100).map(|_| retry.wait().as_millis()).collect();
        assert_eq!(waits.get(..5), Some(&[20, 40, 80, 160, 250][..]));
        assert_eq!(waits.last(), Some(&250));
    }
}
