use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::Name;
use crate::claim::{Claim, Usage};
use crate::error::{Cause, QuotaError, checked};
use crate::row::Row;

/// What is used and reserved, in memory.
#[derive(Debug)]
pub(crate) struct Ledger {
    capacity: usize,
    rows: HashMap<Of, Row>,
    held: HashMap<Key, Held>,
}

/// Whose, of what, and from which second on until which.
type Of = (TenantId, Name, i64, i64);
type Key = (TenantId, Arc<str>);

/// What a key stands for.
#[derive(Debug)]
struct Held {
    of: Of,
    units: u64,
    state: State,
    until: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Open,
    Settled,
    Expired,
    Released,
}

/// For how long a key is remembered after it is settled.
pub(crate) const KEPT: Duration = Duration::from_secs(86_400);

impl Ledger {
    pub(crate) fn new(capacity: usize) -> Self {
        let (rows, held) = (HashMap::new(), HashMap::new());
        Self {
            capacity,
            rows,
            held,
        }
    }

    pub(crate) fn usage(&self, claim: &Claim) -> Usage {
        let row = self.rows.get(&of(claim)).copied().unwrap_or_default();
        claim.usage(row.used, row.reserved, None)
    }

    pub(crate) fn consume(&mut self, claim: &Claim) -> Result<Usage, QuotaError> {
        let row = self.row_with_room(claim)?;
        let told = row.add(claim.units, claim.quota);
        Ok(claim.usage(row.used, row.reserved, told))
    }

    pub(crate) fn consume_once(
        &mut self,
        claim: &Claim,
        key: &str,
        now: Instant,
    ) -> Result<Usage, QuotaError> {
        if let Some(usage) = self.repeated(claim, key)? {
            return Ok(usage);
        }
        let usage = self.consume(claim)?;
        self.hold(claim, key, State::Settled, later(now, KEPT));
        Ok(usage)
    }

    pub(crate) fn reserve(
        &mut self,
        claim: &Claim,
        key: &str,
        until: Instant,
    ) -> Result<Usage, QuotaError> {
        if let Some(usage) = self.repeated(claim, key)? {
            return Ok(usage);
        }
        let row = self.row_with_room(claim)?;
        row.reserved += claim.units;
        let usage = claim.usage(row.used, row.reserved, None);
        self.hold(claim, key, State::Open, until);
        Ok(usage)
    }

    pub(crate) fn commit(
        &mut self,
        claim: &Claim,
        key: &str,
        actual: u64,
        now: Instant,
    ) -> Result<Usage, QuotaError> {
        let held = self.held.get_mut(&name(claim, key));
        let unknown = || QuotaError::from(Cause::UnknownKey(key.to_owned()));
        let held = held.ok_or_else(unknown)?;
        let before = held.state;
        match before {
            State::Released => return Err(unknown()),
            State::Settled => return Ok(self.usage(claim).again()),
            State::Open | State::Expired => {}
        }
        held.state = State::Settled;
        held.until = later(now, KEPT);
        let row = self.rows.entry(held.of.clone()).or_default();
        if before == State::Open {
            row.reserved = row.reserved.saturating_sub(held.units);
        }
        let told = row.add(actual, claim.quota);
        let mut usage = claim.usage(row.used, row.reserved, told);
        usage.late = before == State::Expired;
        Ok(usage)
    }

    pub(crate) fn release(&mut self, claim: &Claim, key: &str, now: Instant) -> bool {
        match self.held.get_mut(&name(claim, key)) {
            Some(held) if held.state == State::Open => {
                held.close(&mut self.rows, State::Released, now);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn give_back(&mut self, claim: &Claim) -> Usage {
        let used = self.usage(claim).used.saturating_sub(claim.units);
        if let Some(row) = self.rows.get_mut(&of(claim)) {
            row.set(used, claim.quota);
        }
        self.usage(claim)
    }

    /// What was counted is wrong, and this is right.
    pub(crate) fn correct(&mut self, claim: &Claim, used: u64) -> Result<Usage, QuotaError> {
        self.row(claim)?.set(used, claim.quota);
        Ok(self.usage(claim))
    }

    /// Gives back what expired, and forgets what nobody will ask for.
    pub(crate) fn sweep(&mut self, now: Instant, seconds: i64) -> u64 {
        let mut expired = 0;
        self.held.retain(|_, held| {
            let over = held.until <= now;
            if over && held.state == State::Open {
                held.close(&mut self.rows, State::Expired, now);
                expired += 1;
                return true;
            }
            !over
        });
        self.rows
            .retain(|(.., end), row| *end > seconds && !row.is_empty() || row.reserved > 0);
        expired
    }

    fn repeated(&self, claim: &Claim, key: &str) -> Result<Option<Usage>, QuotaError> {
        match self.held.get(&name(claim, checked(key)?)) {
            Some(held) if held.of == of(claim) && held.units == claim.units => {
                Ok(Some(self.usage(claim).again()))
            }
            Some(_) => Err(Cause::KeyReused(key.to_owned()).into()),
            None if self.held.len() >= self.capacity => Err(Cause::Full.into()),
            None => Ok(None),
        }
    }

    fn row_with_room(&mut self, claim: &Claim) -> Result<&mut Row, QuotaError> {
        let row = self.rows.get(&of(claim)).copied().unwrap_or_default();
        if !row.has_room(claim.units, claim.quota) {
            return Err(QuotaError::exceeded(claim, self.usage(claim)));
        }
        self.row(claim)
    }

    fn row(&mut self, claim: &Claim) -> Result<&mut Row, QuotaError> {
        let is_room = self.rows.len() < self.capacity;
        match self.rows.entry(of(claim)) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(row) if is_room => Ok(row.insert(Row::default())),
            Entry::Vacant(_) => Err(Cause::Full.into()),
        }
    }

    fn hold(&mut self, claim: &Claim, key: &str, state: State, until: Instant) {
        let held = Held {
            of: of(claim),
            units: claim.units,
            state,
            until,
        };
        self.held.insert(name(claim, key), held);
    }
}

impl Held {
    fn close(&mut self, rows: &mut HashMap<Of, Row>, state: State, now: Instant) {
        self.state = state;
        self.until = later(now, KEPT);
        if let Some(row) = rows.get_mut(&self.of) {
            row.reserved = row.reserved.saturating_sub(self.units);
        }
    }
}

fn of(claim: &Claim) -> Of {
    let (tenant, resource) = (claim.tenant.clone(), claim.resource.clone());
    (tenant, resource, claim.period.start(), claim.period.end())
}

fn name(claim: &Claim, key: &str) -> Key {
    (claim.tenant.clone(), key.into())
}

/// As far as the clock reaches.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}
