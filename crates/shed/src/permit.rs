use std::sync::Arc;

use towerblock_fair::Admission;

use crate::gate::Gate;
use crate::meter::Ticket;

/// A request in flight; dropping it gives its slot back.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    _slot: Admission,
    ticket: Option<Ticket>,
    answered: bool,
}

impl Permit {
    pub(crate) const fn new(gate: Arc<Gate>, slot: Admission, ticket: Option<Ticket>) -> Self {
        Self {
            gate,
            _slot: slot,
            ticket,
            answered: false,
        }
    }

    /// The response is there, if not its body; or an error, which is no sample of how long an
    /// answer takes.
    pub(crate) fn answered(&mut self, ok: bool) {
        self.answered = true;
        if let Some(ticket) = self.ticket.take() {
            self.gate.end(&ticket, ok);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.answered {
            self.gate.counters.dropped();
            if let Some(ticket) = self.ticket.take() {
                self.gate.end(&ticket, false);
            }
        }
    }
}
