//! Who may call: two circuits, told by every call and by the heartbeats.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use towerblock_breaker::{Backoff, Circuit, Permit, Policy, Probes, State, Window};
use towerblock_core::Rejected;

use crate::{Class, Error};

/// So many failures with no success between them open a gate.
const IN_A_ROW: u32 = 5;

#[derive(Debug)]
pub(crate) struct Gates {
    pub(crate) read: Circuit,
    pub(crate) write: Circuit,
}

impl Gates {
    /// A call that is dropped after `patience` has failed.
    pub(crate) fn new(name: &'static str, patience: Duration) -> Self {
        // Shorter than a second, so that a server that is back is used within one. Nobody has to
        // wait for a server that is away to find out: without a connection none is a probe.
        let wait = Backoff::from(Duration::from_millis(200)).at_most(Duration::from_millis(400));
        let policy = Policy::in_a_row(IN_A_ROW)
            .or_rate(Window::time(Duration::from_secs(1)))
            .abandoned_after(patience)
            .probes(Probes::calls(1).lease(Duration::from_secs(1)))
            .backoff(wait);
        let [read, write] = names(name);
        Self {
            read: Circuit::new(read, policy),
            write: Circuit::new(write, policy),
        }
    }

    pub(crate) fn admit(&self, writes: bool) -> Result<Permit<'_>, Rejected> {
        if writes { &self.write } else { &self.read }.try_acquire()
    }

    /// Tells the gate that was passed what became of the call.
    pub(crate) fn finish<T>(&self, writes: bool, permit: Permit<'_>, result: &Result<T, Error>) {
        match result.as_ref().map_err(Error::class) {
            Ok(_) | Err(Class::Data) => permit.success(),
            Err(Class::Refused) => permit.ignore(),
            Err(Class::Outage) => permit.failure(),
            Err(Class::WritesOnly) if writes => permit.failure(),
            Err(Class::WritesOnly) => {
                permit.success();
                if let Ok(permit) = self.write.try_acquire() {
                    permit.failure();
                }
            }
        }
    }

    /// Opens both: nothing is connected any more.
    pub(crate) fn trip(&self) {
        for gate in [&self.read, &self.write] {
            // Calls that end well at this moment begin a new row.
            for _ in 0..4 * IN_A_ROW {
                match gate.try_acquire() {
                    Ok(permit) if gate.state() != State::ForcedClosed => permit.failure(),
                    Ok(permit) => {
                        permit.ignore();
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }
}

pub(crate) fn passes(gate: &Circuit) -> bool {
    matches!(gate.state(), State::Closed | State::ForcedClosed)
}

/// A circuit has its name for ever. So that connecting again and again does not grow memory, so
/// have these: as many as there are names in the program.
fn names(name: &'static str) -> [&'static str; 2] {
    static NAMES: Mutex<BTreeMap<&str, [&str; 2]>> = Mutex::new(BTreeMap::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    *names
        .entry(name)
        .or_insert_with(|| ["read", "write"].map(|gate| &*format!("{name}.{gate}").leak()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towerblock_breaker::State;

    use super::{Gates, names};
    use crate::Error;

    fn report(gates: &Gates, writes: bool, text: &str) {
        let permit = gates.admit(writes).unwrap();
        gates.finish(writes, permit, &Err::<(), _>(Error::Replied(text.into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_server_is_read_and_not_written() {
        let gates = Gates::new("full", Duration::from_millis(100));
        for _ in 0..5 {
            report(&gates, false, "OOM command not allowed");
        }
        assert_eq!(
            (gates.read.state(), gates.write.state()),
            (State::Closed, State::Open)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_command_opens_nothing() {
        let gates = Gates::new("wrong", Duration::from_millis(100));
        for _ in 0..50 {
            report(&gates, true, "WRONGTYPE Operation against a key");
        }
        assert_eq!(gates.write.state(), State::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn tripping_opens_both_but_what_was_forced() {
        let gates = Gates::new("tripped", Duration::from_millis(100));
        gates.write.force_closed();
        gates.trip();
        assert_eq!(
            (gates.read.state(), gates.write.state()),
            (State::Open, State::ForcedClosed)
        );
    }

    #[test]
    fn a_name_is_made_once() {
        let [read, write] = names("once");
        assert_eq!((read, write), ("once.read", "once.write"));
        assert!(std::ptr::eq(names("once")[0], read));
    }
}
