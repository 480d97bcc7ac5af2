use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use towerblock_core::{Metric, Stats, Value};

use crate::Circuit;
use crate::counters::METRICS;

/// The circuits of a process by name: what an admin route lists and forces, and what a
/// dashboard reads.
///
/// ```
/// use towerblock_breaker::{Circuit, Policy, Registry, State};
///
/// let circuits = Registry::new();
/// let billing = Circuit::new("billing", Policy::default());
/// circuits.add(&billing);
///
/// if let Some(circuit) = circuits.get("billing") {
///     circuit.force_open();
/// }
/// assert_eq!(billing.state(), State::ForcedOpen);
/// # assert!(circuits.get("shipping").is_none());
/// ```
///
/// It holds its circuits, so that they are listed for as long as it lives; they are made when a
/// process starts, not by a request. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    circuits: Arc<Mutex<BTreeMap<&'static str, Circuit>>>,
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a circuit, in the place of one of the same name.
    pub fn add(&self, circuit: &Circuit) {
        self.circuits().insert(circuit.name(), circuit.clone());
    }

    /// The circuit of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Circuit> {
        self.circuits().get(name).cloned()
    }

    /// All of them, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Circuit> {
        self.circuits().values().cloned().collect()
    }

    fn circuits(&self) -> MutexGuard<'_, BTreeMap<&'static str, Circuit>> {
        // No user code runs under this lock, so a poisoned map is still whole.
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stats for Registry {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        for circuit in self.list() {
            circuit.read(sink);
        }
    }
}
