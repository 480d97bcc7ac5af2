use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::statistics::report::SlowQuery;

/// Slow queries that are remembered.
pub(crate) const REMEMBERED: usize = 100;
const MINUTE: f64 = 60.0;

/// The last slow queries, and how many there are in a minute.
#[derive(Debug)]
pub(crate) struct Slow {
    last: VecDeque<Entry>,
    since: Instant,
    minute: u64,
    present: u32,
    previous: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    label: &'static str,
    tenant: Option<TenantId>,
    took: Duration,
    at: Instant,
}

impl Slow {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            last: VecDeque::with_capacity(REMEMBERED),
            since: now,
            minute: 0,
            present: 0,
            previous: 0,
        }
    }

    pub(crate) fn add(
        &mut self,
        label: &'static str,
        tenant: Option<&TenantId>,
        took: Duration,
        now: Instant,
    ) {
        self.advance(now);
        self.present = self.present.saturating_add(1);
        if self.last.len() == REMEMBERED {
            self.last.pop_back();
        }
        self.last.push_front(Entry {
            label,
            tenant: tenant.cloned(),
            took,
            at: now,
        });
    }

    /// In the last minute: what came in this one, and as much of the previous as is less
    /// than a minute ago, taken as even.
    pub(crate) fn per_minute(&mut self, now: Instant) -> f64 {
        self.advance(now);
        let gone = now.saturating_duration_since(self.since).as_secs_f64() % MINUTE / MINUTE;
        f64::from(self.present) + f64::from(self.previous) * (1.0 - gone)
    }

    /// The last first.
    pub(crate) fn queries(&self, now: Instant) -> Vec<SlowQuery> {
        self.last
            .iter()
            .map(|entry| SlowQuery {
                label: entry.label,
                tenant: entry.tenant.clone(),
                took: entry.took,
                ago: now.saturating_duration_since(entry.at),
            })
            .collect()
    }

    fn advance(&mut self, now: Instant) {
        let minute = now.saturating_duration_since(self.since).as_secs() / 60;
        match minute.saturating_sub(self.minute) {
            0 => return,
            1 => self.previous = self.present,
            _ => self.previous = 0,
        }
        self.minute = minute;
        self.present = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use towerblock_core::TenantId;

    use super::{REMEMBERED, Slow};

    const LONG: Duration = Duration::from_secs(1);

    #[test]
    fn a_minute_slides() {
        let start = Instant::now();
        let mut slow = Slow::new(start);
        let at = |secs| start + Duration::from_secs(secs);
        for second in 0..60 {
            slow.add("orders.list", None, LONG, at(second));
        }
        let mut is = |secs, expected: f64| {
            let rate = slow.per_minute(at(secs));
            assert!((rate - expected).abs() < 1e-9, "{rate} at {secs} s");
        };
        is(59, 60.0);
        is(60, 60.0);
        is(90, 30.0);
        is(119, 1.0);
        is(120, 0.0);
        slow.add("orders.list", None, LONG, at(125));
        assert!((slow.per_minute(at(600)) - 0.0).abs() < 1e-9, "a pause");
    }

    #[test]
    fn only_the_last_are_remembered() {
        let start = Instant::now();
        let mut slow = Slow::new(start);
        let acme = TenantId::new("acme").unwrap();
        for number in 0..REMEMBERED as u64 + 5 {
            let took = Duration::from_secs(number);
            slow.add("orders.list", Some(&acme), took, start + took);
        }
        let now = start + Duration::from_secs(200);
        let queries = slow.queries(now);
        assert_eq!(queries.len(), REMEMBERED);
        assert_eq!(queries[0].took, Duration::from_secs(104));
        assert_eq!(queries[0].ago, Duration::from_secs(96));
        assert_eq!(queries[99].took, Duration::from_secs(5));
        assert_eq!(queries[99].tenant, Some(acme));
    }
}
