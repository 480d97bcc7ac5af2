use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::statistics::distinct::Distinct;
use crate::statistics::sketch::{Entry, Sketch};
use crate::statistics::tally::Tally;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// The longest window, and the minute that it has not quite left behind.
const PAST: usize = 15;

/// Who held connections in each of the last minutes. A minute in which many come takes some
/// 200 KB, one in which nobody comes 4 KB, and those before the last 15 nothing.
#[derive(Debug)]
pub(crate) struct Tenants {
    since: Instant,
    number: u64,
    sketch: Sketch,
    active: Distinct,
    /// The last first.
    past: VecDeque<Arc<Minute>>,
}

/// One minute, as it was or as it is so far.
#[derive(Debug)]
pub(crate) struct Minute {
    /// Since the beginning.
    pub(crate) number: u64,
    pub(crate) total: Tally,
    pub(crate) entries: Vec<Entry>,
    pub(crate) active: Distinct,
}

impl Tenants {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            number: 0,
            sketch: Sketch::default(),
            active: Distinct::new(),
            past: VecDeque::with_capacity(PAST + 1),
        }
    }

    pub(crate) fn add(&mut self, tenant: &TenantId, tally: Tally, now: Instant) {
        self.advance(now);
        self.active.add(tenant);
        self.sketch.add(tenant, tally);
    }

    /// The minutes that a window may reach into, the present one first.
    pub(crate) fn minutes(&mut self, now: Instant) -> Vec<Arc<Minute>> {
        self.advance(now);
        let present = Minute {
            number: self.number,
            total: self.sketch.total(),
            entries: self.sketch.entries().to_vec(),
            active: self.active.clone(),
        };
        iter::once(Arc::new(present))
            .chain(self.past.iter().cloned())
            .collect()
    }

    /// Threads tell the time in no order: what comes late belongs to the present.
    fn advance(&mut self, now: Instant) {
        let number = now.saturating_duration_since(self.since).as_secs() / MINUTE.as_secs();
        if number <= self.number {
            return;
        }
        let next = Sketch::with_room_for(self.sketch.entries().len());
        let sketch = std::mem::replace(&mut self.sketch, next);
        self.past.push_front(Arc::new(Minute {
            number: self.number,
            total: sketch.total(),
            entries: sketch.into_entries(),
            active: std::mem::replace(&mut self.active, Distinct::new()),
        }));
        self.number = number;
        self.past
            .retain(|minute| minute.number + PAST as u64 >= number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use towerblock_core::TenantId;

    use super::{MINUTE, Tally, Tenants};

    fn held(hold: u64) -> Tally {
        Tally {
            hold,
            ..Tally::default()
        }
    }

    #[test]
    fn a_tenant_that_went_leaves_nothing_behind_after_a_quarter_of_an_hour() {
        let start = Instant::now();
        let mut tenants = Tenants::new(start);
        let acme = TenantId::new("acme").unwrap();
        tenants.add(&acme, held(5), start);
        let kept = |tenants: &mut Tenants, minute: u32| -> Vec<(u64, usize)> {
            let minutes = tenants.minutes(start + MINUTE * minute);
            minutes
                .iter()
                .map(|minute| (minute.number, minute.entries.len()))
                .collect()
        };
        assert_eq!(kept(&mut tenants, 0), [(0, 1)]);
        assert_eq!(kept(&mut tenants, 1), [(1, 0), (0, 1)]);
        assert_eq!(kept(&mut tenants, 15), [(15, 0), (1, 0), (0, 1)]);
        assert_eq!(kept(&mut tenants, 16), [(16, 0), (15, 0), (1, 0)]);
        assert_eq!(kept(&mut tenants, 600), [(600, 0)]);
    }

    #[test]
    fn what_comes_late_belongs_to_the_present() {
        let start = Instant::now();
        let mut tenants = Tenants::new(start);
        let acme = TenantId::new("acme").unwrap();
        tenants.add(&acme, held(5), start + MINUTE);
        tenants.add(&acme, held(6), start + MINUTE - Duration::from_micros(1));
        let minutes = tenants.minutes(start);
        assert_eq!((minutes[0].number, minutes[0].total.hold), (1, 11));
    }
}
