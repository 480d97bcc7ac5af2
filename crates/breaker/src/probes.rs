use std::time::Duration;

/// The calls that decide whether an open circuit closes.
///
/// ```
/// use std::time::Duration;
///
/// use towerblock_breaker::Probes;
///
/// // Five, of which four have to pass.
/// let probes = Probes::calls(5).may_fail(1).lease(Duration::from_secs(3));
/// # let _ = probes;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Probes {
    calls: u8,
    may_fail: u8,
    lease: u64,
}

impl Probes {
    /// So many, at least 1; all others are refused meanwhile. It is decided as soon as it is
    /// certain. Default: 3.
    pub const fn calls(calls: u8) -> Self {
        Self {
            calls: if calls == 0 { 1 } else { calls },
            may_fail: 0,
            lease: 10_000,
        }
    }

    /// Closes though so many of them fail or are slow; fewer than there are. Default: 0.
    pub const fn may_fail(mut self, calls: u8) -> Self {
        self.may_fail = calls;
        self
    }

    /// Admits others in their place when they have not decided after so long, and ignores what
    /// becomes of the first; from 1 millisecond to a day. Default: 10 seconds.
    pub const fn lease(mut self, lease: Duration) -> Self {
        const DAY: u128 = 24 * 60 * 60 * 1_000;
        self.lease = match lease.as_millis() {
            0 => 1,
            lease @ 1..DAY => lease as u64,
            _ => DAY as u64,
        };
        self
    }

    pub(crate) fn count(&self) -> u32 {
        self.calls.into()
    }

    pub(crate) fn lease_millis(&self) -> u64 {
        self.lease
    }

    pub(crate) fn have_failed(&self, failed: u8) -> bool {
        failed > self.allowed()
    }

    pub(crate) fn have_passed(&self, passed: u8) -> bool {
        passed >= self.calls - self.allowed()
    }

    fn allowed(&self) -> u8 {
        self.may_fail.min(self.calls - 1)
    }
}

impl Default for Probes {
    fn default() -> Self {
        Self::calls(3)
    }
}
