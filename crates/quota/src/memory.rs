use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::claim::{Claim, Usage};
use crate::crossing::{Bell, Crossings};
use crate::error::QuotaError;
use crate::ledger::{Ledger, later};

/// Quotas counted in memory, for tests and for what need not outlive the process. Clones share
/// it.
///
/// ```
/// use std::num::NonZeroUsize;
/// use towerblock_core::TenantId;
/// use towerblock_quota::{Claim, MemoryQuotas, Name, Quota};
///
/// let quotas = MemoryQuotas::new(NonZeroUsize::new(10_000).unwrap());
/// let plugin = Claim::new(&TenantId::new("acme")?, &Name::new("plugins")?, Quota::stock(2));
/// assert_eq!(quotas.consume(&plugin)?.remaining(), 1);
/// assert_eq!(quotas.consume(&plugin)?.remaining(), 0);
/// assert!(quotas.consume(&plugin).is_err());
/// assert_eq!(quotas.give_back(&plugin).remaining(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryQuotas {
    ledger: Arc<Mutex<Ledger>>,
    bell: Bell,
}

impl MemoryQuotas {
    /// With memory for so many counts, of a tenant's resource in a period, and as many keys. More are
    /// an error, after those that are of no use any more were swept out.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            ledger: Arc::new(Mutex::new(Ledger::new(capacity.get()))),
            bell: Bell::default(),
        }
    }

    /// Counts, if there is room.
    ///
    /// # Errors
    ///
    /// There is none, or no memory.
    pub fn consume(&self, claim: &Claim) -> Result<Usage, QuotaError> {
        self.told(|ledger, _| ledger.consume(claim))
    }

    /// Counts, once for a key of the tenant's in a day.
    ///
    /// # Errors
    ///
    /// There is no room or no memory, or the key was used for something else.
    pub fn consume_once(&self, claim: &Claim, key: &str) -> Result<Usage, QuotaError> {
        self.told(|ledger, now| ledger.consume_once(claim, key, now))
    }

    /// Holds room for work that is yet to be done: once for a key of the tenant's, and for so long.
    ///
    /// # Errors
    ///
    /// There is no room or no memory, or the key was used for something else.
    pub fn reserve(&self, claim: &Claim, key: &str, hold: Duration) -> Result<Usage, QuotaError> {
        self.told(|ledger, now| ledger.reserve(claim, key, later(now, hold)))
    }

    /// Counts what the work came to, more or less than was reserved. It was done, so that it is counted even if the
    /// reservation has expired; once for a key.
    ///
    /// # Errors
    ///
    /// Nothing was reserved by that key, or it was released.
    pub fn commit(&self, claim: &Claim, key: &str, actual: u64) -> Result<Usage, QuotaError> {
        self.told(|ledger, now| ledger.commit(claim, key, actual, now))
    }

    /// Gives up what was reserved by that key, and says whether it was still held.
    #[expect(clippy::must_use_candidate, reason = "releasing twice is as good")]
    pub fn release(&self, claim: &Claim, key: &str) -> bool {
        self.lock().release(claim, key, Instant::now())
    }

    /// Takes off what is no longer there.
    #[expect(clippy::must_use_candidate, reason = "what is left need not be known")]
    pub fn give_back(&self, claim: &Claim) -> Usage {
        self.lock().give_back(claim)
    }

    /// Replaces what was counted by what is there.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn correct(&self, claim: &Claim, used: u64) -> Result<Usage, QuotaError> {
        self.told(|ledger, _| ledger.correct(claim, used))
    }

    /// What is used by now.
    #[must_use]
    pub fn usage(&self, claim: &Claim) -> Usage {
        self.lock().usage(claim)
    }

    /// Gives back what expired, and says how many. Call it as often as reservations last.
    #[expect(clippy::must_use_candidate, reason = "how many is for the log")]
    pub fn sweep(&self) -> u64 {
        sweep(&mut self.lock())
    }

    /// Tells what is crossed from now on.
    pub fn crossings(&self) -> Crossings {
        self.bell.listen()
    }

    fn told(
        &self,
        run: impl Fn(&mut Ledger, Instant) -> Result<Usage, QuotaError>,
    ) -> Result<Usage, QuotaError> {
        let mut ledger = self.lock();
        let mut result = run(&mut ledger, Instant::now());
        if result.as_ref().is_err_and(QuotaError::is_full) {
            sweep(&mut ledger);
            result = run(&mut ledger, Instant::now());
        }
        drop(ledger);
        if let Ok(usage) = &result {
            self.bell.tell(usage);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Nothing under it panics.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sweep(ledger: &mut Ledger) -> u64 {
    ledger.sweep(Instant::now(), Timestamp::now().as_second())
}
