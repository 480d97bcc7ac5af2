use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use towerblock_core::TenantId;

use crate::statistics::cause::Cause;
use crate::statistics::distinct::Distinct;
use crate::statistics::report::{TenantLoad, Window};
use crate::statistics::tally::Tally;
use crate::statistics::tenants::{MINUTE, Minute};

pub(crate) const WINDOWS: [u32; 3] = [1, 5, 15];
/// Tenants that are reported of one window.
const REPORTED: usize = 20;
/// Times its fair share that a tenant takes when it is reported.
const FAIR: f64 = 2.0;
/// Connections that a tenant holds on average when it is reported: less hurts nobody.
const CONNECTIONS: f64 = 0.1;

/// A mean is taken over no less, or the first query would hold a thousand connections.
const SECOND: Duration = Duration::from_secs(1);

/// What the tenants took over the last minutes. The minute that the window has partly left
/// behind counts with the part that is still in it. `age`: since the counting began.
pub(crate) fn window(minutes: &[Arc<Minute>], length: u32, age: Duration) -> Window {
    let present = age.as_secs() / MINUTE.as_secs();
    let oldest = present.checked_sub(u64::from(length));
    let left =
        1.0 - Duration::as_secs_f64(&age).rem_euclid(MINUTE.as_secs_f64()) / MINUTE.as_secs_f64();
    let mut total = Tally::default();
    let mut tallies: HashMap<&TenantId, Tally> = HashMap::new();
    let mut active = Distinct::new();
    for minute in minutes {
        let part = match oldest {
            Some(oldest) if minute.number < oldest => continue,
            Some(oldest) if minute.number == oldest => left,
            _ => 1.0,
        };
        total += scaled(minute.total, part);
        active.unite(&minute.active);
        for entry in &minute.entries {
            *tallies.entry(&entry.tenant).or_default() += scaled(entry.tally, part);
        }
    }
    let over = (MINUTE * length).min(age);
    let whole = Whole {
        total,
        active: active.count().max(1.0),
        micros: float(micros(over.max(SECOND))),
    };
    Window {
        over,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, rounded"
        )]
        active: active.count() as u64,
        connections: float(total.hold) / whole.micros,
        tenants: whole.problematic(tallies),
    }
}

struct Whole {
    total: Tally,
    active: f64,
    micros: f64,
}

impl Whole {
    fn problematic(&self, tallies: HashMap<&TenantId, Tally>) -> Vec<TenantLoad> {
        let mut held: Vec<_> = tallies
            .into_iter()
            .filter(|(_, tally)| {
                self.share(tally) * self.active >= FAIR
                    && float(tally.hold) / self.micros >= CONNECTIONS
            })
            .collect();
        held.sort_unstable_by_key(|(tenant, tally)| (Reverse(tally.hold), tenant.as_str()));
        held.truncate(REPORTED);
        held.into_iter()
            .map(|(tenant, tally)| TenantLoad {
                tenant: tenant.clone(),
                share: self.share(&tally),
                fair_share: 1.0 / self.active,
                connections: float(tally.hold) / self.micros,
                queries: tally.queries,
                rows: tally.rows,
                execute: Duration::from_micros(tally.execute),
                hold: Duration::from_micros(tally.hold),
                cause: Cause::of(tally, self.total - tally, self.active - 1.0),
            })
            .collect()
    }

    fn share(&self, tally: &Tally) -> f64 {
        float(tally.hold) / float(self.total.hold).max(1.0)
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "ratios need no more")]
pub(crate) const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of what fitted"
)]
fn scaled(tally: Tally, part: f64) -> Tally {
    let scaled = |number| (float(number) * part) as u64;
    Tally {
        queries: scaled(tally.queries),
        rows: scaled(tally.rows),
        execute: scaled(tally.execute),
        hold: scaled(tally.hold),
    }
}
