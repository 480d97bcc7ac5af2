use std::sync::atomic::Ordering;
use std::time::Duration;

use towerblock_breaker::Permit;
use towerblock_core::{Reason, Rejected};

use crate::Error;
use crate::session::Wire;
use crate::shared::{Link, Shared};
use crate::within::within;

/// When somebody who was refused because nothing is connected may come back: as often at least
/// is it tried.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Leave to make so many calls at once. Dropped, it gives back all that it has taken; what was
/// sent is sent.
pub(crate) struct Pass<'a> {
    shared: &'a Shared,
    link: &'a Link,
    wire: Wire,
    permit: Permit<'a>,
    writes: bool,
    places: Places<'a>,
}

/// Among the calls that may be under way.
struct Places<'a> {
    shared: &'a Shared,
    count: usize,
}

impl<'a> Pass<'a> {
    pub(crate) fn take(shared: &'a Shared, writes: bool, count: usize) -> Result<Self, Error> {
        let pass = Self::try_take(shared, writes, count);
        match &pass {
            Ok(_) => shared.counters.calls.add(count as u64),
            Err(_) => shared.counters.refused.add(count as u64),
        }
        pass.map_err(Error::Refused)
    }

    fn try_take(shared: &'a Shared, writes: bool, count: usize) -> Result<Self, Rejected> {
        let away = || {
            let rejected = Rejected::new(shared.settings.name, Reason::CircuitOpen);
            rejected.with_retry_after(RETRY_AFTER)
        };
        // Before the gate, which would take it for a probe once it has been open for a while.
        if !shared.is_live() {
            return Err(away());
        }
        let places = Places { shared, count };
        let before = shared.in_flight.fetch_add(count, Ordering::Relaxed);
        let permit = shared.gates.admit(writes)?;
        if before.saturating_add(count) > shared.settings.in_flight {
            // It does not keep up: that is an outage for whoever comes now.
            permit.failure();
            return Err(Rejected::new(shared.settings.name, Reason::Overloaded));
        }
        let Some((link, wire)) = shared.pick() else {
            permit.ignore();
            return Err(away());
        };
        Ok(Self {
            shared,
            link,
            wire,
            permit,
            writes,
            places,
        })
    }

    /// Does the work in the time that a call has.
    pub(crate) async fn spend<T, W>(self, work: impl FnOnce(Wire) -> W) -> Result<T, Error>
    where
        W: Future<Output = Result<T, Error>>,
    {
        let Self {
            shared,
            link,
            wire,
            permit,
            writes,
            places,
        } = self;
        let limit = shared.settings.timeout;
        // Cancel safety: dropped here, the permit says how long it has waited, and the places are
        // free. The command may be executed.
        let result = within(limit, work(wire)).await;
        let result = result.unwrap_or(Err(Error::Timeout(limit)));
        let counter = match &result {
            Ok(_) => None,
            Err(Error::Timeout(_)) => Some(&shared.counters.timeouts),
            Err(Error::Lost(_)) => Some(&shared.counters.lost),
            Err(Error::Replied(_) | Error::Refused(_)) => Some(&shared.counters.replied),
        };
        if let Some(counter) = counter {
            counter.add(1);
        }
        if matches!(result, Ok(_) | Err(Error::Replied(_))) {
            link.answered();
        }
        shared.gates.finish(writes, permit, &result);
        drop(places);
        result
    }
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        self.shared
            .in_flight
            .fetch_sub(self.count, Ordering::Relaxed);
    }
}
