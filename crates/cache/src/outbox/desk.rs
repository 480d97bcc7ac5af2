use tokio::sync::Notify;

use super::table::{Outbox, Statements};

/// Where a hub writes down what is to be forgotten.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) statements: Statements,
    /// Rings when something was written here.
    pub(crate) noted: Notify,
}

impl Desk {
    pub(crate) fn of(outbox: &Outbox) -> Self {
        Self {
            statements: Statements::of(outbox),
            noted: Notify::new(),
        }
    }
}
